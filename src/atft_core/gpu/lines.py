"""A gpu.jsonl that another machine writes: what it says of a span of time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from atft_core.gpu.sampler import LINE_SECONDS, GpuSpan, percentile
from atft_core.run.cut import place
from atft_core.run.files import open_regular
from atft_core.run.wording import finite

_MOST_BYTES = 2**25
"""Of a span: a day of one card, some hours of eight; of a longer one its beginning counts."""
_TIME = re.compile(rb'"t": ?(\d{1,12}(?:\.\d{1,9})?)')


def time_of(line: bytes) -> float | None:
    """When a line was written; None where it does not say."""
    found = _TIME.search(line[:80])
    return float(found[1]) if found else None


def span_of_lines(path: Path, t0: float, t1: float) -> GpuSpan | None:
    """The utilisation between two moments: percentiles of the lines' means, a second each.

    Of all cards in it. None where there are none; a line belongs to where the middle of its second
    is.
    """
    middle = LINE_SECONDS / 2
    seen = [(mean, n) for t, mean, n in _lines(path, t0) if t0 <= t - middle <= t1 and n > 0]
    if not seen:
        return None
    busy, count = sorted(mean for mean, _ in seen), sum(n for _, n in seen)
    span: GpuSpan = {"n": count, "mean": round(sum(mean * n for mean, n in seen) / count, 1)}
    return span | {f"p{q}": round(percentile(busy, q), 1) for q in (10, 50, 90)}


def _lines(path: Path, t0: float) -> Iterator[tuple[float, float, float]]:
    """Time, mean utilisation in % and number of readings of each line after `t0` that has them."""
    start = place(path, t0, time_of)
    try:
        with open_regular(path) as file:
            file.seek(start)
            data = file.read(_MOST_BYTES)
    except OSError:  # not there yet
        return
    for line in data.splitlines():
        try:
            row = json.loads(line)
        except ValueError:  # the last may be a half
            continue
        if isinstance(row, dict):
            told = [finite(row.get(key)) for key in ("t", "mean", "n")]
            if None not in told:
                t, mean, n = (float(each) for each in told if each is not None)
                yield t, mean, n
