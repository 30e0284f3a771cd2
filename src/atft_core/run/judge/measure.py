"""What a criterion finds in a run's state, before anybody judges it."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from atft_core.run.epochs import EpochRow
from atft_core.run.state import ENDED, State, Trial

_PLACE = re.compile(r"trial (\d+), epoch (\d+)")


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A number and what it rests on. `value` None: not measured, and `note` says why."""

    value: float | None
    n: int = 0
    """Samples, days, epochs or trials that the value rests on."""
    stderr: float | None = None
    observed: str = ""
    """What was seen, where the value only counts what was seen wrong."""
    source: str = ""
    note: str = ""
    awaits: str = ""
    """The event that a better answer needs; where nothing is said, the end of more trials."""
    final: bool = False
    """Whether the value can no longer change, although the run goes on."""
    only_worse: bool = False
    """Whether what is still to come can only make it worse, so that a miss is a miss now."""
    slack: float = 0.0
    """How far the value may miss the minimum: what its own uncertainty or intent explains."""
    alarm: bool = False
    """Whether the note should look like a failure, whatever the verdict."""


def live(state: State) -> bool:
    """Whether the log has no end yet: what is missing may still come."""
    return not state.end_state


def ended(state: State) -> list[Trial]:
    """Trials with a final state."""
    return [trial for trial in state.trials.values() if trial.state in ENDED]


def settled(state: State) -> bool:
    """Whether every planned trial has ended: nothing that is measured can change."""
    return 0 < state.n_trials <= len(ended(state))


def epochs(state: State) -> list[tuple[Trial, EpochRow]]:
    """All epochs of all trials, also of those that were pruned or failed later."""
    return [(trial, row) for trial in state.trials.values() for row in trial.epochs]


def place(trial: int, epoch: int) -> str:
    """Where a number of one epoch comes from."""
    return f"trial {trial}, epoch {epoch}"


def placed(source: str) -> tuple[int, int] | None:
    """Trial and epoch of a number that comes from one epoch."""
    found = _PLACE.fullmatch(source)
    return (int(found[1]), int(found[2])) if found else None


def median_of_last(values: Sequence[float | None], last: int) -> float | None:
    """What a trial is worth: the median over its last epochs; undefined ones are left out.

    Not the best epoch: to pick it would be selection on the same days that judge the trial.
    """
    known = [value for value in values[-last:] if value is not None]
    return statistics.median(known) if known else None


def weighted_median(pairs: Iterable[tuple[float, int]]) -> float:
    """The value below and above which lies half of the weight."""
    ordered = sorted(pairs)
    half, seen = sum(weight for _, weight in ordered) / 2, 0
    for value, weight in ordered:
        seen += weight
        if seen >= half:
            return value
    raise ValueError("the median of nothing does not exist")
