"""Timing by pairs: this machine is never quiet, so only ratios taken side by side are believed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

Work = Callable[[], object]


@dataclass(frozen=True)
class Paired:
    """Medians of two kinds of work that were timed in turn."""

    base: float
    """Seconds of the one that is compared with."""
    ours: float
    """Seconds of ours."""
    ratio: float
    """Median over the pairs of base / ours."""
    spread: tuple[float, float]
    """Lowest and highest ratio of a pair."""


def paired(base: Work, ours: Work, pairs: int, clock: Callable[[], float] | None = None) -> Paired:
    """Time both `pairs` times in turn, after one of each that does not count."""
    read = clock or time.perf_counter
    base(), ours()
    times = [(seconds(base, read), seconds(ours, read)) for _ in range(pairs)]
    ratios = [theirs / max(own, 1e-9) for theirs, own in times]
    return Paired(
        base=statistics.median(theirs for theirs, _ in times),
        ours=statistics.median(own for _, own in times),
        ratio=statistics.median(ratios),
        spread=(min(ratios), max(ratios)),
    )


def seconds(work: Work, clock: Callable[[], float] = time.perf_counter) -> float:
    """How long it takes by this clock."""
    start = clock()
    work()
    return clock() - start
