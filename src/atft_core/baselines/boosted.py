"""What gradient-boosted trees make of the same rows: LightGBM, where it is installed.

Shapes: D days, N stocks, F features, C columns, S rows (day, stock).

The strongest of the simple models on daily data, so the one to beat. It gets what the network gets:
the features of the day and the state of the market; with lags, also the last days of the columns
that change most from one day to the next. Rounds are chosen by RankIC on the last fifth of the
training days, purged, like the penalty of the ridge; validation is not looked at.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atft_core.baselines.simple import head_and_tail
from atft_core.cross_section import MIN_NAMES, Floats
from atft_core.data.market import market_inputs
from atft_core.data.panel import Panel
from atft_core.data.splits import Split
from atft_core.objective.metrics import daily_metrics

PARAMETERS: dict[str, Any] = {
    "objective": "l2", "num_leaves": 31, "learning_rate": 0.03, "min_data_in_leaf": 500,
    "feature_fraction": 0.5, "bagging_fraction": 0.5, "bagging_freq": 1, "lambda_l2": 10.0,
    "max_bin": 63, "verbose": -1, "seed": 0, "deterministic": True, "force_row_wise": True,
}  # fmt: skip
"""Strong shrinkage, as a day's return is nearly all noise; leaves of 500 rows where there are."""
SMALLEST_LEAF_SHARE = 1 / 200
"""A small panel's leaves hold at least this share of its rows, instead of 500 rows."""
ROUNDS, ROUNDS_STEP = 400, 25
"""Most trees, and the step in which their number is chosen."""
LAGS, LAGGED = (1, 2, 3, 4), 8
"""Days ago that are seen with lags, and of how many columns."""
MOST_ROWS = 1_000_000
"""Rows to learn from; of more, evenly spaced days are taken."""


def boosted_available() -> bool:
    """Whether LightGBM is installed (`pip install 'atft[baselines]'`) and can be loaded."""
    if find_spec("lightgbm") is None:
        return False
    try:
        import lightgbm  # noqa: F401  # slow, and on some machines a library of it is missing
    except (ImportError, OSError) as error:
        logging.getLogger(__name__).warning("LightGBM is no baseline: %s", error)
        return False
    return True


@dataclass(frozen=True)
class _Columns:
    """What the trees see of a panel."""

    panel: Panel
    market_TM: NDArray[np.float32]
    lagged: tuple[int, ...]
    """Features that are seen with lags."""

    def of(self, days: range) -> NDArray[np.float32]:
        """Columns [D, N, C]."""
        past = max(LAGS) if self.lagged else 0
        seen = range(max(0, days.start - past), days.stop)
        x_TNF = self.panel.float_features(seen)
        missing = past + len(days) - len(seen)  # days before the panel starts say nothing
        x_TNF = np.pad(x_TNF, ((missing, 0), (0, 0), (0, 0)))
        parts = [x_TNF[past:]]
        for lag in LAGS if self.lagged else ():
            parts.append(x_TNF[past - lag : len(x_TNF) - lag, :, list(self.lagged)])
        market_DM = self.market_TM[days.start : days.stop]
        shape = (*parts[0].shape[:2], market_DM.shape[1])
        return np.concatenate([*parts, np.broadcast_to(market_DM[:, None], shape)], axis=-1)


@dataclass(frozen=True)
class Boosted:
    """Fitted trees."""

    text: str
    """LightGBM's own form of them, which it reads again."""
    lagged: tuple[int, ...] = ()
    """Features that they see with lags."""


def fit_boosted(panel: Panel, split: Split, horizon: int, *, lagged: bool) -> Boosted:
    """Trees fitted on the training days; `horizon` is the place of one in the panel's.

    Raises ImportError without LightGBM.
    """
    chosen = _quickest(panel, split.train) if lagged else ()
    columns = _Columns(panel, market_inputs(panel.market_TM, split.train), chosen)
    head, tail = head_and_tail(split)
    rounds = _best_rounds(_fit(columns, head, horizon, ROUNDS), columns, tail, horizon)
    return Boosted(_fit(columns, split.train, horizon, rounds).model_to_string(), chosen)


