"""A module of the worker that runs to its end beside the engine, which stays able to answer."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

from atft_core.engine.attempts import TICK_SECONDS
from atft_core.engine.requests import answer_requests
from atft_core.engine.session import Session
from atft_core.engine.watch import look
from atft_core.engine.workers import environment
from atft_core.launch import program


def exit_code(session: Session, module: str, given_up: Callable[[], object]) -> int | None:
    """Run `python -m MODULE RUN_DIR` to its end; None when it was given up and killed."""
    with session.run.log.open("ab") as log:
        process = subprocess.Popen(
            program(module, session.run.path),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment(),
        )
    while process.poll() is None:
        answer_requests(session)
        look(session)
        if given_up():
            process.kill()
            process.wait()
            return None
        time.sleep(TICK_SECONDS)
    return process.returncode
