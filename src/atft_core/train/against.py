"""Is the model better than the best baseline on the same days? Paired daily RankIC.

Shapes: D validation days.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from atft_core.baselines.boosted import boosted_available, boosted_scores, fit_boosted
from atft_core.baselines.simple import daily_baselines
from atft_core.config.schema import Config
from atft_core.data.feeds import market_inputs
from atft_core.data.panel import Panel
from atft_core.data.splits import Split
from atft_core.objective.metrics import DailyIC, daily_metrics
from atft_core.objective.significance import newey_west_mean, overlap, paired_difference
from atft_core.run.directory import RunDirectory
from atft_core.run.events import Json
from atft_core.run.files import write_atomically
from atft_core.train.ensemble import ensemble
from atft_core.train.report import log
from atft_core.train.results import (
    Scores,
    read_scores,
    read_table,
    score,
    scores_table,
    split_column,
    write_table,
)

BOOSTED = "lightgbm"
Baselines = dict[int, dict[str, dict[np.datetime64, float]]]
"""Daily RankIC by horizon, name and date."""


@dataclass(frozen=True)
class Rivals:
    """What the model is compared with on the validation days."""

    daily: Baselines
    boosted_DN: NDArray[np.float32] | None
    """Scores of LightGBM, to be blended with the model's; None when it is no baseline."""


def rivals_of(run: RunDirectory, config: Config, panel: Panel, split: Split) -> Rivals:
    """The baselines of a run's days; made where there are none yet, or the files are damaged.

    Preflight leaves those of the first fold.
    """
    fold = config.split.fold
    path = run.baselines_of(fold)
    try:
        return _read(run, fold, panel, split)
    except FileNotFoundError:
        log.info("Making the baselines of these days")
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        log.warning("%s cannot be read (%s): making it again", path.name, error)
    write_baselines(run, fold, panel, split, boosted_horizon(config, panel))
    return _read(run, fold, panel, split)


def _read(run: RunDirectory, fold: int, panel: Panel, split: Split) -> Rivals:
    daily, boosted = read_baselines(run.baselines_of(fold)), None
    if any(BOOSTED in names for names in daily.values()):
        valid_DN = panel.valid_TN[split.val.start : split.val.stop]
        boosted = read_scores(run.boosted_of(fold), valid_DN, 1)[..., 0]
    return Rivals(daily, boosted)


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
        for name, lagged in ((BOOSTED, False), (f"{BOOSTED} + lags", True)):
            fitted = fit_boosted(panel, split, boosted, lagged=lagged)
            market_TM = market_inputs(panel.market_TM, split.train)
            scores_DN = boosted_scores(fitted, panel, market_TM, split.val)
            scores_DNH = np.zeros((*scores_DN.shape, len(panel.horizons)), np.float32)
            scores_DNH[..., boosted] = scores_DN
            daily[name] = score(panel, "val", split.val, scores_DNH).daily
            if not lagged:
                write_table(run.boosted_of(fold), scores_table(panel, split.val, scores_DN))
                write_atomically(run.trees_of(fold), fitted.text.encode())
    write_table(run.baselines_of(fold), _table(panel, split.val, daily))
    return daily


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


def read_baselines(path: Path) -> Baselines:
    """The baselines of a run."""
    found: Baselines = {}
    for row in read_table(path).to_pylist():
        if row["split"] == "val":
            value = math.nan if row["rank_ic"] is None else row["rank_ic"]
            days = found.setdefault(row["horizon"], {}).setdefault(row["name"], {})
            days[np.datetime64(row["date"], "D")] = value
    return found


def compare(
    baselines: Baselines, horizon: int, dates_D: NDArray[np.datetime64], daily: DailyIC, h: int
) -> Json:
    """The best baseline of a horizon, and the model's RankIC less its, day by day.

    Nothing when there is none. The best is taken after the fact, which is hard on the model.
    """
    series = {
        name: np.array([days.get(day, math.nan) for day in dates_D])
        for name, days in baselines.get(horizon, {}).items()
    }
    means = {name: float(np.nanmean(x)) for name, x in series.items() if np.isfinite(x).any()}
    if not means:
        return {}
    best = max(means, key=lambda name: means[name])
    gain = paired_difference(daily.rank_ic_DH[:, h], series[best], overlap(horizon))
    numbers = {
        "baseline_diff": gain.mean,
        "baseline_diff_se": gain.se,
        "baseline_diff_t": gain.t,
    }
    return {"baseline": best} | {k: v if math.isfinite(v) else None for k, v in numbers.items()}


def blended(rivals: Rivals, panel: Panel, scores: Scores, h: int) -> Json:
    """RankIC of the equal blend of model and LightGBM at the place of the objective's horizon.

    Nothing without LightGBM.
    """
    if rivals.boosted_DN is None:
        return {}
    span = slice(scores.days.start, scores.days.stop)
    both = (scores.pred_DNH[..., h : h + 1], rivals.boosted_DN[..., None])
    blend_DN1 = ensemble(both, panel.valid_TN[span])
    daily = daily_metrics(blend_DN1, panel.y_TNH[span, :, h : h + 1], panel.valid_TN[span])
    found = newey_west_mean(daily.rank_ic_DH[:, 0], overlap(panel.horizons[h]))
    numbers = {"blend_rank_ic": found.mean, "blend_rank_ic_se": found.se}
    return {key: value if math.isfinite(value) else None for key, value in numbers.items()}
