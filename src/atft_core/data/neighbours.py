"""The graph of the stocks: who has moved with whom lately.

Shapes: T days, N stocks, C of them with enough history, R graphs (in `_highest`: rows), K
neighbours, W days of a window.

Graph r is computed from the W days that end at its day, and serves that day and those after it
until the next: it never sees what it helps to predict.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atft_core.cross_section import Floats

KNOWN_SHARE = 0.8
"""Share of the window that a stock's returns must fill to have, and to be, a neighbour."""

ROWS = 512
"""Stocks whose correlations with all are in memory at once."""


def trailing_neighbours(
    return_TN: Floats, k: int, window: int, refresh: int
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Days of the graphs [R] and the K stocks most correlated with each [R, N, K], -1 = none."""
    days, stocks = return_TN.shape
    # The first return needs two days.
    days_R = np.arange(window, days, refresh, dtype=np.int64) if k else np.empty(0, np.int64)
    graphs = [most_correlated(return_TN[day - window + 1 : day + 1], k) for day in days_R]
    neighbours_RNK = np.array(graphs, dtype=np.int32).reshape(len(days_R), stocks, k)
    return days_R, neighbours_RNK


def most_correlated(return_WN: Floats, k: int) -> NDArray[np.int32]:
    """Indices of the K highest correlations of each stock, highest first; -1 where there are none.

    Missing returns count as the stock's mean: they pull its correlations towards 0.
    """
    known_WN = np.isfinite(return_WN)
    count_N = known_WN.sum(axis=0).clip(min=1)
    mean_N = np.where(known_WN, return_WN, 0.0).sum(axis=0) / count_N
    centred_WN = np.where(known_WN, return_WN - mean_N, 0.0)
    norm_N = np.sqrt(np.square(centred_WN).sum(axis=0))
    there_N = (known_WN.mean(axis=0) >= KNOWN_SHARE) & (norm_N > 1e-12)
    index = np.flatnonzero(there_N)
    found_NK = np.full((return_WN.shape[1], k), -1, dtype=np.int32)
    width = min(k, len(index) - 1)
    if width < 1:
        return found_NK
    unit_WC = centred_WN[:, index] / norm_N[index]
    for start in range(0, len(index), ROWS):
        rows = np.arange(start, min(start + ROWS, len(index)))
        correlation_RC = unit_WC[:, rows].T @ unit_WC
        correlation_RC[rows - start, rows] = -np.inf  # nobody is his own neighbour
        found_NK[index[rows], :width] = index[_highest(correlation_RC, width)]
    return found_NK


def _highest(x_RC: Floats, k: int) -> NDArray[np.int64]:
    """Columns of the k highest values of each row, highest first."""
    top_RK = np.argpartition(-x_RC, k - 1, axis=1)[:, :k]
    order_RK = np.argsort(-np.take_along_axis(x_RC, top_RK, axis=1), axis=1)
    highest_RK: NDArray[np.int64] = np.take_along_axis(top_RK, order_RK, axis=1)
    return highest_RK
