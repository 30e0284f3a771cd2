"""How much of the best of many is luck.

Shapes: D days, K strategies (trials, models), B bootstrap samples, S blocks of days.

The best of K worthless series looks good; these say how good, and whether the best of K real ones
looks better than that. A run computes them when its sweep ends (`train.significance`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

from atft_core.cross_section import Floats
from atft_core.objective.significance import MeanEstimate, newey_west_mean

EULER = 0.5772156649015329
BLOCKS = 16
"""Blocks of days in the symmetric cross-validation: 12,870 ways to halve them."""
BLOCK_DAYS = 3
"""Fewest days of such a block."""
SAMPLES = 1000
"""Bootstrap samples."""
BOOTSTRAP_BLOCKS = 20
"""Blocks of days below which a bootstrap has too little to deal anew."""


def expected_best(deviation: float, trials: int) -> float:
    """Mean of the highest of `trials` worthless ratios that scatter by `deviation`.

    Bailey and Lopez de Prado (2014), "The deflated Sharpe ratio", eq. 6. 0 for a single trial.
    """
    if trials < 2:
        return 0.0
    high = norm.ppf(1.0 - 1.0 / trials)
    higher = norm.ppf(1.0 - 1.0 / (trials * math.e))
    return deviation * ((1.0 - EULER) * float(high) + EULER * float(higher))


def probabilistic_ratio(
    ratio: float, benchmark: float, days: int, skew: float, kurtosis: float
) -> float:
    """Probability that the true mean over deviation exceeds `benchmark`, per day.

    Bailey and Lopez de Prado (2012), "The Sharpe ratio efficient frontier". `kurtosis` is 3 for a
    normal series. NaN when the moments admit no variance.
    """
    variance = 1.0 - skew * ratio + (kurtosis - 1.0) / 4.0 * ratio**2
    if days < 2 or variance <= 0:
        return math.nan
    return float(norm.cdf((ratio - benchmark) * math.sqrt((days - 1) / variance)))


def mean_over_deviation(x_D: NDArray[np.floating]) -> float:
    """Mean over standard deviation of the days that have a value; NaN where there is none."""
    x_D = x_D[np.isfinite(x_D)]
    deviation = float(x_D.std(ddof=1)) if x_D.size > 1 else 0.0
    return float(x_D.mean()) / deviation if deviation > 0 else math.nan


@dataclass(frozen=True)
class Deflated:
    """A ratio, what the best of as many worthless ones would show, and how sure it is above."""

    ratio: float
    luck: float
    probability: float


def deflated_ratio(x_D: NDArray[np.floating], ratios_K: NDArray[np.floating]) -> Deflated:
    """The mean over deviation of a daily series, deflated by all ratios it was the best of.

    With daily ICs this is a deflated ICIR, with daily returns the deflated Sharpe ratio. NaN days
    are left out; days count as independent, so overlapping horizons want a sub-series.
    """
    x_D = x_D[np.isfinite(x_D)]
    ratios_K = ratios_K[np.isfinite(ratios_K)]
    ratio = mean_over_deviation(x_D)
    if not math.isfinite(ratio):
        return Deflated(math.nan, math.nan, math.nan)
    deviation = float(ratios_K.std(ddof=1)) if ratios_K.size > 1 else 0.0
    luck = expected_best(deviation, int(ratios_K.size))
    z_D = (x_D - x_D.mean()) / x_D.std()
    skew, kurtosis = float((z_D**3).mean()), float((z_D**4).mean())
    return Deflated(ratio, luck, probabilistic_ratio(ratio, luck, x_D.size, skew, kurtosis))


def overfitting_probability(x_DK: NDArray[np.floating], blocks: int = BLOCKS) -> float:
    """Probability that the best in one half of the days is below the median in the other (PBO).

    Combinatorially symmetric cross-validation (Bailey, Borwein, Lopez de Prado and Zhu 2017), on
    daily means; a day that some strategy lacks is left out. The median itself counts half, so that
    it is about .5 when no strategy is better than another. NaN with fewer than two strategies, or
    fewer than BLOCK_DAYS days per block: neighbouring days would be in both halves.
    """
    x_DK = x_DK[np.isfinite(x_DK).all(axis=1)]
    if x_DK.shape[1] < 2 or len(x_DK) < BLOCK_DAYS * blocks:
        return math.nan
    sums_SK = np.array([part.sum(axis=0) for part in np.array_split(x_DK, blocks)])
    sizes_S = np.array([len(part) for part in np.array_split(x_DK, blocks)])
    below, total = 0.0, 0
    for chosen in combinations(range(blocks), blocks // 2):
        inside_S = np.zeros(blocks, dtype=bool)
        inside_S[list(chosen)] = True
        seen_K = sums_SK[inside_S].sum(axis=0) / sizes_S[inside_S].sum()
        unseen_K = sums_SK[~inside_S].sum(axis=0) / sizes_S[~inside_S].sum()
        place = rankdata(unseen_K)[seen_K.argmax()] / (len(unseen_K) + 1)
        below += 1.0 if place < 0.5 else 0.5 if place == 0.5 else 0.0
        total += 1
    return below / total


@dataclass(frozen=True)
class SuperiorAbility:
    """Whether any of K strategies beats the benchmark, and which do."""

    p: float
    """Hansen's consistent p-value: chance of such a best if none were better."""
    better: tuple[int, ...]
    """Those that are, family-wise at 5 %."""


