"""A log file of any size, read where somebody looks: never more than a page at once."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from atft_core.run.files import NotRegularError, open_regular
from atft_tui.logs.line import LogLine, Piece, parse

MAX_READ = 1 << 20
"""Bytes read at once. A longer line is shown in parts."""
_BLOCK = 1 << 16
_MARK = 64
"""Bytes before the place read up to that must still be there, else it is another file."""


@dataclass(frozen=True)
class Page:
    """Lines in order, and whether the file goes on in the direction in which they were read."""

    lines: list[LogLine]
    more: bool


class LogFile:
    """One log. The window that is shown covers its bytes from `start` to `end`."""

    def __init__(self, path: Path, tag: str, end: int | None = None) -> None:
        """`end`: where it ends, whatever follows; None: where the file does."""
        self.path, self.tag, self._limit = path, tag, end
        self.start = self.end = 0
        self.life = 0
        """Counts the files that were found at this path."""
        self._inode: int | None = None
        self._mark = b""
        self._counted = (0, 0)
        self._last: LogLine | None = None
        """The last line read; what follows it may belong to it."""

    @property
    def size(self) -> int:
        """Bytes now; 0 where there is no file."""
        try:
            found = self.path.stat().st_size
        except FileNotFoundError:
            return 0
        return found if self._limit is None else min(found, self._limit)

    def look(self) -> str:
        """Begin again where the file became another one; what happened, in words."""
        try:
            with open_regular(self.path) as file:
                status = os.fstat(file.fileno())
                known, self._inode = self._inode, status.st_ino
                said = self._changed(known, status, _at(file.fileno(), *self._marked))
        except (FileNotFoundError, NotRegularError):
            return ""
        if said:
            self.life += 1
            self.start, self.end, self._mark, self._counted = 0, 0, b"", (0, 0)
        return f"--- {said}: {self.path.name}, on with the new one ---" if said else ""

    @property
    def _marked(self) -> tuple[int, int]:
        return self.end - len(self._mark), len(self._mark)

    def _changed(self, known: int | None, status: os.stat_result, mark: bytes) -> str:
        if known is not None and known != status.st_ino:
            return "replaced"
        if status.st_size < self.end:
            return "shortened"
        return "written anew" if mark != self._mark else ""

    def cover(self, start: int, end: int) -> None:
        """From now on the window covers these bytes."""
        self.start, self.end = start, end
        size = min(_MARK, end)
        with suppress(FileNotFoundError, NotRegularError), open_regular(self.path) as file:
            self._mark = _at(file.fileno(), end - size, size)

    def last_break(self) -> int:
        """The place after the last whole line."""
        size = self.size
        if not size:
            return 0
        first = max(0, size - MAX_READ)
        newline = self._read(first, size).rfind(b"\n")
        if newline >= 0:
            return first + newline + 1
        return size if first else 0

    def before(self, place: int, count: int) -> Page:
        """Up to `count` lines that end at a place."""
        first, data = place, b""
        while first > 0 and len(data) < MAX_READ and data.count(b"\n") <= count:
            block = max(0, first - _BLOCK)
            data = self._read(block, first) + data
            first = block
        pieces = _pieces(data, first)
        if first > 0 and len(pieces) > 1:
            pieces = pieces[1:]  # its beginning was not read
        lines = _timed_from_after(self._parse(pieces[-count:]))
        if lines and place == self.end:
            self._last = lines[-1]
        return Page(lines, more=bool(lines) and lines[0].start > 0)

    def after(self, place: int, count: int) -> Page:
        """Up to `count` whole lines that begin at a place."""
        last, size, data = place, self.size, b""
        while last < size and len(data) < MAX_READ and data.count(b"\n") < count:
            block = min(size, last + _BLOCK)
            data += self._read(last, block)
            last = block
        whole = data[: data.rfind(b"\n") + 1]
        if not whole and len(data) >= MAX_READ:
            whole = data
        pieces = _pieces(whole, place)
        more = len(pieces) > count or last < size
        known = self._last if self._last is not None and self._last.end == place else None
        lines = parse(pieces[:count], self.tag, self.life, known)
        self._last = lines[-1] if lines else self._last
        return Page(lines, more=more)

    @property
    def at_end(self) -> bool:
        """Whether no whole line follows the window."""
        size = self.size
        return size - self.end < MAX_READ and b"\n" not in self._read(self.end, size)

    def count_from_here(self) -> None:
        """From now on count the lines that come."""
        self._counted = self.last_break(), 0

    def unread(self) -> int:
        """Lines that came since; a burst is counted in several steps."""
        counted, lines = self._counted
        data = self._read(counted, min(self.size, counted + MAX_READ))
        self._counted = counted + len(data), lines + data.count(b"\n")
        return self._counted[1]

    def find(self, stamp: str) -> int:
        """The place of the first line that is not before a time; the end where there is none."""
        end = self.last_break()
        low, high = 0, end
        while high - low > _BLOCK:
            middle = (low + high) // 2
            line, read = self._timed(middle, high)
            if line is None:  # text without times: they are behind it, unless it reached the end
                low, high = (low, middle) if read >= high else (read, high)
            elif line.stamp < stamp:
                low = line.end
            else:
                high = middle
        while low < min(end, high + MAX_READ):
            lines, low = self._lines(low, end)
            for line in lines:
                if line.said and line.stamp >= stamp:
                    return line.start
        return end

    def _timed(self, place: int, end: int) -> tuple[LogLine | None, int]:
        """The first line with a time that begins after a place; how far was looked for it."""
        read, skipped = place, 1
        while read < min(end, place + MAX_READ):
            lines, read = self._lines(read, end)
            for line in lines[skipped:]:
                if line.said:
                    return line, read
            skipped = 0
        return None, read

    def _lines(self, place: int, end: int) -> tuple[list[LogLine], int]:
        """A block's whole lines, and where the next block begins."""
        data = self._read(place, min(end, place + _BLOCK))
        whole = data.rfind(b"\n") + 1 or len(data) or end - place
        return self._parse(_pieces(data[:whole], place)), place + whole

    def _parse(self, pieces: list[Piece]) -> list[LogLine]:
        return parse(pieces, self.tag, self.life)

    def _read(self, start: int, end: int) -> bytes:
        try:
            with open_regular(self.path) as file:
                return _at(file.fileno(), start, end - start)
        except (FileNotFoundError, NotRegularError):
            return b""


def _at(descriptor: int, start: int, size: int) -> bytes:
    return os.pread(descriptor, size, start) if size > 0 else b""


def _timed_from_after(lines: list[LogLine]) -> list[LogLine]:
    """What a page begins with has the time of its first line that says one."""
    first = next((n for n, line in enumerate(lines) if line.stamp), 0)
    return [*(replace(line, stamp=lines[first].stamp) for line in lines[:first]), *lines[first:]]


def _pieces(data: bytes, start: int) -> list[Piece]:
    """The lines of some bytes; the last one may lack its end."""
    pieces = []
    for line in data.split(b"\n"):
        end = start + len(line) + 1
        pieces.append(Piece(start, end, line))
        start = end
    last = pieces.pop()
    return [*pieces, Piece(last.start, last.end - 1, last.data)] if last.data else pieces
