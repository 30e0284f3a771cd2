"""The baselines of a run: made once on the rows that the model is judged on, kept, read again.

Shapes: D validation days, N stocks, H horizons.

baselines.arrow is written last: where it is, what it speaks of is there, too.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from atft_core.baselines.boosted import Boosted, boosted_available, boosted_scores, fit_boosted
from atft_core.baselines.simple import daily_baselines
from atft_core.config.schema import Config
from atft_core.cross_section import Floats
from atft_core.data.market import market_inputs
from atft_core.data.panel import Panel
from atft_core.data.splits import Split
from atft_core.objective.metrics import DailyIC
from atft_core.run.directory import RunDirectory
from atft_core.run.files import read_regular, write_atomically
from atft_core.train.report import log
from atft_core.train.results import (
    read_scores,
    score,
    score_rows,
    split_column,
)
from atft_core.train.tables import read_table, write_table

BOOSTED = "lightgbm"
Daily = dict[np.datetime64, float]
"""RankIC by date."""
DailyByName = dict[int, dict[str, Daily]]
"""The same by horizon and name."""


@dataclass(frozen=True)
class Baselines:
    """What the model is compared with on the validation days."""

    daily: DailyByName
    boosted_DN: NDArray[np.float32] | None
    """Scores of LightGBM, to be blended with the model's; None when it is no baseline."""


def baselines_of(run: RunDirectory, config: Config, panel: Panel, split: Split) -> Baselines:
    """The baselines of these days; made where there are none yet, or the files are damaged.

    Preflight leaves those of a run, and of the first fold of a walk-forward.
    """
    fold = config.split.fold
    try:
        return _read(run, config, panel, split)
    except FileNotFoundError:
        log.info("Making the baselines of these days")
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        log.warning("%s cannot be read (%s): making it again", run.baselines(fold).name, error)
    write_baselines(run, fold, panel, split, boosted_horizon(config, panel))
    return _read(run, config, panel, split)


def _read(run: RunDirectory, config: Config, panel: Panel, split: Split) -> Baselines:
    fold, horizon = config.split.fold, config.objective.horizon
    daily, boosted_DN = read_baselines(run.baselines(fold)), None
    if BOOSTED in daily.get(horizon, {}):
        scores_DNH = read_scores(run.tree_scores(fold), panel, split.val)
        boosted_DN = scores_DNH[..., panel.horizons.index(horizon)]
    return Baselines(daily, boosted_DN)


def boosted_horizon(config: Config, panel: Panel) -> int | None:
    """The place of the horizon for which LightGBM is a baseline; None when it is none."""
    if config.objective.lightgbm == "off" or not boosted_available():
        return None
    return panel.horizons.index(config.objective.horizon)


def write_baselines(
    run: RunDirectory, fold: int, panel: Panel, split: Split, boosted: int | None = None
) -> dict[str, DailyIC]:
    """Measure the baselines on the validation days of a fold and keep them; by name.

    `boosted`: the place of a horizon for which LightGBM, which takes its time, is one of them,
    with the lags of some features and without. It is undefined (NaN) at the other horizons.
    """
    daily = daily_baselines(panel, split)
    if boosted is not None:
        daily |= _daily_boosted(run, fold, panel, split, boosted)
    write_table(run.baselines(fold), _table(panel, split.val, daily))
    return daily


def _daily_boosted(
    run: RunDirectory, fold: int, panel: Panel, split: Split, horizon: int
) -> dict[str, DailyIC]:
    found = {}
    market_TM = market_inputs(panel.market_TM, split.train)
    for name, lagged in ((BOOSTED, False), (f"{BOOSTED} + lags", True)):
        fitted = fit_boosted(panel, split, horizon, lagged=lagged)
        scores_DN = boosted_scores(fitted, panel, market_TM, split.val)
        scores_DNH = np.zeros((*scores_DN.shape, len(panel.horizons)), np.float32)
        scores_DNH[..., horizon] = scores_DN
        found[name] = score(panel, "val", split.val, scores_DNH).daily
        if not lagged:
            write_table(run.tree_scores(fold), score_rows(panel, split.val, scores_DNH))
            write_trees(run.trees(fold), fitted)
    return found


def write_trees(path: Path, fitted: Boosted) -> None:
    """Trees behind a line with their checksum: LightGBM aborts the process on damaged ones."""
    text = fitted.text.encode()
    write_atomically(path, hashlib.sha256(text).hexdigest().encode() + b"\n" + text)


def read_trees(path: Path) -> Boosted:
    """What `write_trees` wrote; ValueError when it is damaged."""
    checksum, _, text = read_regular(path).partition(b"\n")
    if hashlib.sha256(text).hexdigest().encode() != checksum:
        raise ValueError(f"{path} is damaged")
    return Boosted(text.decode())


def _table(panel: Panel, days: range, daily: Mapping[str, DailyIC]) -> Any:
    """Daily RankIC by baseline and horizon; null where undefined."""
    horizons = len(panel.horizons)
    dates_D = panel.dates_T[days.start : days.stop].astype("datetime64[D]")
    names = [name for name in daily for _ in range(len(days) * horizons)]
    rank_ic = [found.rank_ic_DH.ravel() for found in daily.values()]
    return pa.table(
        {
            "split": split_column("val", len(names)),
            "date": pa.array(np.tile(np.repeat(dates_D, horizons), len(daily))),
            "horizon": np.tile(np.array(panel.horizons, np.int32), len(days) * len(daily)),
            "name": pa.array(names, pa.string()),
            "rank_ic": pa.array(np.concatenate(rank_ic), from_pandas=True),
        }
    )


def read_baselines(path: Path) -> DailyByName:
    """The daily RankIC of a run's baselines."""
    found: DailyByName = {}
    for row in read_table(path).to_pylist():
        if row["split"] == "val":
            value = math.nan if row["rank_ic"] is None else row["rank_ic"]
            days = found.setdefault(row["horizon"], {}).setdefault(row["name"], {})
            days[np.datetime64(row["date"], "D")] = value
    return found


def best_baseline(
    daily: DailyByName, horizon: int, dates_D: Sequence[np.datetime64] | NDArray[np.datetime64]
) -> tuple[str, Floats] | None:
    """Name and daily RankIC [D] of the baseline with the highest mean on these days.

    Taken after the fact, which is hard on the model. None when there is none.
    """
    series = {name: on_days(days, dates_D) for name, days in daily.get(horizon, {}).items()}
    means = {name: np.nanmean(x_D) for name, x_D in series.items() if np.isfinite(x_D).any()}
    if not means:
        return None
    best = max(means, key=lambda name: means[name])
    return best, series[best]


def on_days(daily: Daily, dates_D: Sequence[np.datetime64] | NDArray[np.datetime64]) -> Floats:
    """The values of these days, NaN where there is none."""
    return np.array([daily.get(date, math.nan) for date in dates_D], np.float64)
