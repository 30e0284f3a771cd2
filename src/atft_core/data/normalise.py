"""Making a feature comparable within a day: ranks or z-scores, 0 where missing.

Shapes: T days, N stocks.

A day's numbers are made of that day's valid stocks only, added in the order of their codes. A
stock that has no row on that day does not exist for it: it may be absent from the file, and not
one bit changes. (A sum over a padded row would round differently with the length of the row.)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atft_core.cross_section import Bools, Floats, rank_rows
from atft_core.data.stored import HIGHEST_RANK

Z_BOUND = 5.0
"""z-scores are clipped here."""
OUTLIER = 20.0
"""Median absolute deviations from the median beyond which a value counts as that far off only:
one bad print would else be the day's whole deviation, and all other stocks equal."""


def rank_days(x_TN: Floats, valid_TN: Bools) -> NDArray[np.float32]:
    """Average ranks with mean 0 and variance 1 per day; 0 where missing and on constant days."""
    centred_TN, n_T1 = _centred_ranks(x_TN, valid_TN)
    return _unit(centred_TN, np.square(centred_TN).sum(axis=1, keepdims=True) / n_T1)


def even_rank_days(x_TN: Floats, valid_TN: Bools) -> NDArray[np.float32]:
    """Average ranks spread evenly within +-HIGHEST_RANK per day; 0 where missing.

    Without ties these are `rank_days` up to 1 / n; with ties their variance is below 1, so that
    the bound always holds.
    """
    centred_TN, n_T1 = _centred_ranks(x_TN, valid_TN)
    return (centred_TN * (HIGHEST_RANK / n_T1)).astype(np.float32)


def _centred_ranks(x_TN: Floats, valid_TN: Bools) -> tuple[Floats, NDArray[np.int64]]:
    """Twice each rank less the day's mean, and the number of stocks (at least 1) of each day."""
    ranks_TN = rank_rows(x_TN, valid_TN)
    known_TN = np.isfinite(ranks_TN)
    n_T1 = known_TN.sum(axis=1, keepdims=True)
    # Twice a rank is a whole number: sums of these are exact in any order.
    return np.where(known_TN, 2.0 * ranks_TN - (n_T1 + 1), 0.0), n_T1.clip(min=1)


def zscore_days(x_TN: Floats, valid_TN: Bools) -> NDArray[np.float32]:
    """Deviations from the day's mean in standard deviations, clipped; 0 where missing."""
    known_TN = valid_TN & np.isfinite(x_TN)
    x_TN = _without_outliers(_scaled(x_TN, known_TN), known_TN)
    centred_TN = np.where(known_TN, x_TN - day_means(x_TN, known_TN)[:, None], 0.0)
    variance_T1 = day_means(np.square(centred_TN), known_TN)[:, None]
    return _unit(centred_TN, np.nan_to_num(variance_T1)).clip(-Z_BOUND, Z_BOUND)


def _scaled(x_TN: Floats, known_TN: Bools) -> Floats:
    """Each day divided by a power of 2, so that sums and squares of any numbers stay finite."""
    largest_T1 = np.abs(np.where(known_TN, x_TN, 0.0)).max(axis=1, keepdims=True)
    exponent_T1 = np.frexp(largest_T1)[1]
    scaled_TN: Floats = np.ldexp(np.where(known_TN, x_TN, 0.0), -exponent_T1)
    return scaled_TN


def _without_outliers(x_TN: Floats, known_TN: Bools) -> Floats:
    """Values within OUTLIER; a day on which most stocks are equal has no such measure."""
    median_T1 = day_medians(x_TN, known_TN)[:, None]
    spread_T1 = day_medians(np.abs(x_TN - median_T1), known_TN)[:, None]
    reach_T1 = np.where(spread_T1 > 0, OUTLIER * spread_T1, np.inf)
    return x_TN.clip(median_T1 - reach_T1, median_T1 + reach_T1)


def raw_days(x_TN: Floats, valid_TN: Bools) -> NDArray[np.float32]:
    """The values as they are; 0 where missing."""
    return np.where(valid_TN & np.isfinite(x_TN), x_TN, 0.0).astype(np.float32)


def _unit(centred_TN: Floats, variance_T1: Floats) -> NDArray[np.float32]:
    scale_T1 = np.where(variance_T1 > 1e-24, np.sqrt(variance_T1), np.inf)
    return (centred_TN / scale_T1).astype(np.float32)


def day_sums(x_TN: Floats, known_TN: Bools) -> Floats:
    """Sum over the known stocks of each day; 0 where there is none."""
    sums_T = np.zeros(len(x_TN))
    count_T = known_TN.sum(axis=1)
    some_T = count_T > 0
    if some_T.any():
        starts = np.cumsum(count_T[some_T]) - count_T[some_T]
        sums_T[some_T] = np.add.reduceat(x_TN[known_TN], starts)
    return sums_T


def day_means(x_TN: Floats, known_TN: Bools) -> Floats:
    """Mean over the known stocks of each day; NaN where there is none."""
    count_T = known_TN.sum(axis=1)
    means_T: Floats = np.full(len(x_TN), np.nan)
    np.divide(day_sums(x_TN, known_TN), count_T, out=means_T, where=count_T > 0)
    return means_T


def day_medians(x_TN: Floats, known_TN: Bools) -> Floats:
    """Median of the known stocks of each day; NaN where there is none."""
    sorted_TN = np.sort(np.where(known_TN, x_TN, np.inf), axis=1)
    count_T1 = known_TN.sum(axis=1, keepdims=True)
    both = [np.take_along_axis(sorted_TN, ((count_T1 - 1 + i) // 2).clip(min=0), 1) for i in (0, 1)]
    return np.where(count_T1 > 0, (both[0] + both[1]) / 2.0, np.nan)[:, 0]


def day_deviations(x_TN: Floats, known_TN: Bools) -> Floats:
    """Standard deviation (by n) over the known stocks of each day."""
    centred_TN = np.where(known_TN, x_TN - day_means(x_TN, known_TN)[:, None], 0.0)
    return np.sqrt(day_means(np.square(centred_TN), known_TN))


def group_means(x_TN: Floats, known_TN: Bools, group_N: NDArray[np.int64]) -> Floats:
    """Mean of the stock's group on each day, [T, N]; NaN for group -1 and empty groups."""
    days, n_groups = len(x_TN), int(group_N.max(initial=-1)) + 1
    if n_groups == 0:
        return np.full_like(x_TN, np.nan)
    member_TN = known_TN & (group_N >= 0)
    t, n = np.nonzero(member_TN)
    cell = t * n_groups + group_N[n]
    sums = np.bincount(cell, weights=x_TN[member_TN], minlength=days * n_groups)
    counts = np.bincount(cell, minlength=days * n_groups)
    means_TG = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    by_stock_TN: Floats = means_TG.reshape(days, n_groups)[:, group_N.clip(min=0)]
    return np.where(group_N >= 0, by_stock_TN, np.nan)
