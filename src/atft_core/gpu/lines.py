"""A gpu.jsonl that another machine writes: what it says of a span of time."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from atft_core.gpu.sampler import GpuSpan, percentile
from atft_core.run.files import open_regular
from atft_core.run.wording import finite

_LAST_BYTES = 4 * 2**20
"""Of a file that grows by one line a second for each card: some hours."""


def span_of_lines(path: Path, t0: float, t1: float) -> GpuSpan | None:
    """The utilisation between two moments: percentiles of the lines' means, a second each.

    None where there are none.
    """
    seen = [(mean, n) for t, mean, n in _lines(path) if t0 <= t <= t1 and n > 0]
    if not seen:
        return None
    busy, count = sorted(mean for mean, _ in seen), sum(n for _, n in seen)
    span: GpuSpan = {"n": count, "mean": round(sum(mean * n for mean, n in seen) / count, 1)}
    return span | {f"p{q}": round(percentile(busy, q), 1) for q in (10, 50, 90)}


def _lines(path: Path) -> Iterator[tuple[float, float, float]]:
    """Time, mean utilisation in % and number of readings of each line that tells them."""
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - _LAST_BYTES))
            data = file.read()
    except OSError:  # not there yet
        return
    for line in data.splitlines():
        try:
            row = json.loads(line)
        except ValueError:  # the first and the last may be halves
            continue
        if isinstance(row, dict):
            told = [finite(row.get(key)) for key in ("t", "mean", "n")]
            if None not in told:
                t, mean, n = (float(each) for each in told if each is not None)
                yield t, mean, n