def boosted_scores(
    fitted: Boosted, panel: Panel, market_TM: NDArray[np.float32], days: range
) -> NDArray[np.float32]:
    """Scores [D, N] of consecutive days; `market_TM` in deviations of the training days."""
    import lightgbm  # an extra, and slow to import

    columns = _Columns(panel, market_TM, fitted.lagged)
    booster = lightgbm.Booster(model_str=fitted.text)
    rounds = booster.num_trees()
    return _predict_each(booster, columns, days, [rounds])[rounds]


def boosted_predictions(
    panel: Panel, split: Split, horizon: int, *, lagged: bool
) -> NDArray[np.float32]:
    """Scores [D, N] of the validation days by trees that were fitted on the training days."""
    fitted = fit_boosted(panel, split, horizon, lagged=lagged)
    market_TM = market_inputs(panel.market_TM, split.train)
    return boosted_scores(fitted, panel, market_TM, split.val)


def _quickest(panel: Panel, days: range) -> tuple[int, ...]:
    """The features whose values say least about the next day's: slow ones repeat themselves."""
    sampled = days[:: max(1, len(days) // 60)]
    likeness = [np.zeros(len(panel.features))]
    for day in sampled[:-1]:
        x_2NF = panel.float_features(range(day, day + 2)).astype(np.float64)
        both_N = panel.valid_TN[day] & panel.valid_TN[day + 1]
        if both_N.sum() < MIN_NAMES:
            continue
        a_NF, b_NF = (x[both_N] - x[both_N].mean(axis=0) for x in x_2NF)
        size_F = np.sqrt((a_NF**2).sum(axis=0) * (b_NF**2).sum(axis=0))
        likeness.append(np.abs((a_NF * b_NF).sum(axis=0)) / np.maximum(size_F, 1e-12))
    order = np.argsort(np.sum(likeness, axis=0), kind="stable")
    return tuple(int(f) for f in sorted(order[:LAGGED]))


def _fit(columns: _Columns, days: range, horizon: int, rounds: int) -> Any:
    import lightgbm  # an extra, and slow to import

    panel = columns.panel
    stocks = max(1, int(panel.valid_TN[days.start : days.stop].sum() / max(len(days), 1)))
    taken = days[:: max(1, -(-len(days) * stocks // MOST_ROWS))]
    x_SC, rank_S = [], []
    for day in taken:
        known_N = np.isfinite(panel.y_TNH[day, :, horizon])
        x_SC.append(columns.of(range(day, day + 1))[0][known_N])
        rank_S.append(panel.rank_TNH[day, known_N, horizon])
    rows = np.concatenate(rank_S)
    leaf = min(PARAMETERS["min_data_in_leaf"], max(20, int(len(rows) * SMALLEST_LEAF_SHARE)))
    parameters = PARAMETERS | {"min_data_in_leaf": leaf}
    data = lightgbm.Dataset(np.concatenate(x_SC), rows, params=parameters, free_raw_data=True)
    return lightgbm.train(parameters, data, rounds)


def _best_rounds(fit: Any, columns: _Columns, days: range, horizon: int) -> int:
    """Number of trees with the highest RankIC on these days."""
    span, panel = slice(days.start, days.stop), columns.panel

    rounds_of = range(ROUNDS_STEP, ROUNDS + 1, ROUNDS_STEP)
    by_rounds = _predict_each(fit, columns, days, rounds_of)

    def rank_ic(rounds: int) -> float:
        pred_DN = by_rounds[rounds]
        daily = daily_metrics(pred_DN[..., None], panel.y_TNH[span, :, horizon, None],
                              panel.valid_TN[span])  # fmt: skip
        known: Floats = daily.rank_ic_DH[np.isfinite(daily.rank_ic_DH)]
        return float(known.mean()) if known.size else -np.inf

    return max(rounds_of, key=rank_ic)


def _predict_each(
    fit: Any, columns: _Columns, days: range, rounds: Sequence[int]
) -> dict[int, NDArray[np.float32]]:
    """Predictions [D, N] by each number of trees; columns are made once."""
    scores: dict[int, list[NDArray[np.float32]]] = {number: [] for number in rounds}
    for day in days:
        x_NC = columns.of(range(day, day + 1))[0]
        for number, found in scores.items():
            found.append(fit.predict(x_NC, num_iteration=number).astype(np.float32))
    return {number: np.stack(found) for number, found in scores.items()}
