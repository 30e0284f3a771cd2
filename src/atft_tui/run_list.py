"""The list of all known runs, read from a thread; and expressions that choose some of them."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from atft_core.run.directory import RunDirectory, created
from atft_core.run.foreign import clean
from atft_core.run.listing import Listed, disk_use, listed
from atft_core.run.notes import notes_mark
from atft_core.run.status import Status
from atft_tui.format import shown_path

_POST_SECONDS = 0.2
"""Between two lists while they grow."""
_LOOK_SECONDS = 3.0
"""Between two looks at all runs."""
_IDLE = 19
"""Of a thousand runs a look takes its time: the thread rests as many times as long."""
_SIZE_SECONDS = 60.0
"""How old the size of a run that changes may be."""
HOW = "words, tag:x state:failed stage:dry owner:ann note:x, - before one: not; or a directory"


@dataclass(frozen=True)
class Line:
    """A run in the list."""

    found: Listed
    disk: int | None = None
    """Bytes; None: not counted yet."""

    @property
    def key(self) -> str:
        """What tells it from the others."""
        return str(self.found.run.path)


@dataclass(frozen=True)
class Listing:
    """What has been read, the newest run first."""

    lines: tuple[Line, ...] = ()
    known: int = 0
    """How many runs there are, read or not."""
    trouble: str = ""


def opened_by(line: Line, lines: Iterable[Line]) -> list[Line]:
    """Runs whose gate was opened by the evidence of this one."""
    path = str(line.found.run.path.absolute())
    return [other for other in lines if other.found.evidence == path]


class Memory:
    """What was read of each run, for as long as its files are as they were."""

    def __init__(self) -> None:
        self._lines: dict[str, tuple[object, Line]] = {}
        self._sizes: dict[str, tuple[object, float, int]] = {}

    def line(self, run: RunDirectory) -> Line:
        """The run, read again only where something changed."""
        key, mark = str(run.path), _mark(run)
        known = self._lines.get(key)
        if known is None or known[0] != mark or known[1].found.status.live:
            size = self._sizes.get(key)
            known = self._lines[key] = (mark, Line(_listed(run), size[2] if size else None))
        return known[1]

    def sized(self, line: Line) -> Line:
        """The same with its size; counted again when the run changed, but not all the time."""
        mark, now = self._lines[line.key][0], time.monotonic()
        known = self._sizes.get(line.key)
        if known is None or (known[0] != mark and now - known[1] > _SIZE_SECONDS):
            known = self._sizes[line.key] = (mark, now, disk_use(line.found.run.path))
        made = Line(line.found, known[2])
        self._lines[line.key] = (mark, made)
        return made


def _listed(run: RunDirectory) -> Listed:
    """One run that is damaged in a new way must not hide the others."""
    try:
        return listed(run)
    except Exception as error:  # noqa: BLE001 -- the last frame of a thread, and it is said
        return Listed(run, created(run) or 0.0, status=Status("UNREADABLE", repr(error)))


def _mark(run: RunDirectory) -> object:
    """What differs once a run or what is written about it changed."""
    events = None
    with suppress(OSError):
        found = run.events.stat()
        events = found.st_size, found.st_mtime_ns
    return run.holder(), events, notes_mark(run)


class RunLister(threading.Thread):
    """Posts the list while it grows, then whenever it changed."""

    def __init__(
        self,
        find: Callable[[], Sequence[RunDirectory]],
        memory: Memory,
        post: Callable[[Listing], object],
    ) -> None:
        super().__init__(name="atft-runs", daemon=True)
        self._find, self._memory, self._post = find, memory, post
        self._ended, self._again = threading.Event(), threading.Event()
        self._posted = Listing(known=-1)

    def stop(self) -> None:
        """Let the thread end."""
        self._ended.set()
        self._again.set()

    def look_again(self) -> None:
        """Something was changed just now."""
        self._again.set()

    def run(self) -> None:
        """Look, post, wait."""
        while not self._ended.is_set():
            self._again.clear()
            began = time.monotonic()
            try:
                self._look()
            except OSError as error:  # a place that nobody foresaw ends neither list nor console
                self._post(replace(self._posted, trouble=clean(f"cannot read: {error}")))
            took = time.monotonic() - began
            self._again.wait(max(_LOOK_SECONDS, _IDLE * took))

    def _look(self) -> None:
        runs = self._find()
        lines: list[Line] = []
        first, last = not self._posted.lines, time.monotonic()
        for run in runs:
            if self._ended.is_set():
                return
            lines.append(self._memory.line(run))
            if first and time.monotonic() - last > _POST_SECONDS:
                self._say(lines, len(runs))
                last = time.monotonic()
        self._say(lines, len(runs))
        for place, line in enumerate(lines):
            if self._ended.is_set():
                return
            lines[place] = self._memory.sized(line)
            if time.monotonic() - last > _POST_SECONDS:
                self._say(lines, len(runs))
                last = time.monotonic()
        self._say(lines, len(runs))

    def _say(self, lines: Sequence[Line], known: int) -> None:
        listing = Listing(tuple(lines), known)
        if listing != self._posted:
            self._posted = listing
            self._post(listing)


# Filters: `momentum tag:candidate -state:failed`.


def _tags(line: Line) -> str:
    return " ".join(line.found.note.tags)


_FIELDS: dict[str, Callable[[Line], str]] = {
    "tag": _tags,
    "state": lambda line: line.found.status.name,
    "stage": lambda line: line.found.stage or "ad hoc",
    "owner": lambda line: line.found.owner,
    "note": lambda line: line.found.note.text,
    "run": lambda line: shown_path(line.found.run.path),
}


@dataclass(frozen=True)
class RunFilter:
    """Conditions that must all hold: (field or nothing, text, whether it must not be there)."""

    text: str
    terms: tuple[tuple[str, str, bool], ...]

    def keeps(self, line: Line) -> bool:
        """Whether the run is listed."""
        return all(_holds(field, wanted, line) is not no for field, wanted, no in self.terms)


def _holds(field: str, wanted: str, line: Line) -> bool:
    if field == "tag":
        return wanted in map(str.lower, line.found.note.tags)
    readers = [_FIELDS[field]] if field else list(_FIELDS.values())
    return any(wanted in read(line).lower() for read in readers)


def parse(text: str) -> RunFilter | None:
    """The filter that was typed, None for an empty one; ValueError says what is wrong with it."""
    terms = []
    for word in shlex.split(text):
        no = word[:1] in ("-", "!") and len(word) > 1
        field, colon, wanted = word[no:].partition(":")
        if not colon:
            field, wanted = "", field
        elif field not in _FIELDS:
            raise ValueError(f"no field {field!r}: {', '.join(_FIELDS)}")
        terms.append((field, wanted.lower(), no))
    return RunFilter(text.strip(), tuple(terms)) if terms else None
