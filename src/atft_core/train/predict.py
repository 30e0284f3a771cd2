"""Scores of a trained trial for a panel that it has not seen.

Shapes: D days, N stocks, H horizons, T days of the panel.

Nothing is fitted here: features are made comparable within their day, as in training, and the
market is measured in deviations of the days that the trial was trained on.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from atft_core.baselines.boosted import Boosted, boosted_available, boosted_scores
from atft_core.cross_section import Bools
from atft_core.data.choose import make_feed
from atft_core.data.market import scaled_market
from atft_core.data.panel import Panel
from atft_core.errors import DataError, UsageError
from atft_core.run.directory import RunDirectory
from atft_core.train.ensemble import ensemble
from atft_core.train.loop import days_at_once, predict_days, silent
from atft_core.train.restore import restored
from atft_core.train.results import score_rows
from atft_core.train.setup import Setup, open_trial


def predict(
    run: RunDirectory, trial: int, panel: Panel, *, since: date | None = None, blend: bool = False
) -> Any:
    """A table of date, code, horizon and prediction for every stock traded from `since` on.

    Without `since`: every day that has enough days before it. With `blend`, at the horizon of the
    objective, also the scores of the run's LightGBM and the equal mean of both, standardised by
    day; null at the others. Raises DataError when the panel does not have the columns of the run's,
    CheckpointError, or UsageError when the run has no LightGBM or no day can be scored.
    """
    trained = open_trial(run, trial)
    config = trained.config
    _refuse_other_columns(trained.panel, panel)
    days = _days(panel, config.model.lookback, since)
    market_TM = _market(trained, panel)
    learner = restored(run, trial, replace(trained, panel=panel))
    learner.eval_days = days_at_once(learner, days)
    feed = make_feed(panel, market_TM, config.model.lookback, trained.device, config.data)
    with closing(feed):
        pred_DNH = predict_days(learner, feed, days, tick=silent, phase="predict")
    table = score_rows(panel, days, pred_DNH)
    if not blend:
        return table
    trees_DN = _trees(run, trained, panel, market_TM, days)
    h = panel.horizons.index(config.objective.horizon)
    valid_DN = panel.valid_TN[days.start : days.stop]
    both_DN1 = ensemble([pred_DNH[..., h : h + 1], trees_DN[..., None]], valid_DN)
    for name, scores_DN in (("lightgbm", trees_DN), ("blend", both_DN1[..., 0])):
        table = table.append_column(name, _at_horizon(scores_DN, valid_DN, h, len(panel.horizons)))
    return table


def _market(trained: Setup, panel: Panel) -> NDArray[np.float32]:
    days = trained.split.train
    return scaled_market(panel.market_TM, trained.panel.market_TM[days.start : days.stop])


def _refuse_other_columns(trained: Panel, panel: Panel) -> None:
    """DataError unless the panel says the same kinds of things as the one that was trained on."""
    path = panel.facts["path"]
    for what, wanted, there in (
        ("features", trained.features, panel.features),
        ("market inputs", trained.market_names, panel.market_names),
    ):
        if wanted != there:
            lost = [name for name in wanted if name not in there]
            raise DataError(
                f"{path} has other {what} than the panel that the trial was trained on"
                + (f": no {', '.join(lost[:3])}." if lost else "."),
                hint="Give a panel with the same columns as the run's.",
            )
    lost_files = sorted(set(trained.facts.get("side", {})) - set(panel.facts.get("side", {})))
    if lost_files:
        raise DataError(
            f"{path} has no file of {' and '.join(lost_files)} beside it, as the run's panel had: "
            "its features and what stocks hear of each other would be others.",
            hint=f"Put {lost_files[0]}.parquet beside it.",
        )


def _days(panel: Panel, lookback: int, since: date | None) -> range:
    first = lookback - 1
    if since is not None:
        first = max(first, int(np.searchsorted(panel.dates_T, np.datetime64(since))))
    if first >= len(panel.dates_T):
        last = panel.dates_T[-1]
        raise UsageError(
            f"There is no day to score: the panel ends {last}, has {len(panel.dates_T)} days and "
            f"a score needs {lookback}.",
            hint="Give more days before the first one that is wanted, or an earlier --since.",
        )
    return range(first, len(panel.dates_T))


def _trees(
    run: RunDirectory, trained: Setup, panel: Panel, market_TM: NDArray[np.float32], days: range
) -> NDArray[np.float32]:
    path = run.trees(trained.config.split.fold)
    if not path.is_file() or not boosted_available():
        why = f"there is no {path}" if not path.is_file() else "LightGBM is not installed"
        raise UsageError(
            f"Nothing to blend with: {why}.",
            hint="pip install 'atft[baselines]' before a run is started, and leave "
            "objective.lightgbm at auto.",
        )
    return boosted_scores(Boosted(path.read_text(encoding="utf-8")), panel, market_TM, days)


def _at_horizon(scores_DN: NDArray[np.floating], valid_DN: Bools, h: int, horizons: int) -> Any:
    """A column of the table that exists at one horizon only; null at the others."""
    column_RH = np.full((int(valid_DN.sum()), horizons), np.nan, np.float32)
    column_RH[:, h] = scores_DN[valid_DN]
    return pa.array(column_RH.ravel(), from_pandas=True)
