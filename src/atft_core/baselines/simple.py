"""Reversal, momentum and ridge: what a page of numpy finds.

Shapes: N stocks, F features, H horizons, S rows (day, stock), D days of a part, L penalties.

Same masks and same metric code as the model. A baseline whose inputs the panel does not have is
left out; ridge always exists. numpy only, seconds for a thousand stocks and five years.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atft_core.cross_section import Floats
from atft_core.data.panel import Panel
from atft_core.data.splits import Split
from atft_core.data.stored import decode
from atft_core.objective.metrics import DailyIC, daily_metrics

SIGNALS = {"reversal": (-1.0, ("r1",)), "momentum": (1.0, ("momentum_12_1", "r20"))}
"""Sign and feature of the baselines that are a feature: the first that exists."""
LAMBDAS = tuple(10.0**k for k in range(-4, 3))
"""Ridge penalties to choose from, per row."""
TAIL = 0.2
"""Share of the training days, the last ones, on which the penalty is chosen."""
CHUNK = 32
"""Days per step over the panel, to bound the memory."""


@dataclass
class _Products:
    """Sums over the rows with a label: of x x', of x times the label's rank, and their number."""

    xx_FF: Floats
    xy_F: Floats
    rows: int = 0


def daily_baselines(panel: Panel, split: Split) -> dict[str, DailyIC]:
    """Daily metrics of each baseline on the validation days, at every horizon."""
    predictions = signal_predictions(panel, split.val) | {"ridge": ridge_predictions(panel, split)}
    val = slice(split.val.start, split.val.stop)
    return {
        name: daily_metrics(pred_DNH, panel.y_TNH[val], panel.valid_TN[val])
        for name, pred_DNH in predictions.items()
    }


def signal_predictions(panel: Panel, days: range) -> dict[str, NDArray[np.float32]]:
    """Predictions [D, N, H] that are plus or minus one feature."""
    found: dict[str, NDArray[np.float32]] = {}
    for name, (sign, wanted) in SIGNALS.items():
        known = [panel.features.index(f) for f in wanted if f in panel.features]
        if known:
            x_DN = decode(panel.x_TNF[days.start : days.stop, :, known[0]])
            found[name] = np.repeat(np.float32(sign) * x_DN[..., None], len(panel.horizons), 2)
    return found


def ridge_predictions(panel: Panel, split: Split) -> NDArray[np.float32]:
    """Ridge of the label's rank on the features of the same day, fitted on the training days.

    The penalty is chosen by RankIC on the last fifth of the training days, purged like a split of
    its own; then the fit is repeated on all of them. Validation is not looked at.
    """
    train, (head, tail) = split.train, head_and_tail(split)
    tail_LH = _tail_rank_ic(panel, tail, _products(panel, head))
    best_H = tail_LH.argmax(axis=0)
    fits = [
        _solve(products, LAMBDAS[best])
        for products, best in zip(_products(panel, train), best_H, strict=True)
    ]
    weight_FH = np.stack(fits, axis=1)
    return np.concatenate([panel.float_features(days) @ weight_FH for days in _chunks(split.val)])


def head_and_tail(split: Split) -> tuple[range, range]:
    """The training days without their last fifth, and that fifth: what a setting is chosen on."""
    train = split.train
    cut = train.stop - max(1, int(len(train) * TAIL))
    head = range(train.start, max(train.start + 1, cut - split.purge_days))
    return head, range(cut, train.stop)


def _products(panel: Panel, days: range) -> list[_Products]:
    """One per horizon; features are read once."""
    n_features, horizons = len(panel.features), range(len(panel.horizons))
    sums = [_Products(np.zeros((n_features, n_features)), np.zeros(n_features)) for _ in horizons]
    for chunk in _chunks(days):
        x_DNF, span = panel.float_features(chunk), slice(chunk.start, chunk.stop)
        for h, total in enumerate(sums):
            known_DN = np.isfinite(panel.y_TNH[span, :, h])
            x_SF = x_DNF[known_DN]
            rank_S = panel.rank_TNH[span, :, h][known_DN]
            total.xx_FF += x_SF.T @ x_SF
            total.xy_F += x_SF.T @ rank_S
            total.rows += len(rank_S)
    return sums


def _solve(products: _Products, penalty: float) -> NDArray[np.float32]:
    """Coefficients [F]. A feature without variation gets none: the penalty makes that defined."""
    scale = penalty * max(products.rows, 1)
    system_FF = products.xx_FF + scale * np.eye(len(products.xy_F))
    return np.linalg.solve(system_FF, products.xy_F).astype(np.float32)


def _tail_rank_ic(panel: Panel, days: range, fits: list[_Products]) -> Floats:
    """Mean daily RankIC by penalty and horizon, [L, H]; minus infinity where no day has one."""
    weight_FHL = np.stack(
        [np.stack([_solve(fit, each) for each in LAMBDAS], axis=1) for fit in fits], axis=1
    )
    parts = []
    for chunk in _chunks(days):
        pred_DNHL = np.tensordot(panel.float_features(chunk), weight_FHL, axes=1)
        span = slice(chunk.start, chunk.stop)
        parts.append(
            [
                daily_metrics(
                    pred_DNHL[..., each], panel.y_TNH[span], panel.valid_TN[span]
                ).rank_ic_DH
                for each in range(len(LAMBDAS))
            ]
        )
    rank_ic_LDH = np.concatenate([np.stack(part) for part in parts], axis=1)
    days_LH = np.isfinite(rank_ic_LDH).sum(axis=1)
    means_LH: Floats = np.nansum(rank_ic_LDH, axis=1) / days_LH.clip(min=1)
    return np.where(days_LH > 0, means_LH, -np.inf)


def _chunks(days: range) -> Iterator[range]:
    for start in range(days.start, days.stop, CHUNK):
        yield range(start, min(start + CHUNK, days.stop))
