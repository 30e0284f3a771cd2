"""The state of the market on a day: six numbers that all stocks share, as causal as the features.

Shapes: T days, N stocks, M = 6. Kept raw: what "normal" is, the training days decide.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atft_core.cross_section import Floats
from atft_core.data.normalise import day_deviations, day_means, day_medians
from atft_core.data.rolling import ratio, shift, window_mean, window_std

MARKET_NAMES = (
    "market_r1",
    "market_r5",
    "market_r20",
    "log_market_volatility_20",
    "log_dispersion",
    "log_dispersion_deviation",
)
"""Market return over 1, 5 and 20 days; its volatility; spread of the stocks; that over its mean."""
FLOOR = 1e-6
"""Below every volatility met in practice; keeps the logarithm finite on a still day."""


MARKET_HISTORY = 61
"""Days before a day that these inputs look back to."""
MARKET_BOUND = 5.0
"""Market inputs are clipped to this many training deviations: a crash must stay finite news."""


def day_values(x_TN: NDArray[np.floating]) -> Floats:
    """The value that a column has on each day, [T]; NaN on days without one.

    Of stocks that differ the median; such a column is a finding (`data/checks.py`) and stops.
    """
    known_TN = np.isfinite(x_TN)
    return day_medians(x_TN.astype(np.float64), known_TN)


def market_state(close_TN: Floats) -> NDArray[np.float32]:
    """Market inputs [T, M]; NaN before there is enough history."""
    return_TN = ratio(close_TN, shift(close_TN, 1)) - 1.0
    known_TN = np.isfinite(return_TN)
    mean_T1 = day_means(return_TN, known_TN)[:, None]
    dispersion_T1 = day_deviations(return_TN, known_TN)[:, None]
    log_dispersion_T1 = np.log(np.maximum(dispersion_T1, FLOOR))
    columns = [
        mean_T1,
        window_mean(mean_T1, 5) * 5,
        window_mean(mean_T1, 20) * 20,
        np.log(np.maximum(window_std(mean_T1, 20), FLOOR)),
        log_dispersion_T1,
        log_dispersion_T1 - window_mean(log_dispersion_T1, 60),
    ]
    return np.concatenate(columns, axis=1).astype(np.float32)


def market_inputs(market_TM: NDArray[np.float32], train: range) -> NDArray[np.float32]:
    """Market state in deviations of the training days, clipped; 0 where it is not yet known."""
    return scaled_market(market_TM, market_TM[train.start : train.stop])


def scaled_market(
    market_TM: NDArray[np.float32], trained_DM: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The same for days of any panel, in deviations of the days that a model was trained on."""
    known_TM = np.isfinite(market_TM)
    scaled_TM = np.zeros(market_TM.shape, dtype=np.float32)
    for m in range(market_TM.shape[1]):
        values = trained_DM[np.isfinite(trained_DM[:, m]), m].astype(np.float64)
        if values.size > 1 and values.std() > 1e-12:
            scaled_TM[:, m] = (market_TM[:, m] - values.mean()) / values.std()
    bounded_TM = scaled_TM.clip(-MARKET_BOUND, MARKET_BOUND)
    return np.where(known_TM, bounded_TM, np.float32(0))
