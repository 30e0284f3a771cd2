"""Was a column made with days that had not come yet? What can be seen of it in the values.

Shapes: T days, N stocks.

A column divided by its stock's own maximum, or standardised by its stock's own mean or deviation,
over all days, tells on every day where the stock will stand later. Published panels do this.
Labels that were filled with 0 where the return is not known teach that nothing happens then.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atft_core.cross_section import Bools, Floats
from atft_core.data.checks import Finding
from atft_core.data.labels import by_stocks

DAYS = 60
"""Known days below which a stock says nothing about how it was scaled."""
STOCKS = 20
"""Stocks below which agreement may be chance."""
EXTREMES = ("smallest", "largest")
LABELS = 20
"""The same for labels."""
MOST = 0.9
"""Share of the stocks, or of the labels, that must agree."""
EXACT = 1e-6
"""A number divided by itself is 1 this exactly, in float32 too."""
SAME = 1e-4
"""A mean or deviation that was set is what it was set to this exactly, in deviations. Values of a
column that is bounded by nature crowd at its bound, closer together than this."""


@dataclass(frozen=True)
class Lives:
    """How the values of a column are spread over the days of each stock."""

    days_N: NDArray[np.int64]
    mean_N: Floats
    deviation_N: Floats
    smallest_2N: Floats
    """The two smallest values."""
    largest_2N: Floats
    """The largest and the one before it."""
    ends_2N: Bools
    """Whether the smallest (the largest) is that of the stock's first or last day."""


@np.errstate(all="ignore")
def check_scale(rule: str, column: str, x_TN: NDArray[np.floating]) -> list[Finding]:
    """A finding where almost all stocks were scaled by the whole of their own history."""
    lives = _lives(x_TN)
    if len(lives.days_N) < STOCKS or _counts(x_TN):
        return []
    scale_N = lives.deviation_N
    ends = (lives.smallest_2N, lives.largest_2N)
    for which, (extreme_N, next_N), end_N in zip(EXTREMES, ends, lives.ends_2N, strict=True):
        if end_N.mean() > 0.5:  # grows with the age of the stock
            continue
        value = float(np.median(extreme_N))
        alike_N = np.abs(extreme_N - value) <= EXACT * np.maximum(abs(value), scale_N)
        alone_N = np.abs(next_N - extreme_N) > SAME * scale_N
        if (alike_N & alone_N).mean() >= MOST:
            message = f"the {which} {column!r} of almost every stock is {value:.6g}, on one day"
            return [Finding(rule, message)]
    if (np.abs(lives.mean_N) < SAME * scale_N).mean() >= MOST:
        message = f"{column!r} has mean 0 over the days of almost every stock"
        return [Finding(rule, message)]
    # divided by T or by T - 1, whichever the maker preferred
    if (np.abs(scale_N - 1.0) < SAME + 0.5 / lives.days_N).mean() >= MOST:
        message = f"{column!r} has deviation 1 over the days of almost every stock"
        return [Finding(rule, message)]
    return []


def _counts(x_TN: NDArray[np.floating]) -> bool:
    """Whether all values are whole numbers: flags and counters, which nobody has scaled."""
    known_X = x_TN[np.isfinite(x_TN)]
    return bool((known_X == np.rint(known_X)).all())


def check_filled(
    column: str, y_TN: NDArray[np.floating], valid_TN: Bools, lag: int, horizon: int
) -> list[Finding]:
    """A finding where given labels are 0 when the stock is gone by the day that they end with.

    Gaps inside its life are another matter: who holds a suspended stock has a return of 0.
    """
    reach, days = lag + horizon, np.arange(len(y_TN))[:, None]
    last_N = np.where(valid_TN, days, -1).max(axis=0, initial=-1)
    unknown_TN = valid_TN & np.isfinite(y_TN) & (days + reach > last_N)
    told = int(unknown_TN.sum())
    zeros = int((y_TN[unknown_TN] == 0).sum())
    if told < LABELS or zeros < MOST * told:
        return []
    message = f"{zeros} values of {column!r} are 0 although the stock ends within {reach} days"
    return [Finding("filled_labels", message, zeros)]


def _lives(x_TN: NDArray[np.floating]) -> Lives:
    """Of the stocks with enough days, some at a time: a column may be large."""
    parts = []
    long_N = np.isfinite(x_TN).sum(axis=0) >= DAYS
    for _, given_Tn in by_stocks(x_TN[:, long_N]):
        known_Tn = np.isfinite(given_Tn)
        days_n = known_Tn.sum(axis=0)
        mean_n = np.where(known_Tn, given_Tn, 0.0).sum(axis=0) / days_n
        apart_Tn = np.where(known_Tn, given_Tn - mean_n, 0.0)
        deviation_n = np.sqrt(np.square(apart_Tn).sum(axis=0) / days_n)
        low_2n = np.partition(np.where(known_Tn, given_Tn, np.inf), 1, axis=0)[:2]
        high_2n = -np.partition(np.where(known_Tn, -given_Tn, np.inf), 1, axis=0)[:2]
        born = known_Tn.argmax(axis=0), len(known_Tn) - 1 - known_Tn[::-1].argmax(axis=0)
        outer_2n = np.take_along_axis(given_Tn, np.stack(born), axis=0)
        ends = [(outer_2n == extreme_n).any(axis=0) for extreme_n in (low_2n[0], high_2n[0])]
        parts.append(np.stack([days_n, mean_n, deviation_n, *low_2n, *high_2n, *ends]))
    found = np.concatenate(parts, axis=1) if parts else np.zeros((9, 0))
    return Lives(
        days_N=found[0].astype(np.int64),
        mean_N=found[1],
        deviation_N=found[2],
        smallest_2N=found[3:5],
        largest_2N=found[5:7],
        ends_2N=found[7:9] > 0,
    )
