"""What a book of the best and the worst tenth would have earned, after costs.

Shapes: D days, N stocks, P periods.

Equal weights, long one unit and short one unit, made anew every `horizon` trading days, so that no
label is counted twice. Nothing is reinvested: gains add up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atft_core.cross_section import Bools, Floats
from atft_core.objective.metrics import TRADING_DAYS, deciles
from atft_core.report.predictions import Predicted

COST_BPS = 10.0
"""Of what is traded, one way: fees, spread and impact. An assumption, said where it is used."""


@dataclass(frozen=True)
class Book:
    """A book by period."""

    dates_P: NDArray[np.datetime64]
    """When it was made."""
    gross_P: Floats
    """Return of the long side less that of the short side."""
    traded_P: Floats
    """What was bought and sold for it on both sides, in units of one side."""
    horizon: int
    cost_bps: float

    @property
    def net_P(self) -> Floats:  # noqa: N802
        """After costs."""
        return self.gross_P - self.traded_P * self.cost_bps * 1e-4

    def sharpe(self, *, net: bool) -> float | None:
        """Mean over deviation of the periods' returns, annualised; None for fewer than two."""
        returns_P = self.net_P if net else self.gross_P
        if len(returns_P) < 2 or returns_P.std(ddof=1) == 0:
            return None
        ratio = returns_P.mean() / returns_P.std(ddof=1)
        return float(ratio * math.sqrt(TRADING_DAYS / self.horizon))

    def a_year(self, *, net: bool) -> float | None:
        """Mean return of a year."""
        returns_P = self.net_P if net else self.gross_P
        return float(returns_P.mean() * TRADING_DAYS / self.horizon) if len(returns_P) else None

    @property
    def break_even_bps(self) -> float | None:
        """The cost at which nothing is left; None where nothing is traded."""
        traded = float(self.traded_P.mean()) if len(self.traded_P) else 0.0
        return float(self.gross_P.mean() / traded * 1e4) if traded else None

    @property
    def drawdown(self) -> float | None:
        """The deepest fall of what was earned so far, after costs, below its highest point."""
        if not len(self.net_P):
            return None
        earned_P = np.concatenate([[0.0], np.cumsum(self.net_P)])
        return float((np.maximum.accumulate(earned_P) - earned_P).max())


def book(found: Predicted, cost_bps: float = COST_BPS) -> Book:
    """The book by the predictions of every `horizon`-th day that has enough stocks."""
    known_DN = found.known_DN
    days = np.arange(0, len(found.dates_D), found.horizon)
    days = days[known_DN[days].any(axis=1)]
    top_PN, bottom_PN = deciles(found.pred_DN[days], known_DN[days])
    y_PN = np.nan_to_num(found.y_DN[days])
    gross_P = _mean(y_PN, top_PN) - _mean(y_PN, bottom_PN)
    traded_P = _traded(top_PN) + _traded(bottom_PN)
    return Book(found.dates_D[days], gross_P, traded_P, found.horizon, cost_bps)


def _mean(x_PN: Floats, member_PN: Bools) -> Floats:
    mean_P: Floats = np.where(member_PN, x_PN, 0.0).sum(axis=1) / member_PN.sum(axis=1)
    return mean_P


def _traded(member_PN: Bools) -> Floats:
    """The sum of all changes of weight on one side; at first everything is bought."""
    weights_PN = member_PN / np.maximum(member_PN.sum(axis=1, keepdims=True), 1)
    before_PN = np.concatenate([np.zeros_like(weights_PN[:1]), weights_PN[:-1]])
    traded_P: Floats = np.abs(weights_PN - before_PN).sum(axis=1)
    return traded_P
