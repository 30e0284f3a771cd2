"""A line of a log: cleaned, bounded, with the time and the level that it says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum

from atft_core.run.foreign import clean
from atft_core.run.wording import several

MAX_LINE = 4000
"""Characters of a line that are kept; what is missing is said at its end."""

_STAMP = re.compile(
    r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(?:Z|[+-]\d\d:?\d\d)?\s?"
)
_ERROR = re.compile(
    r"\b(?:ERROR|CRITICAL|FATAL|FAILED|FAIL|lost|Traceback|[Ee]rror)\b|\w(?:Error|Exception)\b"
)
_WARNING = re.compile(r"\b(?:WARN|WARNING|[Ww]arning|UserWarning|\w+Warning)\b")


class Level(IntEnum):
    """How bad a line is."""

    PLAIN = 0
    WARNING = 1
    ERROR = 2


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line, where it lies in its file, and of which of its files it is."""

    text: str
    """Without the time."""
    stamp: str = ""
    """`YYYY-MM-DD HH:MM:SS.fff` as far as it says so; without one, that of the line before."""
    said: str = ""
    """The time as the line itself shows it; empty where it has none."""
    level: Level = Level.PLAIN
    tag: str = ""
    """Which log it is from."""
    life: int = -1
    """Which file it is from; -1: the console's own words."""
    start: int = 0
    end: int = 0

    @property
    def whole(self) -> str:
        """Time and text."""
        return f"{self.said} {self.text}" if self.said else self.text

    def of(self, tag: str, life: int) -> bool:
        """Whether it is from this file."""
        return (self.tag, self.life) == (tag, life)


@dataclass(frozen=True, slots=True)
class Piece:
    """The bytes of a line (or, of an endless one, of a part of it) and where they lie."""

    start: int
    end: int
    data: bytes


def parse(pieces: list[Piece], tag: str = "", life: int = 0, before: LogLine | None = None
          ) -> list[LogLine]:  # fmt: skip
    """Lines in order. One without a time has that of the line before, a traceback its level."""
    lines: list[LogLine] = []
    for piece in pieces:
        before = _line(piece, tag, life, before)
        lines.append(before)
    return lines


def _line(piece: Piece, tag: str, life: int, before: LogLine | None) -> LogLine:
    text = _text(piece.data)
    found = _STAMP.match(text)
    body = text[found.end() :] if found else text
    level = level_of(body)
    stamp = said = ""
    if found:
        said = found[0].rstrip()
        stamp = f"{found[1]} {found[2]}" + (f".{found[3]}" if found[3] else "")
    elif before is not None:
        stamp = before.stamp
        if text[:1].isspace():
            level = max(level, before.level)
    return LogLine(body, stamp, said, level, tag, life, piece.start, piece.end)


def _text(data: bytes) -> str:
    """Cleaned; four bytes are at most one character."""
    known = data[: 4 * MAX_LINE].decode("utf-8", errors="replace")
    missing = len(data) - len(known[:MAX_LINE].encode("utf-8", errors="replace"))
    kept = clean(known, MAX_LINE).rstrip()
    if len(data) <= MAX_LINE or missing <= 0:
        return kept
    return f"{kept} ... {several(missing, 'byte')} not shown"


def level_of(text: str) -> Level:
    """By the words of our log and by the level names of Python's logging."""
    if _ERROR.search(text):
        return Level.ERROR
    return Level.WARNING if _WARNING.search(text) else Level.PLAIN
