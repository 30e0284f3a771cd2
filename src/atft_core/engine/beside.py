"""A module of the worker that runs to its end beside the engine, which stays able to answer."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress

from atft_core.engine.local import environment, vouching
from atft_core.engine.requests import answer_requests
from atft_core.engine.session import Session
from atft_core.engine.silence import Stopwatch
from atft_core.engine.steps import TICK_SECONDS
from atft_core.engine.watch import look
from atft_core.launch import program
from atft_core.run import events as ev
from atft_core.run.causes import caused
from atft_core.run.files import open_to_write
from atft_core.run.wording import duration

LONGEST_SECONDS = 3600.0
"""That such a program may take."""


def exit_code(session: Session, module: str, given_up: Callable[[], object]) -> int | None:
    """Run `python -m MODULE RUN_DIR` to its end; None when it was given up and killed.

    One that hangs is killed, too, and that is told.
    """
    with open_to_write(session.run.log, append=True) as log:
        process = subprocess.Popen(
            program(module, session.run.path),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**environment(), **vouching(session.run)},
        )
    watch = Stopwatch()
    try:
        while process.poll() is None:
            answer_requests(session)
            look(session)
            watch.look()
            if given_up():
                return None
            if watch.seconds > LONGEST_SECONDS:
                said = f"{module} has not ended after {duration(watch.seconds)}, so it was ended"
                session.record(ev.Alert(level="error", text=caused("HUNG", said)))
                _kill(process)
            time.sleep(TICK_SECONDS)
    finally:  # also of an error on the way: it would be started a second time beside itself
        if process.poll() is None:
            _kill(process)
    return process.returncode


def _kill(process: subprocess.Popen[bytes]) -> None:
    """It and all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
