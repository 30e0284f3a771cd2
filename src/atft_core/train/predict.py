"""Scores of a trained trial for a panel that it has not seen.

Shapes: D days, N stocks, H horizons, T days of the panel.

Nothing is fitted here: features are made comparable within their day, as in training, and the
market is measured in deviations of the days that the trial was trained on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from atft_core.baselines.boosted import Boosted, boosted_available, boosted_scores
from atft_core.data.blocks import Block
from atft_core.data.feeds import Feed, as_tensor, scaled_market
from atft_core.data.panel import Panel
from atft_core.errors import DataError, UsageError
from atft_core.run.directory import RunDirectory
from atft_core.train.ensemble import ensemble
from atft_core.train.loop import days_at_once, predict_days, silent
from atft_core.train.restore import restored
from atft_core.train.setup import Setup, feed_of, open_trial


def predict(
    run: RunDirectory,
    trial: int,
    panel: Panel,
    *,
    since: date | None = None,
    blend: bool = False,
) -> Any:
    """A table of date, code, horizon and prediction for every stock traded from `since` on.

    Without `since`: every day that has enough days before it. With `blend`, at the horizon of the
    objective, also the scores of the run's LightGBM and the equal mean of both, standardised by
    day; null at the others. Raises DataError when the panel does not have the columns of the run's,
    CheckpointError, or UsageError when the run has no LightGBM or no day can be scored.
    """
    trained = open_trial(run, trial)
    _refuse_other_columns(trained.panel, panel)
    days = _days(panel, trained.config.model.lookback, since)
    market_TM = _market(trained, panel)
    learner = restored(run, trial, panel)[1]
    learner.eval_days = days_at_once(learner, days)
    with closing(feed_of(replace(trained, panel=panel))) as feed:
        pred_DNH = predict_days(
            learner, _Scaled(feed, market_TM), days, tick=silent, phase="predict"
        )
    table = _table(panel, days, pred_DNH)
    if not blend:
        return table
    trees_DN = _trees(run, trained, panel, market_TM, days)
    h = panel.horizons.index(trained.config.objective.horizon)
    valid_DN = panel.valid_TN[days.start : days.stop]
    both_DN1 = ensemble([pred_DNH[..., h : h + 1], trees_DN[..., None]], valid_DN)
    for name, scores_DN in (("lightgbm", trees_DN), ("blend", both_DN1[..., 0])):
        table = table.append_column(name, _at_horizon(scores_DN, valid_DN, h, len(panel.horizons)))
    return table


@dataclass(frozen=True)
class _Scaled:
    """The blocks of a feed, their market in deviations of other days than the feed's own."""

    feed: Feed
    market_TM: NDArray[np.float32]

    def blocks(self, spans: Sequence[range]) -> Iterator[Block]:
        """As the feed's."""
        for block in self.feed.blocks(spans):
            seen = slice(block.days.stop - len(block.x_TNF), block.days.stop)
            market_TM = as_tensor(self.market_TM[seen]).to(block.market_TM.device)
            yield replace(block, market_TM=market_TM)


def _market(trained: Setup, panel: Panel) -> NDArray[np.float32]:
    days = trained.split.train
    return scaled_market(panel.market_TM, trained.panel.market_TM[days.start : days.stop])


def _refuse_other_columns(trained: Panel, panel: Panel) -> None:
    """DataError unless the panel says the same kinds of things as the one that was trained on."""
    for what, wanted, there in (
        ("feature", trained.features, panel.features),
        ("market input", trained.market_names, panel.market_names),
    ):
        missing, more = sorted(set(wanted) - set(there)), sorted(set(there) - set(wanted))
        if missing or more or wanted != there:
            said = f"lacks {missing[:3]}" if missing else f"has {more[:3]} that it was not"
            raise DataError(
                f"{panel.facts['path']} {said}: the trial was trained on {len(wanted)} {what}s.",
                hint="Give a panel with the same columns as the run's.",
            )
    lost = sorted(set(trained.facts.get("side", {})) - set(panel.facts.get("side", {})))
    if lost:
        raise DataError(
            f"{panel.facts['path']} has no file of {' and '.join(lost)} beside it, as the run's "
            "panel had: its features and what stocks hear of each other would be others.",
            hint=f"Put {lost[0]}.parquet beside it.",
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
    path = run.trees_of(trained.config.split.fold)
    if not path.is_file() or not boosted_available():
        why = f"there is no {path}" if not path.is_file() else "LightGBM is not installed"
        raise UsageError(
            f"Nothing to blend with: {why}.",
            hint="pip install 'atft[baselines]' before a run is started, and leave "
            "objective.lightgbm at auto.",
        )
    return boosted_scores(Boosted(path.read_text(encoding="utf-8")), panel, market_TM, days)


def _table(panel: Panel, days: range, pred_DNH: NDArray[np.float32]) -> Any:
    day, stock = np.nonzero(panel.valid_TN[days.start : days.stop])
    horizons = len(panel.horizons)
    dates_D = panel.dates_T[days.start : days.stop].astype("datetime64[D]")
    return pa.table(
        {
            "date": pa.array(np.repeat(dates_D[day], horizons)),
            "code": pa.array(np.repeat(np.array(panel.codes)[stock], horizons), pa.string()),
            "horizon": np.tile(np.array(panel.horizons, np.int32), len(day)),
            "prediction": pred_DNH[day, stock].ravel(),
        }
    )


def _at_horizon(
    scores_DN: NDArray[np.floating], valid_DN: NDArray[np.bool_], h: int, horizons: int
) -> Any:
    """A column of the table that exists at one horizon only; null at the others."""
    column_RH = np.full((int(valid_DN.sum()), horizons), np.nan, np.float32)
    column_RH[:, h] = scores_DN[valid_DN]
    return pa.array(column_RH.ravel(), from_pandas=True)
