"""Is the model better than the best baseline on the same days? Paired daily RankIC.

Shapes: D validation days.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atft_core.objective.metrics import DailyIC
from atft_core.objective.significance import paired_difference
from atft_core.run.events import Json
from atft_core.train.results import read_table

Baselines = dict[int, dict[str, dict[np.datetime64, float]]]
"""Daily RankIC by horizon, name and date."""


def read_baselines(path: Path) -> Baselines:
    """The baselines of a run; none when preflight did not write any."""
    if not path.exists():
        return {}
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
    gain = paired_difference(daily.rank_ic_DH[:, h], series[best], max(5, horizon - 1))
    numbers = {
        "baseline_diff": gain.mean,
        "baseline_diff_se": gain.se,
        "baseline_diff_t": gain.t,
    }
    return {"baseline": best} | {k: v if math.isfinite(v) else None for k, v in numbers.items()}
