"""The built-in features: one line each in FEATURES, computed from open, high, low, close, volume.

Shapes: T days, N stocks.

Every feature is causal (day t uses days up to t), and NaN where there is too little history. It
is made comparable within the day afterwards (`normalise.py`), so units and scale do not matter
here, only the order of the stocks. Adding one = one function (or an expression of those below)
and one line. The first sixteen describe price and volume of the last days: those the window
statistics of the model (FAN and SAN) look at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from atft_core.cross_section import Floats
from atft_core.data.normalise import day_means, group_means
from atft_core.data.rolling import (
    ratio,
    shift,
    window_max,
    window_mean,
    window_min,
    window_skew,
    window_slope,
    window_std,
)

YEAR, MONTH = 252, 21
"""Trading days."""
HISTORY = YEAR + 1
"""Days before a day that its features may depend on, and no more."""


@dataclass(frozen=True, eq=False)
class Bars:
    """Daily bars of all stocks on one calendar; NaN where there is no value."""

    open_TN: Floats
    high_TN: Floats
    low_TN: Floats
    close_TN: Floats
    volume_TN: Floats
    sector_N: NDArray[np.int64]

    @cached_property
    def return_TN(self) -> Floats:  # noqa: N802
        """Return from the day before; NaN unless both days have a close."""
        return past_return(self, 1)

    @cached_property
    def market_TN(self) -> Floats:  # noqa: N802
        """Mean return over the stocks of the day, the same for each."""
        mean_T = day_means(self.return_TN, np.isfinite(self.return_TN))
        return np.broadcast_to(mean_T[:, None], self.return_TN.shape)

    @cached_property
    def dollar_TN(self) -> Floats:  # noqa: N802
        """Value traded."""
        return self.close_TN * self.volume_TN

    @cached_property
    def range_TN(self) -> Floats:  # noqa: N802
        """High over low, less 1."""
        return ratio(self.high_TN, self.low_TN) - 1.0

    @cached_property
    def beta_TN(self) -> Floats:  # noqa: N802
        """Slope of the stock's return on the market's over 60 days."""
        return window_slope(self.return_TN, self.market_TN, 60)

    @cached_property
    def overnight_TN(self) -> Floats:  # noqa: N802
        """Return from the close of the day before to the open."""
        return ratio(self.open_TN, shift(self.close_TN, 1)) - 1.0


@dataclass(frozen=True)
class Feature:
    """A named, documented function of the bars."""

    name: str
    group: str
    doc: str
    compute: Callable[[Bars], Floats]


def past_return(bars: Bars, days: int) -> Floats:
    """Close over the close of `days` days before, less 1."""
    return ratio(bars.close_TN, shift(bars.close_TN, days)) - 1.0


def intraday(bars: Bars) -> Floats:
    """Close over open, less 1."""
    return ratio(bars.close_TN, bars.open_TN) - 1.0


def close_in_range(bars: Bars) -> Floats:
    """0 at the low, 1 at the high; 1/2 when the price did not move."""
    position_TN = ratio(bars.close_TN - bars.low_TN, bars.high_TN - bars.low_TN)
    still_TN = bars.high_TN == bars.low_TN
    return np.where(still_TN, 0.5, position_TN.clip(0.0, 1.0))


def volume_ratio(bars: Bars, short: int, long: int) -> Floats:
    """Mean volume of the last `short` days over that of the last `long` days."""
    return ratio(window_mean(bars.volume_TN, short), window_mean(bars.volume_TN, long))


def volatility_ratio(bars: Bars) -> Floats:
    """Deviation of the returns of 5 days over that of 20 days."""
    return ratio(window_std(bars.return_TN, 5), window_std(bars.return_TN, 20))


def range_ratio(bars: Bars) -> Floats:
    """Today's range over its mean of 20 days."""
    return ratio(bars.range_TN, window_mean(bars.range_TN, 20))


def from_high(bars: Bars) -> Floats:
    """Close over the highest close of the last year."""
    return ratio(bars.close_TN, window_max(bars.close_TN, YEAR))


def range_position(bars: Bars, days: int) -> Floats:
    """Where the close stands between the lowest and the highest close of `days` days."""
    low_TN, high_TN = window_min(bars.close_TN, days), window_max(bars.close_TN, days)
    return ratio(bars.close_TN - low_TN, high_TN - low_TN)


def momentum(bars: Bars) -> Floats:
    """Return of the last year without its last month."""
    return ratio(shift(bars.close_TN, MONTH), shift(bars.close_TN, YEAR)) - 1.0


