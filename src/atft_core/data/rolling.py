"""Statistics of trailing windows, column by column.

Shapes: T days, N stocks. NaN is missing; the window of day t is t-w+1 .. t.

A sum of w days is put together from sums of 1, 2, 4 ... days: log2(w) passes, no running total
whose rounding would drag along, and every value is made of the same additions however many days
follow and however many stocks stand beside. Causality thereby holds to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from atft_core.cross_section import Floats

Combine = Callable[[Floats, Floats], Floats]
KNOWN_SHARE = 0.6
"""Share of a window that must be known for a statistic to exist."""


def shift(x_TN: Floats, days: int, fill: float = np.nan) -> Floats:
    """The value of `days` rows before."""
    shifted_TN = np.full_like(x_TN, fill)
    if days < len(x_TN):
        shifted_TN[days:] = x_TN[: len(x_TN) - days]
    return shifted_TN


def _window(x_TN: Floats, days: int, combine: Combine, neutral: float) -> Floats:
    """Combine the last `days` rows; rows before the first count as `neutral`."""
    result_TN, done = np.full_like(x_TN, neutral), 0
    block_TN, size = x_TN, 1
    while size <= days:
        if days & size:
            result_TN = combine(result_TN, shift(block_TN, done, neutral))
            done += size
        block_TN = combine(block_TN, shift(block_TN, size, neutral))
        size *= 2
    return result_TN


def window_sum(x_TN: Floats, days: int) -> Floats:
    """Sum of the last `days` rows; missing counts as 0."""
    return _window(np.where(np.isfinite(x_TN), x_TN, 0.0), days, np.add, 0.0)


def window_count(x_TN: Floats, days: int) -> Floats:
    """Number of known values in the last `days` rows."""
    return _window(np.isfinite(x_TN).astype(np.float64), days, np.add, 0.0)


def window_max(x_TN: Floats, days: int) -> Floats:
    """Largest known value of the last `days` rows; NaN where too few are known."""
    highest_TN = _window(np.where(np.isfinite(x_TN), x_TN, -np.inf), days, np.maximum, -np.inf)
    return np.where(_enough(x_TN, days), highest_TN, np.nan)


def window_min(x_TN: Floats, days: int) -> Floats:
    """Smallest known value of the last `days` rows; NaN where too few are known."""
    return -window_max(-x_TN, days)


def window_mean(x_TN: Floats, days: int) -> Floats:
    """Mean of the known values of the last `days` rows; NaN where too few are known."""
    return ratio(window_sum(x_TN, days), _counts(x_TN, days))


def window_std(x_TN: Floats, days: int) -> Floats:
    """Standard deviation (by n) of the known values of the last `days` rows."""
    mean_TN = window_mean(x_TN, days)
    return np.sqrt(np.maximum(window_mean(np.square(x_TN), days) - np.square(mean_TN), 0.0))


def window_skew(x_TN: Floats, days: int) -> Floats:
    """Skewness of the known values of the last `days` rows; NaN where they do not vary."""
    mean_TN, std_TN = window_mean(x_TN, days), window_std(x_TN, days)
    second_TN, third_TN = window_mean(x_TN**2, days), window_mean(x_TN**3, days)
    moment_TN = third_TN - 3.0 * mean_TN * second_TN + 2.0 * mean_TN**3
    return ratio(moment_TN, std_TN**3)


def window_slope(y_TN: Floats, x_TN: Floats, days: int) -> Floats:
    """Slope of the regression of y on x over the last `days` rows on which both are known."""
    both_TN = np.isfinite(y_TN) & np.isfinite(x_TN)
    y_TN, x_TN = np.where(both_TN, y_TN, np.nan), np.where(both_TN, x_TN, np.nan)
    x_mean_TN = window_mean(x_TN, days)
    covariance_TN = window_mean(y_TN * x_TN, days) - window_mean(y_TN, days) * x_mean_TN
    return ratio(covariance_TN, window_mean(np.square(x_TN), days) - np.square(x_mean_TN))


def ratio(a_TN: Floats, b_TN: Floats) -> Floats:
    """Quotient; NaN where b is 0 or either is missing."""
    known_TN = np.isfinite(a_TN) & np.isfinite(b_TN) & (np.abs(b_TN) > 1e-300)
    quotient_TN: Floats = np.divide(a_TN, b_TN, out=np.full_like(a_TN, np.nan), where=known_TN)
    return quotient_TN


def _counts(x_TN: Floats, days: int) -> Floats:
    """Number of known values, NaN where they are too few."""
    count_TN = window_count(x_TN, days)
    return np.where(count_TN >= max(KNOWN_SHARE * days, 1), count_TN, np.nan)


def _enough(x_TN: Floats, days: int) -> NDArray[np.bool_]:
    return np.isfinite(_counts(x_TN, days))
