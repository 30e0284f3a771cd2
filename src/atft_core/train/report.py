"""How a worker tells what it does: its journal, its log, its last word. Imports no torch."""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from atft_core.errors import (
    AtftError,
    CheckpointError,
    DataError,
    FeedError,
    NonFiniteLossError,
    RunDirectoryError,
)
from atft_core.run.causes import RANK_LOST, caused
from atft_core.run.directory import TrialDirectory
from atft_core.run.events import Epoch, Json, Progress, Settings
from atft_core.run.files import DISK_FULL, read_json, write_json
from atft_core.run.journal import Journal
from atft_core.run.plugins import blamed

log = logging.getLogger("atft_core.train")

ENDINGS = {"stop": "stopped", "prune": "pruned"}
"""How a trial has ended that was ordered to, by the order."""
PERIOD = 0.5
"""Seconds between two reports of progress within a phase."""


_SURROUNDINGS = (OSError, DataError, FeedError, RunDirectoryError, CheckpointError)
"""What says nothing about a trial's parameters: the same trial can be tried again."""


_LOST_GPU = (
    "GPU is lost", "device unavailable", "device(s) is/are busy or unavailable",
    "unspecified launch failure", "uncorrectable ECC error", "hardware error",
    "NVML_SUCCESS == r", "driver shutting down", "no CUDA GPUs are available",
)  # fmt: skip
"""What CUDA says, through torch, when the device went away under a process."""


def log_to_stdout() -> None:
    """The log of a program whose standard output is a file that people read."""
    logging.basicConfig(
        stream=sys.stdout,
        level=logging.INFO,
        format="%(asctime)s %(message)s",
        datefmt="%Y-%m-%d %H:%M:%S",
        force=True,
    )


class Interrupted(Exception):  # noqa: N818 -- an order, not an error
    """The engine asked for the end of this trial: `op` is "stop" or "prune"."""

    def __init__(self, op: str) -> None:
        super().__init__(op)
        self.op = op


class RankLost(SystemExit):
    """A process that works at the same trial is gone; the engine starts the trial again."""

    def __init__(self) -> None:
        super().__init__(RANK_LOST)


class RankFailed(Exception):  # noqa: N818 -- as a verdict reads
    """What such a process has left as its last word."""

    def __init__(self, state: str, why: str) -> None:
        super().__init__(why)
        self.state = state


class Reporter:
    """The worker's journal, and its ear for the engine's orders."""

    def __init__(self, files: TrialDirectory, trial: int, attempt: int) -> None:
        self.journal = Journal(files.events, "trial")
        self.control = files.control
        self.trial, self.attempt = trial, attempt
        self.epoch = 0
        self.log_batches = False
        self._phase, self._told = "", 0.0

    def tick(self, phase: str, batch: int, batches: int) -> bool:
        """A block is about to begin: obey an order, else tell where we are. Once per block."""
        self.obey()
        return self.tell(phase, batch, batches)

    def obey(self) -> None:
        """Interrupted, where the engine has left an order."""
        order: Any = read_json(self.control)
        if isinstance(order, dict) and order.get("op") in ENDINGS:
            raise Interrupted(order["op"])

    def tell(self, phase: str, batch: int = 0, batches: int = 0) -> bool:
        """Report progress at a change of phase, else at most twice a second."""
        if self.log_batches and phase == "validate":
            log.info("Val batch %d/%d", batch + 1, batches)
        now = time.monotonic()
        if phase == self._phase and now - self._told < PERIOD:
            return False
        if phase != self._phase:
            log.info("Epoch %d: %s", self.epoch, phase)
        self._phase, self._told = phase, now
        progress = Progress(
            trial=self.trial, attempt=self.attempt, epoch=self.epoch, phase=phase, batch=batch,
            batches=batches, up=_up(),
        )  # fmt: skip
        self.journal.append(progress)
        return True

    def settings(self, values: Json) -> None:
        """What this worker really runs with."""
        said = Settings(trial=self.trial, attempt=self.attempt, values=values, up=_up())
        self.journal.append(said)

    def epoch_ended(self, row: Json) -> None:
        """An epoch, as metrics.json has it."""
        self.journal.append(Epoch(trial=self.trial, attempt=self.attempt, up=_up(), **row))


