"""Append-only line files: one writer, any number of readers.

A reader consumes only up to the last newline, so it never sees half a line. The writer, which
holds the engine's lock, cuts off a line that a kill left unfinished.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from atft_core.run.events import Event, Stamped, decode, encode, kind_of
from atft_core.run.faults import after, before
from atft_core.run.files import open_regular

_CHUNK = 1 << 16
_PIECE = 1 << 20


def cut_torn_line(path: Path) -> None:
    """Remove what follows the last newline."""
    fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(fd, "r+b") as file:
        end = file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - _CHUNK)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                file.truncate(start + newline + 1)
                return
            end = start
        file.truncate(0)


class Journal:
    """The writing end of an events file."""

    def __init__(self, path: Path, name: str = "run") -> None:
        """`name`: whose it is, for drills."""
        self.path, self._name = path, name
        own = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self._fd = os.open(path, own, 0o640)
        cut_torn_line(path)
        tail = Tail(path)
        seq = max((stamped.seq for stamped in tail.all_events()), default=0)
        self._seq = seq + tail.unread  # which are missed, as in the midst of a log

    def append(self, event: Event) -> Stamped:
        """Write one event; it is on disk when this returns, if its kind is durable."""
        stamped = self.write(event)
        if event.durable:
            self.sync()
        return stamped

    def write(self, event: Event) -> Stamped:
        """Write one event without waiting for the disk.

        Returned is what a reader will see (times rounded, tuples as lists): the writer folds what
        the readers fold. When this raises, the log is as it was.
        """
        stamped = Stamped(self._seq + 1, time.time(), event)
        text = encode(stamped)
        line = (text + "\n").encode()
        place = f"{self._name} {kind_of(event)}"
        before(place)
        size = os.fstat(self._fd).st_size
        if os.write(self._fd, line) != len(line):  # a full disk: leave no half line behind
            os.ftruncate(self._fd, size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        self._seq += 1
        after(place)
        return decode(text) or stamped

    def sync(self) -> None:
        """Wait until all that was written is on disk."""
        before(f"{self._name} sync")
        os.fsync(self._fd)

    def close(self) -> None:
        """Give the file back."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Tail:
    """The reading end: complete new lines since the last call."""

    def __init__(self, path: Path, offset: int = 0) -> None:
        self.path = path
        self.offset = offset
        self._inode: int | None = None
        self.restarted = False
        """Whether the file became another one since it was first read."""
        self.unread = 0
        """Complete lines after the newest event that are none: damaged, or of an unknown kind."""

    def lines(self, most: int = -1) -> list[str]:
        """New complete lines; starts again when the file was replaced or shortened.

        `most`: of so many bytes, where these hold a whole line; -1: of all.
        """
        if self._unchanged():
            return []
        try:
            with open_regular(self.path) as file:
                status = os.fstat(file.fileno())
                replaced = self._inode is not None and status.st_ino != self._inode
                if replaced or status.st_size < self.offset:
                    self.offset, self.unread, self.restarted = 0, 0, True
                self._inode = status.st_ino
                file.seek(self.offset)
                data = file.read(most)
                if b"\n" not in data:
                    data += file.read()
        except FileNotFoundError:
            return []
        complete = data[: data.rfind(b"\n") + 1]
        self.offset += len(complete)
        return complete.decode("utf-8", errors="replace").split("\n")[:-1]

    def _unchanged(self) -> bool:
        """Whether there is nothing new for certain: most looks at most files find nothing."""
        try:
            status = self.path.stat()
        except OSError:
            return False  # reading it says more
        return status.st_ino == self._inode and status.st_size == self.offset

    def events(self, most: int = -1) -> Iterator[Stamped]:
        """New events; damaged lines and unknown kinds are skipped (their numbers are missed)."""
        for line in self.lines(most):
            stamped = decode(line)
            self.unread = 0 if stamped else self.unread + 1
            if stamped is not None:
                yield stamped

    def all_events(self) -> Iterator[Stamped]:
        """The same, a piece of the file at a time: of a long log all lines at once are a lot."""
        read = -1
        while read != self.offset:
            read = self.offset
            yield from self.events(_PIECE)


def read_events(path: Path) -> Iterator[Stamped]:
    """All events of a file, damaged lines skipped."""
    return Tail(path).all_events()
