"""The part of some logs that is in memory: it follows their ends, or moves to where one reads."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from atft_tui.logs import merge
from atft_tui.logs.file import MAX_READ, LogFile
from atft_tui.logs.filters import Filter
from atft_tui.logs.line import Level, LogLine
from atft_tui.logs.matcher import Matcher
from atft_tui.logs.moment import Moment
from atft_tui.logs.past import Until

KEEP_LINES = 5000
PAGE = 1000
"""Lines that are added at once."""
_SEARCH = 4 * MAX_READ
"""Bytes that are looked through for a page of lines that a filter keeps."""


@dataclass(frozen=True)
class Choice:
    """Which lines are shown."""

    filter: Filter | None = None
    level: Level = Level.PLAIN


@dataclass(frozen=True)
class LogView:
    """Lines as they were at one moment. A line keeps its number while the window moves over it."""

    lines: tuple[LogLine, ...] = ()
    first: int = 0
    """Number of the first line."""
    made: int = 0
    """Differs when the lines have nothing to do with those before."""
    top: int | None = None
    """Number of the line to begin with; None: at the end."""
    at_start: bool = True
    at_end: bool = True
    waiting: int = 0
    """Lines in the files after these."""
    choice: Choice = Choice()
    reached: str = ""
    """How far back a filter was applied."""
    trouble: str = ""


class LogWindow:
    """Moves over the lines of some logs; every step is bounded."""

    def __init__(self) -> None:
        self._files: list[LogFile] = []
        self._lines: deque[LogLine] = deque()
        self._first = self._made = 0
        self._top: int | None = None
        self._choice = Choice()
        self._matcher: Matcher | None = None
        self._reached = ""
        self._held = False

    @property
    def view(self) -> LogView:
        """What is there now."""
        return LogView(
            tuple(self._lines),
            self._first,
            self._made,
            self._top,
            at_start=all(file.start == 0 for file in self._files),
            at_end=self._at_end,
            waiting=sum(file.unread() for file in self._files) if self._held else 0,
            choice=self._choice,
            reached=self._reached if self._choice != Choice() else "",
        )

    def open(self, places: Sequence[tuple[str, Path]], until: Until | None = None) -> None:
        """Show the ends of these logs, each with its tag, as they are or as they were."""
        self._files = [
            LogFile(path, tag, until.place(path) if until else None) for tag, path in places
        ]
        self.to_end()

    def choose(self, choice: Choice, stamp: str = "") -> None:
        """Show these lines; from a time on, or at the end."""
        self.close()
        self._choice = choice
        self._matcher = Matcher(choice.filter) if choice.filter else None
        if stamp:
            self._go(stamp)
        else:
            self.to_end()

    def close(self) -> None:
        """End what was started."""
        if self._matcher is not None:
            self._matcher.close()

    # Where to.

    def to_end(self) -> None:
        """The newest lines."""
        self._held = False
        self._place([file.last_break() for file in self._files])
        self.older()

    def to_start(self) -> None:
        """The oldest lines."""
        self._place([0 for _ in self._files])
        self.newer()
        self._top = self._first

    def to_moment(self, moment: Moment) -> None:
        """The lines of a time on, in the day of the last line where none is given."""
        ends = [file.before(file.last_break(), 1).lines for file in self._files]
        self._go(moment.stamp(max((line.stamp for lines in ends for line in lines), default="")))

    def _go(self, stamp: str) -> None:
        self._place([file.find(stamp) for file in self._files])
        self.newer()
        self._top = self._first
        self.older()
        if self._top == self._first + len(self._lines):
            self._top = None  # there is nothing at or after that time

    def _place(self, places: Sequence[int]) -> None:
        for file, place in zip(self._files, places, strict=True):
            file.look()
            file.cover(place, place)
        self._lines.clear()
        self._made += 1
        self._first = self._made << 32  # no line of an earlier window had such a number
        self._top, self._reached = None, ""

    # Further.

    def older(self) -> None:
        """A page of lines before these."""
        self._lines.extend(self._changes())
        found: list[LogLine] = []
        covered = self._covered
        while len(found) < PAGE and self._covered - covered < _SEARCH:
            page = merge.older(self._files, PAGE)
            if not page:
                break
            found = [*self._kept(page), *found]
            self._reached = page[0].stamp
        self._lines.extendleft(reversed(found))
        self._first -= len(found)
        dropped = [self._lines.pop() for _ in range(len(self._lines) - KEEP_LINES)]
        for file in self._files:
            starts = [line.start for line in dropped if line.of(file.tag, file.life)]
            if starts:
                file.cover(file.start, min(starts))

    def newer(self) -> None:
        """A page of lines after these."""
        self._append(self._changes())
        found: list[LogLine] = []
        covered = self._covered
        while len(found) < PAGE and self._covered - covered < _SEARCH:
            page = merge.newer(self._files, PAGE)
            if not page:
                break
            found += self._kept(page)
        self._append(found)

    def follow(self) -> None:
        """Everything new; of a burst the end."""
        self._held = False
        if any(file.size - file.end > MAX_READ for file in self._files):
            changes = self._changes()
            self.to_end()
            self._append(changes)
            return
        for _ in range(KEEP_LINES // PAGE):
            self.newer()
            if self._at_end:
                return
        self.to_end()

    def _append(self, lines: list[LogLine]) -> None:
        self._lines.extend(lines)
        dropped = [self._lines.popleft() for _ in range(len(self._lines) - KEEP_LINES)]
        self._first += len(dropped)
        for file in self._files:
            ends = [line.end for line in dropped if line.of(file.tag, file.life)]
            if ends:
                file.cover(max(ends), file.end)

    def hold(self) -> None:
        """From now on only count what is new."""
        self._held = True
        for file in self._files:
            file.count_from_here()

    @property
    def _at_end(self) -> bool:
        return all(file.at_end for file in self._files)

    @property
    def _covered(self) -> int:
        return sum(file.end - file.start for file in self._files)

    def _changes(self) -> list[LogLine]:
        """A line about each file that became another one."""
        said = [(file, file.look()) for file in self._files]
        return [LogLine(text, level=Level.WARNING, tag=file.tag) for file, text in said if text]

    def _kept(self, lines: list[LogLine]) -> list[LogLine]:
        kept = [line for line in lines if line.level >= self._choice.level]
        if self._matcher is None:
            return kept
        matches = self._matcher.kept([line.whole for line in kept])
        return [line for line, match in zip(kept, matches, strict=True) if match]