def _up() -> float:
    return round(time.monotonic(), 3)


class LastWord:
    """exit.json, written last: the verdict, or why there is none.

    An exception is put on record and goes on its way to the log: `failed` when the trial itself
    went wrong, `blocked` when a disk or a file around it did. A kill or an interrupt leaves no
    file: the engine starts the trial again.
    """

    def __init__(self, path: Path, attempt: int) -> None:
        self.path, self.attempt = path, attempt
        self.state, self.value, self.epoch = "", None, 0  # type: str, float | None, int

    def __enter__(self) -> LastWord:
        self.path.unlink(missing_ok=True)  # that of an earlier attempt
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._write(self.state, "", self.value)
        elif isinstance(error, Exception):
            state = state_of(error)
            hint = error.hint if state == "blocked" and isinstance(error, AtftError) else ""
            why = f"{reason(error).rstrip('.')}. {hint}" if hint else reason(error)
            self._write(state, why, None)

    def _write(self, state: str, why: str, value: float | None) -> None:
        word = {"attempt": self.attempt, "state": state, "reason": why, "value": value,
                "epoch": self.epoch}  # fmt: skip
        write_json(self.path, word)


def log_epoch(row: Json, epochs: int) -> None:
    """The lines that people grep for."""
    train = dict(row["train"])
    loss = number(train.pop("loss", None))
    terms = " ".join(f"{name} {number(value)}" for name, value in train.items())
    log.info("Epoch %d/%d train %s in %.1f s, %d of %d batches; %s", row["epoch"], epochs, loss,
             row["seconds"], row["batches"], row["batches_available"], terms)  # fmt: skip
    parts = ("forward", "backward", "optimiser", "wait", "validate", "checkpoint", "other")
    spent = ", ".join(f"{part} {row['time'].get(part, 0.0):.1f}" for part in parts)
    log.info("Time of epoch %d in s: %s; %.0f windows/s", row["epoch"], spent,
             row.get("rates", {}).get("windows_per_s", 0.0))  # fmt: skip
    for horizon, found in row["val"].items():
        log.info("Val Metrics h=%s RankIC %s IC %s t %s days %d", horizon,
                 number(found["rank_ic"]), number(found["ic"]), number(found["rank_ic_t"]),
                 found["days"])  # fmt: skip


def number(value: float | None) -> str:
    """Four decimals without a leading zero."""
    if value is None:
        return "undefined"
    text = f"{abs(value):.4f}"
    return ("-" if value < 0 else "") + (text[1:] if text.startswith("0.") else text)


def state_of(error: Exception) -> str:
    """How a trial that raised this has ended."""
    if isinstance(error, RankFailed):
        return error.state
    around = isinstance(error, _SURROUNDINGS) or _cause(error) == "LOST_GPU"
    return "blocked" if around else "failed"


def reason(error: Exception) -> str:
    """One line for the trial table; it begins with its cause where that is known."""
    if isinstance(error, RankFailed):
        return str(error)
    text = error.message if isinstance(error, AtftError) else str(error)
    first = text.strip().splitlines()[0] if text.strip() else ""
    cause = _cause(error)
    if cause:
        return caused(cause, first or type(error).__name__)
    whose = blamed(error)
    said = f"{type(error).__name__}: {first}" if first else type(error).__name__
    return f"{whose}: {said}" if whose else said


def is_its_own(error: Exception) -> bool:
    """Whether an error arose in this process, and not because another rank was gone."""
    return isinstance(error, AtftError | OSError | Interrupted) or bool(_cause(error))


def _cause(error: Exception) -> str:
    said = str(error)
    if isinstance(error, NonFiniteLossError):
        return "NAN"
    torch_says_so = type(error).__name__ == "OutOfMemoryError" or (
        isinstance(error, RuntimeError) and "can't allocate memory" in said
    )
    if torch_says_so or isinstance(error, MemoryError):
        return "OOM"
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        return "DISK_FULL"
    if isinstance(error, RuntimeError) and any(sign in said for sign in _LOST_GPU):
        return "LOST_GPU"
    return ""
