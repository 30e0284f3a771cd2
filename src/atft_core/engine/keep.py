"""What a long sweep keeps: predictions are the largest files of a trial, so only the best stay."""

from __future__ import annotations

from atft_core.engine.session import Session
from atft_core.run.state import State


def drop_predictions(session: Session) -> None:
    """Delete the predictions of ended trials but the best `engine.keep_predictions`."""
    best = best_trials(session.state, session.config.engine.keep_predictions)
    for number, trial in session.state.trials.items():
        if trial.ended and number not in best and trial.holdout is None:
            session.run.trial(number).predictions.unlink(missing_ok=True)


def best_trials(state: State, count: int) -> set[int]:
    """Numbers of the complete trials with the highest values; the earlier one wins a tie."""
    values = {
        number: trial.value
        for number, trial in state.trials.items()
        if trial.state == "COMPLETE" and trial.value is not None
    }
    return set(sorted(values, key=lambda number: (-values[number], number))[:count])
