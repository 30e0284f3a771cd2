"""The verdict line: what limits a run, in one word, one sentence and one thing to do."""

from __future__ import annotations

from dataclasses import dataclass

from atft_core.run.measure import place
from atft_core.run.state import EpochRow, State, Trial
from atft_core.run.status import Status
from atft_core.run.wording import finite

DATA_BOUND = 0.10
"""Share of the train time spent waiting for data from which the feed is the limit."""
VALIDATION_BOUND = 0.50
"""Share of an epoch spent in validation from which validation is the limit."""
OVERHEAD_BOUND = 0.50
"""Share of an epoch spent on nothing but overhead from which that is the limit."""
IDLE_GPU = 40.0
"""Median utilisation (%) below which a GPU that never waits for data is held up by launches."""


@dataclass(frozen=True)
class Diagnosis:
    """A word for the eye, the evidence for it, and what to do."""

    word: str
    text: str
    action: str


@dataclass(frozen=True)
class _Split:
    """Where the time of one epoch went, in seconds, and the GPU's median over the train span."""

    wait: float
    compute: float
    validate: float
    rest: float
    gpu: float | None

    @property
    def total(self) -> float:
        return self.wait + self.compute + self.validate + self.rest

    @property
    def wait_share(self) -> float:
        return self.wait / (self.wait + self.compute)


_TROUBLE = {
    "HUNG": "`atft stacks` says where; stop now and resume: it goes on from its last checkpoint",
    "DIED": "resume: it goes on from its last checkpoint",
    "FAILED": "read the log and the failed trial's reason",
    "UNKNOWN": "look from the host that runs it",
}


def verdict_line(state: State, status: Status) -> Diagnosis:
    """What a person should know first; what is unknown is said to be unknown."""
    if status.name in _TROUBLE:
        return Diagnosis(status.name, status.reason or "no reason was given", _TROUBLE[status.name])
    newest = _newest(state)
    if status.live and not state.preflight and not state.trials:
        return Diagnosis("preflight", "data, model and loss are checked before any trial", "wait")
    if newest is None:
        doing = "wait for the first epoch" if status.live else "start a run"
        return Diagnosis("unknown", "no epoch has ended yet", doing)
    trial, row = newest
    split = _split(row)
    if split is None:
        return Diagnosis(
            "unknown", f"{place(trial.number, row.epoch)} reported no times", "see the worker's log"
        )
    return _limit(split, str(trial.settings.get("feed", "")))


def _newest(state: State) -> tuple[Trial, EpochRow] | None:
    rows = [(trial, trial.epochs[-1]) for trial in state.trials.values() if trial.epochs]
    return max(rows, key=lambda pair: pair[1].t, default=None)


def _split(row: EpochRow) -> _Split | None:
    wait, compute = finite(row.time.get("wait")), finite(row.time.get("compute"))
    if wait is None or compute is None or wait + compute <= 0:
        return None
    validate = finite(row.time.get("validate")) or 0.0
    rest = max(0.0, (finite(row.seconds) or 0.0) - wait - compute - validate)
    return _Split(wait, compute, validate, rest, finite((row.gpu or {}).get("p50")))


def _limit(split: _Split, feed: str) -> Diagnosis:
    duty = "GPU not measured" if split.gpu is None else f"GPU busy {split.gpu:.0f} %"
    wait = f"wait {_percent(split.wait_share)}"
    if split.wait_share > DATA_BOUND:
        return Diagnosis(
            "data-bound",
            f"{_percent(split.wait_share)} of the train time waits for data, {duty}",
            f"the feed is {feed or 'not known'}: is another process busy on this machine?",
        )
    if split.validate / split.total > VALIDATION_BOUND:
        return Diagnosis(
            "validation-bound",
            f"{_percent(split.validate / split.total)} of the epoch validates, {wait}, {duty}",
            "switch train.val_debug off, or validate fewer days",
        )
    if split.rest / split.total > OVERHEAD_BOUND:
        return Diagnosis(
            "overhead-bound",
            f"{_percent(split.rest / split.total)} of the epoch is neither training nor validation",
            "a first epoch warms up; if it stays, the checkpoints go to a slow disk",
        )
    if split.gpu is not None and split.gpu < IDLE_GPU:
        return Diagnosis(
            "launch-bound",
            f"{duty} although it hardly waits for data ({wait})",
            "more work per step: a larger train.block_days or model.hidden",
        )
    share = split.compute / split.total
    text = f"{_percent(share)} of the epoch computes, {wait}, {duty}"
    return Diagnosis("compute-bound", text, "nothing to do")


def _percent(share: float) -> str:
    """97 %, 0.4 %: one decimal where it matters."""
    return f"{100 * share:.1f} %" if share < 0.1 else f"{100 * share:.0f} %"
