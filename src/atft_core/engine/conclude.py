"""What a run says at its end about all of its trials together, found by a process of its own."""

from __future__ import annotations

from contextlib import suppress

from atft_core.engine.beside import exit_code
from atft_core.engine.pause import told
from atft_core.engine.session import Session
from atft_core.run import events as ev
from atft_core.run.files import read_json


def conclude(session: Session) -> None:
    """Let the trials be measured together; a figure that cannot be had spoils no run."""
    try:
        _conclude(session)
    except OSError as error:
        with suppress(OSError):
            text = f"no conclusion over all trials: {told(error)}"
            session.record(ev.Alert(level="warning", text=text))


def _conclude(session: Session) -> None:
    if session.state.best is None or _hurried(session):
        if session.reserve.disk_is_full():
            text = "no conclusion over all trials: there is no room for it"
            session.record(ev.Alert(level="warning", text=text))
        return
    if not session.programs.conclude:
        return
    session.run.conclusion.unlink(missing_ok=True)  # of an earlier engine
    if exit_code(session, session.programs.conclude, lambda: _hurried(session)) is None:
        return
    found = read_json(session.run.conclusion)
    if not isinstance(found, dict):
        text = f"no conclusion over all trials; see {session.run.log}"
        session.record(ev.Alert(level="warning", text=text))
    elif found.get("error"):
        text = f"no conclusion over all trials: {found['error']}"
        session.record(ev.Alert(level="warning", text=text))
    elif found["kind"] == "walk":
        session.record(ev.WalkedForward(found=found["found"], said=found["said"]))
    else:
        session.record(
            ev.Significance(
                trial=found["trial"],
                horizon=session.state.horizon,
                found=found["found"],
                said=found["said"],
            )
        )


def _hurried(session: Session) -> bool:
    """Whether nobody waits for it; at the end of a time budget there are seconds left for it."""
    ordered = session.signalled or session.state.stop == "now"
    return ordered or session.reserve.disk_is_full()
