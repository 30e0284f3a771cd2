"""What a long sweep keeps: predictions are the largest files of a trial, so only the best stay."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import nsmallest

from atft_core.run.directory import RunDirectory
from atft_core.run.state import State


class Predictions:
    """Those of the best `count` ended trials stay, and those that were scored on the holdout."""

    def __init__(self, run: RunDirectory, count: int) -> None:
        self._run = run
        self._count = count
        self._best: set[int] | None = None
        """As of the last look; None before the first, when any may be left over."""

    def drop(self, state: State, ended: int) -> None:
        """Delete what no longer belongs to the best, now that the trial `ended` has."""
        best = best_trials(state, self._count)
        doubtful: Iterable[int] = state.trials if self._best is None else self._best | {ended}
        for number in doubtful:
            trial = state.trials[number]
            if trial.ended and number not in best and trial.holdout is None:
                self._run.trial(number).predictions.unlink(missing_ok=True)
        self._best = best


def best_trials(state: State, count: int) -> set[int]:
    """Numbers of the complete trials with the highest values; the earlier one wins a tie."""
    values = (
        (-trial.value, number)
        for number, trial in state.trials.items()
        if trial.state == "COMPLETE" and trial.value is not None
    )
    return {number for _, number in nsmallest(count, values)}