def superior_ability(
    gain_DK: NDArray[np.floating], *, block_days: int, seed: int = 0, samples: int = SAMPLES
) -> SuperiorAbility:
    """Test of superior predictive ability on daily gains over one benchmark.

    Hansen (2005): studentised best mean against its distribution under a stationary bootstrap
    (Politis and Romano 1994), models that are clearly worse left where they are. `better` are the
    survivors of Romano and Wolf's StepM (2005) on the same statistics. Days with a NaN are left
    out. p is NaN with fewer than BOOTSTRAP_BLOCKS blocks of days: it would be far too small. It is
    never 0, which no number of samples shows.
    """
    gain_DK = np.asarray(gain_DK, np.float64)[np.isfinite(gain_DK).all(axis=1)]
    days, count = gain_DK.shape
    if days < BOOTSTRAP_BLOCKS * block_days or not count:
        return SuperiorAbility(math.nan, ())
    mean_K = gain_DK.mean(axis=0)
    means_BK = _bootstrap_means(gain_DK, block_days, seed, samples)
    error_K = np.maximum((means_BK - mean_K).std(axis=0), 1e-12)
    t_K = mean_K / error_K
    poor_K = t_K < -math.sqrt(2.0 * math.log(math.log(days)))
    recentred_BK = (means_BK - np.where(poor_K, 0.0, mean_K)) / error_K
    best_B = np.maximum(recentred_BK.max(axis=1), 0.0)
    p = float(((best_B >= max(t_K.max(), 0.0)).sum() + 1) / (samples + 1))
    return SuperiorAbility(p, _stepwise(t_K, (means_BK - mean_K) / error_K))


def _stepwise(t_K: Floats, null_BK: Floats) -> tuple[int, ...]:
    """StepM: who exceeds the 95 % point of the best of those not yet found, until nobody does."""
    found: set[int] = set()
    while left := [k for k in range(len(t_K)) if k not in found]:
        limit = np.quantile(null_BK[:, left].max(axis=1), 0.95)
        more = {k for k in left if t_K[k] > limit}
        if not more:
            break
        found |= more
    return tuple(sorted(found))


def _bootstrap_means(
    x_DK: NDArray[np.floating], block_days: int, seed: int, samples: int
) -> Floats:
    """Means of resampled days, [B, K], in blocks of geometric length with this mean."""
    rng = np.random.default_rng(seed)
    days = len(x_DK)
    means = []
    for _ in range(samples):
        fresh_D = rng.random(days) < 1.0 / block_days
        fresh_D[0] = True
        start_D = np.where(fresh_D, rng.integers(days, size=days), 0)
        place_D = np.arange(days)
        since_D = place_D - np.maximum.accumulate(np.where(fresh_D, place_D, 0))
        origin_D = start_D[place_D - since_D]
        means.append(x_DK[(origin_D + since_D) % days].mean(axis=0))
    return np.array(means)


def apart(x_D: NDArray[np.floating], horizon: int) -> list[MeanEstimate]:
    """The `horizon` sub-series of days that do not overlap, each with its mean and error.

    A label over h days shares days with its neighbours; every h-th label shares none.
    """
    return [newey_west_mean(x_D[first::horizon], 0) for first in range(horizon)]
