"""Is a feature the label itself? Its mean daily correlation with the label says so.

Shapes: D days, N stocks, F features, H horizons.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atft_core.cross_section import Bools, Floats, centred_ranks
from atft_core.data.panel import Panel

LEAK = 0.3
"""Mean daily correlation with the label beyond which a feature is taken for the label."""
LEAK_DAYS = 60
"""Training days on which it is measured: never on days that judge a model."""


@dataclass(frozen=True)
class Leak:
    """A feature that knows a label better than a feature can."""

    feature: str
    correlation: float
    """Mean over days of its correlation with the ranked label."""
    horizon: int

    def __str__(self) -> str:
        return (
            f"{self.feature!r} correlates {self.correlation:+.2f} per day "
            f"with the return over {self.horizon} days"
        )


def panel_leaks(panel: Panel, train: range) -> list[Leak]:
    """The features of a panel that are taken for its labels."""
    return leaks(*spaced_days(panel, train), panel.features, panel.horizons)


def spaced_days(
    panel: Panel, train: range
) -> tuple[NDArray[np.float32], NDArray[np.float32], Bools]:
    """Features, labels and masks of evenly spaced days: labels of neighbouring days overlap."""
    spaced = np.linspace(train.start, train.stop - 1, min(LEAK_DAYS, len(train)))
    days = [int(day) for day in spaced.round()]
    return panel.float_features(days), panel.y_TNH[days], panel.valid_TN[days]


def leaks(
    x_DNF: NDArray[np.float32],
    y_DNH: NDArray[np.float32],
    valid_DN: Bools,
    features: Sequence[str],
    horizons: Sequence[int],
) -> list[Leak]:
    """Features with a mean daily correlation beyond LEAK, each with the label it knows best."""
    mean_FH = np.zeros((len(features), len(horizons)))
    for h in range(len(horizons)):
        known_DN = valid_DN & np.isfinite(y_DNH[..., h])
        rank_DN = centred_ranks(y_DNH[..., h], known_DN)
        mean_FH[:, h] = _mean_correlations(x_DNF, rank_DN, known_DN)
    best_F = np.abs(mean_FH).argmax(axis=1)
    found = [
        Leak(name, float(mean_FH[f, h]), horizons[h])
        for f, (name, h) in enumerate(zip(features, best_F, strict=True))
    ]
    return [leak for leak in found if abs(leak.correlation) > LEAK]


def _mean_correlations(x_DNF: NDArray[np.float32], rank_DN: Floats, known_DN: Bools) -> Floats:
    """Mean over days of each feature's correlation with the ranked label, [F]."""
    days = max(1, int((known_DN.sum(axis=1) > 2).sum()))
    sums_F = np.zeros(x_DNF.shape[2])
    for x_NF, rank_N, known_N in zip(x_DNF, rank_DN, known_DN, strict=True):
        sums_F += _correlations(x_NF[known_N].astype(np.float64), rank_N[known_N])
    return sums_F / days


def _correlations(x_SF: Floats, rank_S: Floats) -> Floats:
    """Correlation of each feature with a centred label, [F]; 0 where one does not vary."""
    centred_SF = x_SF - x_SF.sum(axis=0) / max(len(x_SF), 1)
    norm_F = np.sqrt(np.square(centred_SF).sum(axis=0) * np.square(rank_S).sum())
    found_F: Floats = np.divide(
        rank_S @ centred_SF, norm_F, out=np.zeros_like(norm_F), where=norm_F > 1e-12
    )
    return found_F
