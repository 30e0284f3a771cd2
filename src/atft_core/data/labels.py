"""Labels: the return from close[t + lag] to close[t + lag + h] on the union calendar.

Shapes: T days, N stocks, H horizons. NaN = no label; nothing is filled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from atft_core.cross_section import Bools, Floats
from atft_core.data.rolling import ratio, shift, window_sum

Policy = Literal["mask", "winsorise", "keep"]


def future_returns(close_TN: Floats, horizons: Sequence[int], lag: int) -> Floats:
    """Plain labels [T, N, H]; NaN where either close is missing or beyond the calendar."""
    entry_TN = ahead(close_TN, lag)
    labels = [ratio(ahead(close_TN, lag + h), entry_TN) - 1.0 for h in horizons]
    return np.stack(labels, axis=2)


def make_labels(
    close_TN: Floats, horizons: Sequence[int], lag: int, policy: Policy, limit: float
) -> NDArray[np.float32]:
    """Labels with one-day returns beyond `limit` handled by `policy`.

    mask: a label whose days contain one is missing. winsorise: such a day counts as +-limit.
    keep: nothing happens.
    """
    y_TNH = future_returns(close_TN, horizons, lag)
    step_TN = step_returns(close_TN)
    extreme_TN = np.abs(step_TN) > limit
    if policy == "keep" or not extreme_TN.any():
        return y_TNH.astype(np.float32)
    if policy == "mask":
        count_TN = extreme_TN.astype(np.float64)
        for i, h in enumerate(horizons):
            inside_TN = ahead(window_sum(count_TN, h), lag + h) > 0
            y_TNH[inside_TN, i] = np.nan
        return y_TNH.astype(np.float32)
    # What a day weighs too much is taken out of every label that contains it.
    excess_TN = np.where(extreme_TN, np.log1p(step_TN) - np.log1p(clip(step_TN, limit)), 0.0)
    for i, h in enumerate(horizons):
        inside_TN = np.nan_to_num(ahead(window_sum(excess_TN, h), lag + h))
        y_TNH[..., i] = (1.0 + y_TNH[..., i]) * np.exp(-inside_TN) - 1.0
    return y_TNH.astype(np.float32)


def clip(x_TN: Floats, limit: float) -> Floats:
    """Within +-limit, and above a total loss, whose logarithm is not finite."""
    return x_TN.clip(max(-limit, -0.99), limit)


def step_returns(close_TN: Floats) -> Floats:
    """Return from the last known close, so that a jump across a gap is seen; NaN without one."""
    return ratio(close_TN, shift(last_known(close_TN), 1)) - 1.0


def last_known(x_TN: Floats) -> Floats:
    """Each column's latest known value up to the row."""
    row_TN = np.where(np.isfinite(x_TN), np.arange(len(x_TN))[:, None], 0)
    filled_TN: Floats = np.take_along_axis(x_TN, np.maximum.accumulate(row_TN, axis=0), axis=0)
    return filled_TN


def ahead(x_TN: Floats, days: int) -> Floats:
    """The value of `days` rows after."""
    moved_TN = np.full_like(x_TN, np.nan)
    if days < len(x_TN):
        moved_TN[: len(x_TN) - days] = x_TN[days:]
    return moved_TN


def has_labels(y_TNH: NDArray[np.float32], valid_TN: Bools) -> NDArray[np.int64]:
    """Number of labels of each horizon, [H]."""
    counts_H: NDArray[np.int64] = (np.isfinite(y_TNH) & valid_TN[..., None]).sum(axis=(0, 1))
    return counts_H


def days_with_an_order(y_TNH: NDArray[np.float32], valid_TN: Bools) -> NDArray[np.int64]:
    """Number of days on which the labels of a horizon are not all the same, [H]."""
    known_TNH = np.isfinite(y_TNH) & valid_TN[..., None]
    highest_TH = np.where(known_TNH, y_TNH, -np.inf).max(axis=1)
    lowest_TH = np.where(known_TNH, y_TNH, np.inf).min(axis=1)
    days_H: NDArray[np.int64] = (highest_TH > lowest_TH).sum(axis=0)
    return days_H
