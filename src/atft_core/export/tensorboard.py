"""A run as TensorBoard event files: a directory for each trial (extra `tensorboard`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from atft_core.errors import UsageError
from atft_core.run.directory import RunDirectory
from atft_core.run.state import State
from atft_core.run.wording import finite, several

_GROUPS = ("train", "time", "rates", "gpu")


def write(run: RunDirectory, state: State, out: str) -> str:
    """Scalars of every epoch at its own time, and parameters with the value, into a directory.

    UsageError where TensorBoard is not installed, or the directory already holds something.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UsageError(
            "TensorBoard is not installed.", hint="pip install 'atft[tensorboard]'"
        ) from error
    target = Path(out)
    if target.exists() and any(target.iterdir()):
        raise UsageError(f"{target} is not empty.", hint="Name another directory with --out.")
    writer_of: Any = SummaryWriter
    for trial in state.trials.values():
        with writer_of(str(target / f"trial_{trial.number}")) as writer:
            for row in trial.epochs:
                for group in _GROUPS:
                    for name, value in (getattr(row, group) or {}).items():
                        _scalar(writer, f"{group}/{name}", value, row.epoch, row.t)
                for horizon, metrics in row.val.items():
                    for name, value in metrics.items():
                        _scalar(writer, f"val_h{horizon}/{name}", value, row.epoch, row.t)
            if (value := state.measured(trial.value)) is not None:
                plain = {k: v if isinstance(v, int | float | str) else str(v)
                         for k, v in trial.params.items()}  # fmt: skip
                writer.add_hparams(plain, {"value": value}, run_name=".")
    return f"{several(len(state.trials), 'trial')}: tensorboard --logdir {out}"


def _scalar(writer: Any, name: str, value: object, step: int, t: float) -> None:
    number = finite(value)
    if number is not None:
        writer.add_scalar(name, number, step, walltime=t)
