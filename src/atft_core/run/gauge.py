"""A value that is low only after it was low for a while, and well only after it was well for one.

Two bars and two times: between the bars nothing changes, so an alert on it never flaps. No clock
is read here; time comes with the values.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

GAP_SECONDS = 180.0
"""Between two values beyond which nothing is known of the time between: it counts for nothing."""


@dataclass(frozen=True)
class Band:
    """When a value becomes low, and when it is well again."""

    below: float
    below_seconds: float
    above: float
    above_seconds: float


@dataclass(frozen=True)
class Gauge:
    """Whether the value is low, and since when it has been on the way to the other side."""

    low: bool = False
    since: float | None = None
    seen: float | None = None


def step(gauge: Gauge, band: Band, t: float, value: float | None) -> Gauge:
    """The gauge after one more value; None: not measured, which is no evidence for either."""
    turning = value is not None and (value > band.above if gauge.low else value < band.below)
    if not turning:
        return Gauge(gauge.low, seen=t)
    unbroken = gauge.seen is not None and t - gauge.seen <= GAP_SECONDS
    since = gauge.since if gauge.since is not None and unbroken else t
    if t - since < (band.above_seconds if gauge.low else band.below_seconds):
        return replace(gauge, since=since, seen=t)
    return Gauge(not gauge.low, seen=t)
