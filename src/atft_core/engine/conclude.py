"""What a run says at its end about all of its trials together."""

from __future__ import annotations

from atft_core.engine.session import Session
from atft_core.errors import AtftError
from atft_core.run import events as ev
from atft_core.run.measure_model import tried


def conclude(session: Session) -> None:
    """Measure what the trials say together; a figure that cannot be had spoils no run."""
    if session.state.best is None:
        return
    try:
        event = _walk(session) if session.config.split.folds else _significance(session)
        if event is not None:
            session.record(event)
    except AtftError as error:
        session.record(ev.Alert(text=f"no conclusion: {error.message}"))
    except (ArithmeticError, LookupError, MemoryError, OSError, ValueError) as error:
        session.record(ev.Alert(text=f"no conclusion: {type(error).__name__}: {error}"))


def _significance(session: Session) -> ev.Significance | None:
    from atft_core.train.significance import significance, told

    state = session.state
    if state.best is None:
        return None
    best, horizon = state.best.number, state.horizon
    numbers = [trial.number for trial in tried(state)]
    found = significance(session.run, numbers, best, horizon)
    if not found:
        return None
    said = told(found, best, horizon)
    return ev.Significance(trial=best, horizon=horizon, found=found, said=said)


def _walk(session: Session) -> ev.WalkedForward:
    from atft_core.train.walk import told, walk

    params = {trial.number: trial.params for trial in session.state.complete}
    found = walk(session.run, params, session.state.horizon)
    return ev.WalkedForward(found=found, said=told(found))
