"""What a run says at its end about all of its trials together, found by a process of its own."""

from __future__ import annotations

import subprocess
import sys
import time

from atft_core.engine.requests import answer_requests
from atft_core.engine.session import Session
from atft_core.engine.trials import TICK_SECONDS
from atft_core.engine.workers import environment
from atft_core.run import events as ev
from atft_core.run.files import read_json


def conclude(session: Session) -> None:
    """Let the trials be measured together; a figure that cannot be had spoils no run."""
    if session.state.best is None or _hurried(session):
        return
    session.run.conclusion.unlink(missing_ok=True)  # of an earlier engine
    if not _finish(session):
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


def _finish(session: Session) -> bool:
    """Whether the process came to its end; requests are answered meanwhile."""
    with session.run.log.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "atft_core.train.conclude", str(session.run.path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment(),
        )
    while process.poll() is None:
        answer_requests(session)
        if _hurried(session):
            process.kill()
            process.wait()
            return False
        time.sleep(TICK_SECONDS)
    return True


def _hurried(session: Session) -> bool:
    """Whether nobody waits for it; at the end of a time budget there are seconds left for it."""
    ordered = session.signalled or session.state.stop == "now"
    return ordered or session.reserve.disk_is_full()
