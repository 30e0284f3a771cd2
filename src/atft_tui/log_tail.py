"""The end of a log that grows, in bounded memory."""

from __future__ import annotations

from collections import deque
from pathlib import Path

from atft_core.run.foreign import clean
from atft_core.run.journal import Tail
from atft_core.run.wording import size
from atft_tui.view import LogView

KEEP_LINES = 5000
MAX_READ = 1 << 20
"""Bytes of a log read at once; of a larger burst only the end is shown."""


class LogTail:
    """The end of a growing log, cleaned, in bounded memory."""

    def __init__(self, path: Path) -> None:
        self._tail = Tail(path)
        self._lines: deque[str] = deque(maxlen=KEEP_LINES)
        self._total = 0
        self.view = LogView(path=path)

    def read(self) -> bool:
        """Take in what is new; whether there was anything."""
        note = self._skip_burst()
        fresh = self._tail.lines()
        if note:
            fresh = [note, *fresh[1:]]  # the first line is only the end of one
        if not fresh:
            return False
        self._lines.extend(clean(line) for line in fresh[-KEEP_LINES:])
        self._total += min(len(fresh), KEEP_LINES)
        self.view = LogView(tuple(self._lines), self._total, self._tail.path)
        return True

    def _skip_burst(self) -> str:
        try:
            end = self._tail.path.stat().st_size
        except OSError:
            return ""
        skipped = end - self._tail.offset - MAX_READ
        if skipped <= 0:
            return ""
        self._tail.offset += skipped
        return f"... {size(skipped)} not shown: {self._tail.path}"
