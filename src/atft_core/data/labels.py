"""Labels: the return from close[t + lag] to close[t + lag + h] on the union calendar.

Shapes: T days, N stocks, n of them. NaN = no label; nothing is filled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from atft_core.cross_section import Floats
from atft_core.data.rolling import ratio, shift, window_sum

Policy = Literal["mask", "winsorise", "keep"]
STOCKS = 512
"""Stocks whose labels are made at once."""


def future_return(close_TN: Floats, horizon: int, lag: int) -> Floats:
    """Plain labels [T, N]; NaN where either close is missing or beyond the calendar."""
    return ratio(ahead(close_TN, lag + horizon), ahead(close_TN, lag)) - 1.0


def make_labels(
    close_TN: Floats, horizons: Sequence[int], lag: int, policy: Policy, limit: float
) -> Iterator[NDArray[np.float32]]:
    """Labels [T, N] of each horizon, with one-day returns beyond `limit` handled by `policy`.

    mask: a label whose days contain one is missing. winsorise: such a day counts as +-limit.
    keep: nothing happens.
    """
    extreme = extreme_returns(close_TN, policy, limit)
    for horizon in horizons:
        y_TN = future_return(close_TN, horizon, lag)
        if extreme is not None:
            inside_TN = _inside(extreme, horizon, lag)
            if policy == "mask":
                y_TN[inside_TN > 0] = np.nan
            else:
                y_TN = (1.0 + y_TN) * np.exp(-np.nan_to_num(inside_TN)) - 1.0
        yield y_TN.astype(np.float32)


def masked_labels(  # noqa: PLR0917 -- as make_labels
    given: Iterable[NDArray[np.float32]],
    close_TN: Floats,
    horizons: Sequence[int],
    lag: int,
    policy: Policy,
    limit: float,
) -> Iterator[NDArray[np.float32]]:
    """Labels [T, N] that were given; policy "mask" takes away those with an extreme return."""
    extreme = extreme_returns(close_TN, policy, limit) if policy == "mask" else None
    for y_TN, horizon in zip(given, horizons, strict=True):
        if extreme is None:
            yield y_TN
        else:
            yield np.where(_inside(extreme, horizon, lag) > 0, np.float32(np.nan), y_TN)


def _inside(extreme_TN: Floats, horizon: int, lag: int) -> Floats:
    """Sum over the days that the label of each day contains."""
    return ahead(window_sum(extreme_TN, horizon), lag + horizon)


def extreme_returns(close_TN: Floats, policy: Policy, limit: float) -> Floats | None:
    """By how much each day weighs too much in every label that contains it; None if none does.

    mask: 1 on such a day. winsorise: what has to be taken off the log return.
    """
    step_TN = step_returns(close_TN)
    extreme_TN = np.abs(step_TN) > limit
    if policy == "keep" or not extreme_TN.any():
        return None
    if policy == "mask":
        return extreme_TN.astype(np.float64)
    excess_TN = np.log1p(step_TN) - np.log1p(clip(step_TN, limit))
    return np.where(extreme_TN, excess_TN, 0.0)


def by_stocks(close_TN: NDArray[np.floating], size: int = STOCKS) -> Iterator[tuple[slice, Floats]]:
    """Some columns at a time: what is done to a stock needs no other, and memory for itself."""
    for start in range(0, close_TN.shape[1], size):
        stocks = slice(start, start + size)
        with np.errstate(invalid="ignore"):  # a NaN that signals is a NaN
            found = np.ascontiguousarray(close_TN[:, stocks], dtype=np.float64)
        yield stocks, found


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


def count_labels(y_TN: NDArray[np.float32]) -> tuple[int, int]:
    """Number of labels, and of days on which they are not all the same."""
    known_TN = np.isfinite(y_TN)
    highest_T = np.where(known_TN, y_TN, -np.inf).max(axis=1)
    lowest_T = np.where(known_TN, y_TN, np.inf).min(axis=1)
    return int(known_TN.sum()), int((highest_T > lowest_T).sum())
