"""What a stage would run: shown before it is started."""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from atft_core.config.keys import get
from atft_core.config.schema import Config
from atft_core.config.search import entry_text
from atft_core.engine.create import refuse_unlabelled
from atft_core.engine.prepare import Prepared, Progress, differing, prepare
from atft_core.errors import AtftError
from atft_core.gpu import Nvml
from atft_core.gpu.visible import names
from atft_core.run.directory import RunDirectory, free_path, siblings
from atft_core.run.events import Json
from atft_core.run.judge.gates import gate
from atft_core.run.judge.measure_run import unmeasured_gpu
from atft_core.run.lock import Holder
from atft_core.run.runbook import Runbook, Stage
from atft_core.run.state import State
from atft_core.run.status import load, status
from atft_core.run.wording import finite
from atft_core.train.disk import disk_bytes
from atft_core.train.rounds import rounds

SETTINGS = (
    "train.learning_rate",
    "train.block_days",
    "train.device",
    "train.seed",
    "model.hidden",
    "model.lookback",
    "model.graph",
    "loss.rank_ic",
    "loss.cs_ic",
    "loss.sharpe",
    "loss.huber",
    "loss.spearman",
    "label.horizons",
    "label.entry_lag",
    "objective.horizon",
)
"""What a person wants to see before a night of compute."""
COMMAND_SETTINGS = ("command.argv", "command.value", "command.params", "command.inputs",
                    "command.patterns", "engine.hung_seconds", "train.seed")  # fmt: skip
OWN_SETTINGS = ("plugins.files", "loss.own", "model.own")
"""What plug-ins there are, and what of them is used."""


def plan_stage(
    runbook: Runbook,
    stage: Stage,
    config: Config,
    origins: dict[str, str],
    *,
    progress: Progress | None = None,
    words: Sequence[str] = (),
) -> Json:
    """Data, split, gate, cost and settings of a stage, as JSON values.

    `words`: the command that starts it.
    """
    refuse_unlabelled(stage, config)
    prepared = prepare(config, demo=runbook.demo, progress=progress)
    found = gate(runbook, stage, prepared.identity, differing(config), words)
    earlier = _readable(siblings(stage.output_dir))
    output_dir = free_path(stage.output_dir.absolute())
    return {
        "stage": stage.key,
        "title": stage.title,
        "data": {
            key: prepared.facts.get(key)
            for key in ("path", "hash", "rows", "stocks", "days", "first", "last", "command")
        },
        "split": prepared.split,
        "trials": config.engine.n_trials,
        "epochs": config.train.max_epochs,
        "output_dir": str(output_dir),
        "gate": {
            "open": found.open,
            "reason": found.reason,
            "evidence": str(found.evidence) if found.evidence else None,
        },
        "eta_seconds": _eta(runbook, config, prepared.identity),
        "disk_need": _disk_need(config, prepared),
        "disk_free": shutil.disk_usage(_existing(output_dir)).free,
        "settings": {key: [get(config, key), origins.get(key, "")] for key in _settings(config)},
        "search": {key: entry_text(entry) for key, entry in config.search.items()},
        "stopped_run": _stopped(earlier),
        "warnings": [*prepared.facts.get("warnings", []), *unmeasurable(stage)],
    }


def _settings(config: Config) -> tuple[str, ...]:
    chosen = COMMAND_SETTINGS if config.command.argv else SETTINGS
    return chosen + OWN_SETTINGS if config.plugins.files else chosen


def _disk_need(config: Config, prepared: Prepared) -> int:
    """Bytes; 0 where a program decides."""
    if config.command.argv:
        return 0
    return disk_bytes(config, prepared.split["val_days"] * prepared.facts["stocks"])


def unmeasurable(stage: Stage) -> list[str]:
    """Criteria that this machine cannot measure: better known before the night than after it."""
    if all(criterion.name != "gpu_utilisation" for criterion in stage.criteria):
        return []
    nvml = Nvml()
    reason = nvml.reason
    nvml.close()
    return [unmeasured_gpu(reason)] if reason else []


def _existing(path: Path) -> Path:
    return next(p for p in (path, *path.parents) if p.exists())


def _eta(runbook: Runbook, config: Config, identity: Json) -> float | None:
    """Seconds, from the newest run with the same data and settings; None where there is none."""
    runs = [run for stage in runbook.stages for run in siblings(stage.output_dir)]
    alike = [
        state
        for _, state in _readable(runs)
        if all(state.identity.get(key) == identity[key] for key in ("data_hash", "config_hash"))
    ]
    for state in sorted(alike, key=lambda state: state.started, reverse=True):
        seconds = _epoch_seconds(state)
        if seconds:
            trial = seconds * config.train.max_epochs + _around_epochs(state)
            return _before_trials(state) + trial * rounds(config, _cards())
    return None


def _cards() -> int:
    """GPUs that a run from here sees."""
    nvml = Nvml()
    try:
        return len(names(nvml.gpus, os.environ))
    finally:
        nvml.close()


def _before_trials(state: State) -> float:
    """Seconds of preparation and preflight."""
    first = min((trial.started for trial in state.trials.values()), default=state.t)
    return max(0.0, first - state.started)


def _around_epochs(state: State) -> float:
    """Median of the seconds that a trial needs beside its epochs: process, graph, checkpoints."""
    whole = [trial for trial in state.trials.values() if trial.ended and trial.attempt == 1]
    spent = [t.ended - t.started - sum(row.seconds for row in t.epochs) for t in whole]
    return max(0.0, statistics.median(spent)) if spent else 0.0


def _epoch_seconds(state: State) -> float:
    """Median of a run's epochs, without the first of each trial; else what its preflight expects.

    0 when neither is known.
    """
    later = [row.seconds for trial in state.trials.values() for row in trial.epochs[1:]]
    return statistics.median(later) if later else finite(state.estimate.get("epoch_seconds")) or 0.0


def _readable(runs: Iterable[RunDirectory]) -> list[tuple[RunDirectory, State]]:
    found = []
    for run in runs:
        with suppress(OSError, AtftError):  # nothing can be learnt from it, and nothing is lost
            found.append((run, load(run)))
    return found


def _stopped(earlier: list[tuple[RunDirectory, State]]) -> str | None:
    """The newest run of the stage, if it can be resumed."""
    if not earlier:
        return None
    run, state = earlier[-1]
    holder = run.holder()
    idle = holder is Holder.NOBODY and not status(state, holder, time.time()).live
    goes_on = state.end_state != "FINISHED" and not (state.hopeless or state.written)
    return str(run.path) if idle and goes_on else None
