"""Files of timed lines as they were at a moment: a log, a recording. Reads little, wherever it is.

Lines are in the order of their times, but for those that have none (a traceback), which belong to
the line before.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from atft_core.run.files import open_regular

TimeOf = Callable[[bytes], float | None]
"""When a line was written; None where it does not say."""

_NEAR = 1 << 13
"""Bytes from which lines are read one by one."""
_LINE = 1 << 16
"""Bytes of a line that are read at most."""
_UNTIMED = 1 << 18
"""Bytes without any time after which no more are looked at."""


def before(path: Path, t: float | None, time_of: TimeOf, most: int) -> tuple[list[bytes], int]:
    """The last complete lines written up to `t` (None: all), and how many bytes come before them.

    At most `most` bytes of them; none where there is no such file.
    """
    try:
        with open_regular(path) as file:
            end = os.fstat(file.fileno()).st_size
            end = end if t is None else _end(file, end, t, time_of)
            start = max(0, end - most)
            file.seek(start)
            data = file.read(end - start)
    except OSError:
        return [], 0
    if start:
        torn = data.find(b"\n") + 1
        data, start = data[torn:], start + torn
    return data[: data.rfind(b"\n") + 1].split(b"\n")[:-1], start


def place(path: Path, t: float, time_of: TimeOf) -> int:
    """Where the first line written after `t` begins; 0 where there is no such file."""
    try:
        with open_regular(path) as file:
            return _end(file, os.fstat(file.fileno()).st_size, t, time_of)
    except OSError:
        return 0


def _end(file: BinaryIO, size: int, t: float, time_of: TimeOf) -> int:
    """Where the first line after `t` begins."""
    low, high = 0, size
    while high - low > _NEAR:
        middle = (low + high) // 2
        found = _first_time(file, middle, high, time_of)
        low, high = (middle, high) if found is not None and found <= t else (low, middle)
    file.seek(low)
    if low:
        file.readline(_LINE)
    while (begin := file.tell()) < min(size, high + _UNTIMED):
        when = time_of(file.readline(_LINE))
        if when is not None and when > t:
            return begin
    return file.tell()


def _first_time(file: BinaryIO, start: int, end: int, time_of: TimeOf) -> float | None:
    """The time of the first line after a place that has one."""
    file.seek(start)
    file.readline(_LINE)
    while file.tell() < min(end, start + _UNTIMED):
        when = time_of(file.readline(_LINE))
        if when is not None:
            return when
    return None
