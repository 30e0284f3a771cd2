"""Scores of a trained trial for a panel that it has not seen.

Shapes: D days, N stocks, H horizons, T days of the panel.

Nothing is fitted here: features are made comparable within their day, as in training, and the
market is measured in deviations of the days that the trial was trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from atft_core.baselines.boosted import boosted_available, boosted_scores
from atft_core.config.schema import Config
from atft_core.cross_section import Bools
from atft_core.data.choose import make_feed
from atft_core.data.features import HISTORY
from atft_core.data.market import MARKET_HISTORY, scaled_market
from atft_core.data.panel import Panel
from atft_core.errors import DataError, UsageError
from atft_core.run.directory import RunDirectory
from atft_core.train.baselines import read_trees
from atft_core.train.ensemble import ensemble
from atft_core.train.loop import days_at_once, predict_days, silent
from atft_core.train.restore import restored
from atft_core.train.results import score_rows
from atft_core.train.setup import Setup, open_trial


@dataclass(frozen=True)
class Predicted:
    """Scores, and what a reader of them has to know."""

    table: Any
    """Date, code, horizon, part and prediction of every stock traded; blended: more columns."""
    days: range
    """Days of the panel that were scored."""
    short: int
    """Days of them with less history than slow features look back to."""
    history: int
    """Days before a day that its score depends on."""


def predict(
    run: RunDirectory,
    trials: Sequence[int],
    panel: Panel,
    *,
    since: date | None = None,
    blend: bool = False,
) -> Predicted:
    """Score every stock traded from `since` on; of several trials the mean, standardised by day.

    Without `since`: every day with all the history that its score depends on; where there is none,
    every day that can be scored at all. With `blend`, at the horizon of the objective, also the
    scores of the run's LightGBM and the equal mean of both, standardised by day; null at the
    others. Raises DataError when the panel does not have the columns of the run's,
    CheckpointError, or UsageError when the run has no LightGBM or no day can be scored.
    """
    setups = {trial: open_trial(run, trial) for trial in trials}
    trained = setups[trials[0]]
    _refuse_other_columns(trained.panel, panel)
    lookback = max(setup.config.model.lookback for setup in setups.values())
    history = _history(trained.config, lookback)
    days = _days(panel, lookback, history, since)
    scores = [_scores(run, trial, setup, panel, days) for trial, setup in setups.items()]
    valid_DN = panel.valid_TN[days.start : days.stop]
    pred_DNH = scores[0] if len(scores) == 1 else ensemble(scores, valid_DN).astype(np.float32)
    table = score_rows(panel, days, pred_DNH)
    table = table.add_column(3, "part", _parts(trained, table["date"]))
    if blend:
        table = _with_blend(table, run, trained, panel, days, pred_DNH)
    return Predicted(table, days, min(len(days), max(0, history - days.start)), history)


def _scores(
    run: RunDirectory, trial: int, trained: Setup, panel: Panel, days: range
) -> NDArray[np.float32]:
    """The scores [D, N, H] of one trial."""
    config = trained.config
    learner = restored(run, trial, replace(trained, panel=panel))
    learner.eval_days = days_at_once(learner, days)
    market_TM = _market(trained, panel)
    feed = make_feed(panel, market_TM, config.model.lookback, trained.device, config.data)
    with closing(feed):
        return predict_days(learner, feed, days, tick=silent, phase="predict")


def _with_blend(  # noqa: PLR0917 -- what is blended, and where
    table: Any,
    run: RunDirectory,
    trained: Setup,
    panel: Panel,
    days: range,
    pred_DNH: NDArray[np.float32],
) -> Any:
    trees_DN = _trees(run, trained, panel, days)
    h = panel.horizons.index(trained.config.objective.horizon)
    valid_DN = panel.valid_TN[days.start : days.stop]
    both_DN1 = ensemble([pred_DNH[..., h : h + 1], trees_DN[..., None]], valid_DN)
    for name, scores_DN in (("lightgbm", trees_DN), ("blend", both_DN1[..., 0])):
        table = table.append_column(name, _at_horizon(scores_DN, valid_DN, h, len(panel.horizons)))
    return table


def _history(config: Config, lookback: int) -> int:
    """Days before a day on which its score depends: those of its features, and the lookback."""
    data, model = config.data, config.model
    features = 0 if data.features else HISTORY
    hears = model.graph and (model.layers or "neighbours" in model.messages)
    graph = data.neighbour_window if hears else 0
    market = MARKET_HISTORY if model.market and not data.market else 0
    return lookback - 1 + max(features, graph, market)


def _parts(trained: Setup, dates: Any) -> Any:
    """What each date was to the trials: train, val, holdout, new, or none of them."""
    known: dict[date, str] = {}
    for name in ("train", "val", "holdout"):
        days = getattr(trained.split, name)
        known |= dict.fromkeys(trained.panel.dates_T[days.start : days.stop].tolist(), name)
    last = trained.panel.dates_T[-1].tolist()
    distinct = pc.unique(dates).to_pylist()
    labels = [known.get(day, "new" if day > last else "none") for day in distinct]
    places = pc.index_in(dates, pa.array(distinct, dates.type))
    return pa.DictionaryArray.from_arrays(
        places.combine_chunks().cast("int32"), pa.array(labels, pa.string())
    )


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
    wanted_files, files = (set(each.facts.get("side", {})) for each in (trained, panel))
    if wanted_files != files:
        (name, *_) = sorted(wanted_files ^ files)
        had, has = ("had", "has none") if name in wanted_files else ("had not", "has one")
        raise DataError(
            f"{path} {has} of a file of {name} beside it, which the run's panel {had}: features "
            "and what stocks hear of each other would be others.",
            hint=f"{'Put' if name in wanted_files else 'Take'} {name}.parquet "
            f"{'beside it' if name in wanted_files else 'away'}.",
        )


def _days(panel: Panel, lookback: int, history: int, since: date | None) -> range:
    days, last = len(panel.dates_T), panel.dates_T[-1]
    if days < lookback:
        raise UsageError(
            f"{panel.facts['path']} has {days} days; a score needs {lookback}.",
            hint=f"Give {history + 1} days or more: slow features look back that far.",
        )
    if since is None:
        return range(history if history < days else lookback - 1, days)
    first = max(lookback - 1, int(np.searchsorted(panel.dates_T, np.datetime64(since))))
    if first >= days:
        raise UsageError(f"--since {since} is after the last day of the panel, {last}.")
    return range(first, days)


def _trees(run: RunDirectory, trained: Setup, panel: Panel, days: range) -> NDArray[np.float32]:
    path = run.trees(trained.config.split.fold)
    if not path.is_file() or not boosted_available():
        why = f"there is no {path}" if not path.is_file() else "LightGBM is not installed"
        raise UsageError(
            f"Nothing to blend with: {why}.",
            hint="pip install 'atft[baselines]' before a run is started, and leave "
            "objective.lightgbm at auto.",
        )
    try:
        fitted = read_trees(path)
    except (OSError, ValueError) as error:
        raise DataError(
            f"Nothing to blend with: {error}.", hint="Leave --blend out, or start a new run."
        ) from error
    return boosted_scores(fitted, panel, _market(trained, panel), days)


def _at_horizon(scores_DN: NDArray[np.floating], valid_DN: Bools, h: int, horizons: int) -> Any:
    """A column of the table that exists at one horizon only; null at the others."""
    column_RH = np.full((int(valid_DN.sum()), horizons), np.nan, np.float32)
    column_RH[:, h] = scores_DN[valid_DN]
    return pa.array(column_RH.ravel(), from_pandas=True)
