"""The moments of a run, read from its event log: piece by piece, from any place, as it grows."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from atft_core.errors import UsageError
from atft_core.run.directory import RunDirectory
from atft_core.run.events import EngineStarted, Stamped, decode
from atft_core.run.files import open_regular
from atft_core.run.fold import apply
from atft_core.run.lock import Holder
from atft_core.run.moments import QUIET, Moment, Teller
from atft_core.run.state import State
from atft_core.run.status import Status, status

_HEAD = re.compile(rb'\{"seq":(\d{1,18}),"t":[-+.\de]{1,32},"kind":"(\w{1,40})"')
"""How the engine begins a line: enough to know that there is nothing to tell."""
_END = 1 << 20
"""Bytes in which the newest event is looked for."""
_LINES = 500
"""Lines between two looks at the clock."""


def complete_lines(path: Path, offset: int) -> Iterator[tuple[int, bytes]]:
    """Every complete line from `offset` on, and where the next one begins."""
    with open_regular(path) as file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):
                return
            offset += len(line)
            yield offset, line


def decoded(line: bytes) -> Stamped | None:
    """The event of a line; None where it is damaged."""
    return decode(line.decode("utf-8", errors="replace"))


class Timeline:
    """All moments in order; `read` takes in what is new."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.moments: list[Moment] = []
        self._teller = Teller()
        self._offset = 0

    @property
    def seq(self) -> int:
        """The newest event that has been read."""
        return self._teller.seq

    @property
    def bests(self) -> Sequence[tuple[int, int, float]]:
        """Each trial that was the best one so far: event, number, value."""
        return self._teller.bests

    def read(self, seconds: float = float("inf")) -> bool:
        """Take in what is new, for so long at most; whether the end has been reached."""
        give_up = time.monotonic() + seconds
        for count, (offset, line) in enumerate(complete_lines(self.path, self._offset), start=1):
            self._offset = offset
            self._take(line)
            if count % _LINES == 0 and time.monotonic() > give_up:
                return False
        return True

    @property
    def share(self) -> float:
        """How much of the log has been read."""
        size = self.path.stat().st_size
        return min(1.0, self._offset / size) if size else 1.0

    def _take(self, line: bytes) -> None:
        head = _HEAD.match(line)
        if head and head[2].decode() in QUIET and int(head[1]) == self._teller.seq + 1:
            self._teller.seq += 1
            return
        stamped = decoded(line)
        if stamped is not None:
            self.moments += self._teller.tell(stamped)


# One moment, for those who ask once.


@dataclass(frozen=True)
class Then:
    """A run as it was at a time, and the first event that was still to come."""

    state: State
    t: float
    after: Stamped | None = None

    def status(self, holder: Holder) -> Status:
        """What it was doing; `holder` is who holds the lock today, for the end of the log.

        Whoever wrote the next event was there already, but for an engine that resumed with it.
        """
        if self.after is not None:
            began = isinstance(self.after.event, EngineStarted) and self.state.engines > 0
            holder = Holder.NOBODY if began else Holder.ENGINE
        return status(self.state, holder, self.t)


def state_then(run: RunDirectory, *, seq: int | None = None, t: float | None = None) -> Then:
    """The fold of the first events of a log: up to a number, or up to a time."""
    state = State()
    for _, line in complete_lines(run.events, 0):
        stamped = decoded(line)
        if stamped is None:
            continue
        if (seq is not None and stamped.seq > seq) or (t is not None and stamped.t > t):
            return Then(state, state.t if t is None else t, stamped)
        apply(state, stamped)
    return Then(state, state.t if t is None else t)


def newest_time(run: RunDirectory) -> float:
    """When the newest event of a log was written; 0 without one."""
    size = run.events.stat().st_size
    place = max(0, size - _END)
    found = [decoded(line) for _, line in complete_lines(run.events, place)]
    return max((stamped.t for stamped in found if stamped), default=0.0)


def parse_time(text: str, last: float) -> float:
    """`03:12`, `03:12:44` (the last time before `last`) or an ISO date and time, as Unix time."""
    from datetime import datetime, timedelta

    try:
        if re.fullmatch(r"\d{1,2}:\d\d(:\d\d)?", text):
            form = "%H:%M:%S" if text.count(":") == 2 else "%H:%M"
            clock, end = datetime.strptime(text, form), datetime.fromtimestamp(last)
            found = datetime.combine(end.date(), clock.time())
            return (found if found <= end else found - timedelta(days=1)).timestamp()
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(
            f"{text!r} is no time.", hint="Write 03:12, 03:12:44 or 2026-11-26T03:12:44."
        ) from error
