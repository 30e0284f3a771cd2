"""Where a run's log ended at a moment: its lines say when they were written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from atft_core.run.cut import place
from atft_core.run.files import open_regular

_HEAD = 1 << 12
"""Bytes in which a log says when it began."""
_STAMP = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
_ZONE = 900
"""Seconds to which clocks of two time zones differ evenly."""


@dataclass(frozen=True)
class Until:
    """A moment of a run that began at `began`, both in seconds since 1970."""

    t: float
    began: float

    def place(self, path: Path) -> int:
        """Where the first line after it begins."""
        ahead = _ahead(path, self.began)

        def time_of(line: bytes) -> float | None:
            found = _time_of(line)
            return None if found is None else found - ahead

        return place(path, self.t, time_of)


def _time_of(line: bytes) -> float | None:
    """When a line says that it was written, on the clock of this machine's zone."""
    stamp = _STAMP.match(line)
    if stamp is None:
        return None
    try:
        return datetime.fromisoformat(stamp[0].decode()).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def _ahead(path: Path, began: float) -> float:
    """By how much the log's clock is ahead of this machine's: it may come from another zone.

    Its first line was written when the run began.
    """
    try:
        with open_regular(path) as file:
            lines = file.read(_HEAD).split(b"\n")
    except OSError:
        return 0.0
    first = next((found for line in lines if (found := _time_of(line)) is not None), began)
    return float(_ZONE * round((first - began) / _ZONE))
