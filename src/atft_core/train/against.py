"""Is the model better than the best baseline on the same days? Paired daily RankIC.

Shapes: D validation days.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from atft_core.baselines.boosted import boosted_available, daily_boosted
from atft_core.baselines.simple import daily_baselines
from atft_core.config.schema import Config
from atft_core.data.panel import Panel
from atft_core.data.splits import Split
from atft_core.objective.metrics import DailyIC
from atft_core.objective.significance import overlap, paired_difference
from atft_core.run.events import Json
from atft_core.train.report import log
from atft_core.train.results import read_table, split_column, write_table

Baselines = dict[int, dict[str, dict[np.datetime64, float]]]
"""Daily RankIC by horizon, name and date."""


def baselines_of(path: Path, config: Config, panel: Panel, split: Split) -> Baselines:
    """The baselines that preflight left in `path`; made again when the file is damaged or gone."""
    try:
        return read_baselines(path)
    except (OSError, pa.ArrowException, KeyError) as error:
        log.warning("%s cannot be read (%s): making it again", path.name, error)
    write_baselines(path, panel, split, boosted_horizon(config, panel))
    return read_baselines(path)


def boosted_horizon(config: Config, panel: Panel) -> int | None:
    """The place of the horizon for which LightGBM is a baseline; None when it is none."""
    if config.objective.lightgbm == "off" or not boosted_available():
        return None
    return panel.horizons.index(config.objective.horizon)


def write_baselines(
    path: Path, panel: Panel, split: Split, boosted: int | None = None
) -> dict[str, DailyIC]:
    """Measure the baselines on the validation days and keep them; by name.

    `boosted`: the place of a horizon for which LightGBM, which takes its time, is one of them.
    """
    daily = daily_baselines(panel, split)
    if boosted is not None:
        daily |= daily_boosted(panel, split, boosted)
    write_table(path, _table(panel, split.val, daily))
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