def illiquidity(bars: Bars) -> Floats:
    """Amihud (2002): mean absolute return per value traded, over 20 days."""
    return window_mean(ratio(np.abs(bars.return_TN), bars.dollar_TN), 20)


def residual_return(bars: Bars) -> Floats:
    """Today's return less beta times the market's."""
    return bars.return_TN - bars.beta_TN * bars.market_TN


def over_sector(bars: Bars, days: int) -> Floats:
    """Return less the mean return of the sector; of the market where the sector is unknown."""
    return_TN = past_return(bars, days)
    known_TN = np.isfinite(return_TN)
    sector_TN = group_means(return_TN, known_TN, bars.sector_N)
    market_T1 = day_means(return_TN, known_TN)[:, None]
    return return_TN - np.where(np.isfinite(sector_TN), sector_TN, market_T1)


FEATURES: tuple[Feature, ...] = (
    Feature("r1", "reversal", "return over 1 day", lambda b: b.return_TN),
    Feature("overnight", "reversal", "open over the close before", lambda b: b.overnight_TN),
    Feature("intraday", "reversal", "close over open", intraday),
    Feature("close_in_range", "range", "close between low and high of the day", close_in_range),
    Feature(
        "volume_shock", "volume", "volume over its 20-day mean", lambda b: volume_ratio(b, 1, 20)
    ),
    Feature("range_ratio", "range", "high-low range over its 20-day mean", range_ratio),
    Feature("r2", "reversal", "return over 2 days", lambda b: past_return(b, 2)),
    Feature("r3", "reversal", "return over 3 days", lambda b: past_return(b, 3)),
    Feature("r5", "reversal", "return over 5 days", lambda b: past_return(b, 5)),
    Feature("residual_r1", "relative", "return less beta times market", residual_return),
    Feature("sector_r1", "relative", "1-day return over its sector", lambda b: over_sector(b, 1)),
    Feature("sector_r5", "relative", "5-day return over its sector", lambda b: over_sector(b, 5)),
    Feature("volume_5_60", "volume", "5-day over 60-day volume", lambda b: volume_ratio(b, 5, 60)),
    Feature("volatility_5_20", "volatility", "5-day over 20-day volatility", volatility_ratio),
    Feature("r10", "momentum", "return over 10 days", lambda b: past_return(b, 10)),
    Feature("position_20", "range", "close in its 20-day range", lambda b: range_position(b, 20)),
    Feature("r20", "momentum", "return over 20 days", lambda b: past_return(b, 20)),
    Feature("r60", "momentum", "return over 60 days", lambda b: past_return(b, 60)),
    Feature("r120", "momentum", "return over 120 days", lambda b: past_return(b, 120)),
    Feature("momentum_12_1", "momentum", "return of a year without the last month", momentum),
    Feature("from_high_252", "momentum", "close over the 52-week high", from_high),
    Feature(
        "sector_r20", "relative", "20-day return over its sector", lambda b: over_sector(b, 20)
    ),
    Feature(
        "volatility_20", "volatility", "20-day volatility", lambda b: window_std(b.return_TN, 20)
    ),
    Feature(
        "volatility_60", "volatility", "60-day volatility", lambda b: window_std(b.return_TN, 60)
    ),
    Feature("max_20", "volatility", "best day of 20", lambda b: window_max(b.return_TN, 20)),
    Feature("min_20", "volatility", "worst day of 20", lambda b: window_min(b.return_TN, 20)),
    Feature(
        "skew_20", "volatility", "skewness of 20 returns", lambda b: window_skew(b.return_TN, 20)
    ),
    Feature("beta_60", "volatility", "60-day beta to the market", lambda b: b.beta_TN),
    Feature("range_20", "range", "20-day mean of the range", lambda b: window_mean(b.range_TN, 20)),
    Feature(
        "dollar_20", "volume", "20-day mean of value traded", lambda b: window_mean(b.dollar_TN, 20)
    ),
    Feature(
        "volume_20_60", "volume", "20-day over 60-day volume", lambda b: volume_ratio(b, 20, 60)
    ),
    Feature("amihud_20", "volume", "price impact per value traded (Amihud)", illiquidity),
    Feature(
        "overnight_20",
        "momentum",
        "20-day mean of overnight",
        lambda b: window_mean(b.overnight_TN, 20),
    ),
)
"""The built-in features in the order of the model's input."""
