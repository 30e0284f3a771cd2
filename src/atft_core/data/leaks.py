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
    days = list(train)[:: max(1, len(train) // LEAK_DAYS)]
    x_DNF = np.concatenate([panel.float_features(range(day, day + 1)) for day in days])
    return x_DNF, panel.y_TNH[days], panel.valid_TN[days]


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
    n_D1 = known_DN.sum(axis=1, keepdims=True).clip(min=1)
    x_DNF = np.where(known_DN[..., None], x_DNF, 0.0).astype(np.float64)
    centred_DNF = np.where(known_DN[..., None], x_DNF - (x_DNF.sum(1) / n_D1)[:, None], 0.0)
    norm_DF = np.sqrt(np.square(centred_DNF).sum(axis=1) * np.square(rank_DN).sum(1)[:, None])
    product_DF = np.einsum("dnf,dn->df", centred_DNF, rank_DN)
    correlation_DF = np.divide(
        product_DF, norm_DF, out=np.zeros_like(product_DF), where=norm_DF > 1e-12
    )
    days = max(1, int((known_DN.sum(axis=1) > 2).sum()))
    means_F: Floats = correlation_DF.sum(axis=0) / days
    return means_F
