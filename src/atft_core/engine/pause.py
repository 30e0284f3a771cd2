"""A run that cannot write waits in the open, and goes on once it can.

What a resumed run does with what it finds, a run that paused does too: whatever was half-done when
a step failed is completed, so no step needs a way back of its own.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from optuna.exceptions import StorageInternalError

from atft_core.config.secret import redacted
from atft_core.engine.follow import end_workers
from atft_core.engine.requests import answer_requests
from atft_core.engine.reserve import ROOM_BYTES
from atft_core.engine.session import Session
from atft_core.engine.shared import why_unreachable
from atft_core.engine.steps import TICK_SECONDS
from atft_core.engine.watch import look
from atft_core.errors import EngineError
from atft_core.run import events as ev
from atft_core.run.files import DISK_FULL
from atft_core.run.wording import size

T = TypeVar("T")
FIRST_SECONDS, LONGEST_SECONDS = 1.0, 300.0
"""Of a pause at least: it doubles from one to the next."""
ASK_SECONDS = 2.0
"""Between two looks whether it can go on."""
FRUITLESS = 8
"""Pauses in a row between which the log tells of nothing new, although there is room."""
PASSING = DISK_FULL | {
    errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ESTALE, errno.ETIMEDOUT,
    errno.EAGAIN, errno.ENOMEM, errno.EPERM, errno.EACCES,
}  # fmt: skip
"""What a system says that may say another thing in a minute."""


class Patience:
    """How long to wait, and how often: waits that bring nothing become longer, and end."""

    def __init__(self) -> None:
        self._fruitless = 0
        self._seen: int | None = None

    def next(self, seen: int) -> float:
        """Seconds of the next pause; `seen` is another one whenever there was progress."""
        self._fruitless = self._fruitless + 1 if seen == self._seen else 0
        self._seen = seen
        return min(FIRST_SECONDS * 2.0**self._fruitless, LONGEST_SECONDS)

    def exhausted(self, seen: int) -> bool:
        """Whether waiting does not help."""
        return self._fruitless >= FRUITLESS and seen == self._seen


def patiently(session: Session, step: Callable[[], T]) -> T | ev.RunEnded:
    """What `step` returns: None, or how the run ends. After a pause it is taken again.

    The error goes on its way when it is none that passes, or when pauses do not help.
    """
    patience = Patience()
    while True:
        try:
            end = step()
            hopeless = patience.exhausted(_progress(session))
            if not isinstance(end, ev.RunEnded) or not _waits(session, end) or hopeless:
                return end
            why = end.reason
        except (OSError, StorageInternalError) as error:
            if not _may_pass(error) or patience.exhausted(_progress(session)):
                raise
            why = told(error)
        if not session.why_end:
            session.forget()
            _pause(session, why, patience.next(_progress(session)))
        if session.why_end:
            end_workers(session)
            return ev.RunEnded(state="STOPPED", reason=session.why_end)


def _waits(session: Session, end: ev.RunEnded) -> bool:
    """Whether the run stops only since there is no room."""
    asked = end.state != "STOPPED" or session.why_no_further
    return not asked and session.reserve.disk_is_full()


def _may_pass(error: OSError | StorageInternalError) -> bool:
    """SQLite wraps what the system says: full, read-only, no descriptor left, held by others."""
    return not isinstance(error, OSError) or error.errno in PASSING


def told(error: OSError | StorageInternalError) -> str:
    """What the system says, with the file."""
    if isinstance(error, OSError):
        return f"{error.filename or 'a file'}: {error.strerror or error}"
    return f"the study cannot be used: {redacted(str(error.__cause__ or error).splitlines()[0])}"


def _progress(session: Session) -> int:
    """Epochs and trials that are through, by the log."""
    trials = session.state.trials.values()
    return sum(len(trial.epochs) + (trial.ended > 0) for trial in trials)


def _pause(session: Session, why: str, seconds: float) -> None:
    """Until there is room and the time is up, or the run has to end; requests are answered."""
    going = f"it goes on by itself once it can write and {size(ROOM_BYTES)} are free"
    over = time.monotonic() + seconds
    while not session.why_end:
        if not session.state.waits_since:  # perhaps there is no room for it yet
            _say(session, ev.RunPaused(reason=f"{why}; {going}"))
        with suppress(OSError, StorageInternalError, EngineError):  # told above
            answer_requests(session)
            look(session)
        if time.monotonic() >= over:
            if session.reserve.regain() and _study_answers(session):
                _say(session, ev.RunContinued())
                return
            over = time.monotonic() + ASK_SECONDS
        time.sleep(TICK_SECONDS)


def _study_answers(session: Session) -> bool:
    """A server that is gone is waited for, however long that takes."""
    config = session.config
    return not config.engine.storage or not why_unreachable(config)


def _say(session: Session, event: ev.Event) -> None:
    """Put it on record, where that is possible."""
    with suppress(OSError):
        session.record(event)
