"""The end of a run's log as it was at a moment."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from atft_core.run.foreign import clean
from atft_core.run.wording import size
from atft_tui.cut import before
from atft_tui.view import LogView

_LINES = 500
"""Lines that are shown of a past: enough to see what led there."""
_BYTES = 1 << 17
_HEAD = 1 << 12
"""Bytes in which a log says when it began."""
_STAMP = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
_ZONE = 900
"""Seconds to which clocks of two time zones differ evenly."""


def log_at(path: Path, t: float, began: float) -> LogView:
    """The lines up to `t` of the log of a run that began at `began`."""
    ahead = _ahead(path, began)

    def time_of(line: bytes) -> float | None:
        found = _time_of(line)
        return None if found is None else found - ahead

    lines, skipped = before(path, t, time_of, _BYTES)
    texts = [clean(line.decode("utf-8", errors="replace")) for line in lines[-_LINES:]]
    hidden = skipped + sum(len(line) + 1 for line in lines[:-_LINES])
    if hidden:
        texts.insert(0, f"... {size(hidden)} not shown: {path}")
    return LogView(tuple(texts), len(texts), path, cut=t)


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
        with path.open("rb") as file:
            lines = file.read(_HEAD).split(b"\n")
    except OSError:
        return 0.0
    first = next((found for line in lines if (found := _time_of(line)) is not None), began)
    return float(_ZONE * round((first - began) / _ZONE))
