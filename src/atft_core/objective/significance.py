"""Is it more than noise? Means of serially dependent days, paired differences."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class MeanEstimate(NamedTuple):
    """A mean over days with its standard error; NaN where there are too few days."""

    mean: float
    se: float
    t: float
    n: int


def overlap(horizon: int) -> int:
    """Days over which daily figures of this horizon are taken to be correlated.

    Labels of h days share days with h - 1 neighbours; a week at least, as markets have memory.
    """
    return max(5, horizon - 1)


def newey_west_mean(x_D: NDArray[np.floating], lag: int) -> MeanEstimate:
    """Mean, standard error and t of a series whose days overlap (Newey and West 1987).

    Bartlett weights 1 - j / (lag + 1), autocovariances divided by n, no small-sample correction
    (the HAC covariance of statsmodels without `use_correction`). NaN days are left out and the gap
    is closed. A series without variation has se 0 and t NaN.
    """
    x_D = np.asarray(x_D, dtype=np.float64)
    x_D = x_D[np.isfinite(x_D)]
    n = int(x_D.size)
    if n < 2:
        return MeanEstimate(float(x_D[0]) if n else math.nan, math.nan, math.nan, n)
    mean = float(x_D.mean())
    se = math.sqrt(max(_long_run_variance(x_D - mean, min(lag, n - 1)), 0.0) / n)
    # A constant series leaves rounding, not exact zeros, in its deviations.
    negligible = se <= 1e-12 * max(abs(mean), 1e-300)
    return MeanEstimate(mean, 0.0 if negligible else se, math.nan if negligible else mean / se, n)


def _long_run_variance(centred_D: NDArray[np.floating], lag: int) -> float:
    total = float(centred_D @ centred_D)
    for j in range(1, lag + 1):
        weight = 1.0 - j / (lag + 1)
        total += 2.0 * weight * float(centred_D[j:] @ centred_D[:-j])
    return total / centred_D.size


def paired_difference(
    a_D: NDArray[np.floating], b_D: NDArray[np.floating], lag: int
) -> MeanEstimate:
    """Newey-West mean of a - b over the days that both have; the same days, in the same order."""
    if len(a_D) != len(b_D):
        raise ValueError(f"paired series have {len(a_D)} and {len(b_D)} days")
    return newey_west_mean(np.asarray(a_D, np.float64) - np.asarray(b_D, np.float64), lag)
