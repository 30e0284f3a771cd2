"""Pages of several logs as one, by the time of their lines."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import merge

from atft_tui.logs.file import LogFile
from atft_tui.logs.line import LogLine


def older(files: Sequence[LogFile], count: int) -> list[LogLine]:
    """Up to `count` lines before what the files' windows cover, which then cover them, too."""
    pages = [file.before(file.start, count) for file in files]
    lines = list(merge(*(page.lines for page in pages), key=_stamp))
    # Of a file that goes on before its page there may be lines that belong before other files'.
    firsts = [page.lines[0] for page in pages if page.more]
    known = max((lines.index(line) for line in firsts), default=0)
    taken = lines[max(known, len(lines) - count) :]
    for file in files:
        starts = [line.start for line in taken if line.tag == file.tag]
        file.cover(min(starts, default=file.start), file.end)
    return taken


def newer(files: Sequence[LogFile], count: int) -> list[LogLine]:
    """The same after what they cover."""
    pages = [file.after(file.end, count) for file in files]
    lines = list(merge(*(page.lines for page in pages), key=_stamp))
    lasts = [page.lines[-1] for page in pages if page.more and page.lines]
    known = min((lines.index(line) + 1 for line in lasts), default=len(lines))
    taken = lines[: min(known, count)]
    for file in files:
        ends = [line.end for line in taken if line.tag == file.tag]
        file.cover(file.start, max(ends, default=file.end))
    return taken


def _stamp(line: LogLine) -> str:
    return line.stamp
