"""Was a column made with days that had not come yet? What can be seen of it in the values.

Shapes: T days, N stocks.

A column divided by its stock's own maximum, or standardised by its stock's own mean and deviation,
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
MOST = 0.9
"""Share of the stocks, or of the labels, that must agree."""
SAME = 1e-4
"""How exactly, in deviations or relative."""
SELDOM = 2
"""Days on which a stock may stand at its extreme: one that is clipped does so more often."""


@dataclass(frozen=True)
class Lives:
    """How the values of a column are spread over the days of each stock."""

    days_N: NDArray[np.int64]
    mean_N: Floats
    deviation_N: Floats
    extremes_2N: Floats
    """Smallest and largest value."""
    times_2N: NDArray[np.int64]
    """Days on which the stock stands there."""


@np.errstate(all="ignore")
def check_scale(rule: str, column: str, x_TN: NDArray[np.floating]) -> list[Finding]:
    """A finding where almost all stocks were scaled by the whole of their own history."""
    lives = _lives(x_TN)
    if len(lives.days_N) < STOCKS:
        return []
    for which, extreme_N, times_N in zip(
        ("smallest", "largest"), lives.extremes_2N, lives.times_2N, strict=True
    ):
        value = float(np.median(extreme_N))
        alike_N = (np.abs(extreme_N - value) <= SAME * abs(value)) & (times_N <= SELDOM)
        if value != 0.0 and alike_N.mean() >= MOST:  # counts and volumes end at 0
            message = f"the {which} {column!r} of almost every stock is {value:.6g}, on one day"
            return [Finding(rule, message)]
    # divided by T or by T - 1, whichever the maker preferred
    exact_N = np.abs(lives.deviation_N - 1.0) < SAME + 0.5 / lives.days_N
    if ((np.abs(lives.mean_N) < SAME) & exact_N).mean() >= MOST:
        message = f"{column!r} has mean 0 and deviation 1 over the days of almost every stock"
        return [Finding(rule, message)]
    return []


def check_filled(
    column: str, y_TN: NDArray[np.floating], valid_TN: Bools, lag: int, horizon: int
) -> list[Finding]:
    """A finding where given labels are 0 wherever the close that they end with does not exist."""
    reach = lag + horizon
    unknown_TN = valid_TN & np.isfinite(y_TN)
    unknown_TN[: len(y_TN) - reach] &= ~valid_TN[reach:]
    told = int(unknown_TN.sum())
    zeros = int((y_TN[unknown_TN] == 0).sum())
    if told < STOCKS or zeros < MOST * told:
        return []
    message = f"{zeros} values of {column!r} are 0 where the close {reach} days later is missing"
    return [Finding("filled_labels", message, zeros)]


def _lives(x_TN: NDArray[np.floating]) -> Lives:
    """Of the stocks with enough days, some at a time: a column may be large."""
    parts = []
    for _, given_Tn in by_stocks(x_TN):
        x_Tn = np.where(np.isfinite(given_Tn), given_Tn, np.nan)
        days_n = np.isfinite(x_Tn).sum(axis=0)
        ends = np.fmin.reduce(x_Tn, axis=0), np.fmax.reduce(x_Tn, axis=0)
        mean_n = np.nansum(x_Tn, axis=0) / days_n
        times = [(x_Tn == end_n).sum(axis=0) for end_n in ends]
        x_Tn -= mean_n
        np.square(x_Tn, out=x_Tn)
        deviation_n = np.sqrt(np.nansum(x_Tn, axis=0) / days_n)
        rows = np.stack([days_n, mean_n, deviation_n, *ends, *times])
        parts.append(rows[:, days_n >= DAYS])
    days_N, mean_N, deviation_N, *rest = np.concatenate(parts, axis=1)
    times_2N = np.stack(rest[2:]).astype(np.int64)
    return Lives(days_N.astype(np.int64), mean_N, deviation_N, np.stack(rest[:2]), times_2N)
