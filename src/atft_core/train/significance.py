"""How much of a sweep's best trial is luck, from the daily RankIC that every trial left behind.

Shapes: D validation days, K trials.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from atft_core.cross_section import Floats
from atft_core.objective.multiple import (
    apart,
    deflated_ratio,
    overfitting_probability,
    superior_ability,
)
from atft_core.objective.significance import newey_west_mean, overlap
from atft_core.run.directory import RunDirectory
from atft_core.run.events import Json
from atft_core.run.wording import several
from atft_core.train.against import read_baselines
from atft_core.train.results import read_table

Daily = dict[np.datetime64, float]
"""RankIC by date."""


def significance(run: RunDirectory, numbers: Sequence[int], best: int, horizon: int) -> Json:
    """What the best of these trials is worth once it is known how many were tried.

    `numbers` holds every trial that was measured, `best` among them. Days count once: where labels
    overlap, the deflated ratio sees every `horizon`-th day. A figure that does not exist (one
    trial has no overfitting, a short validation no blocks) is None. Empty when the best trial's
    file cannot be read.
    """
    trials = _trials(run, numbers, horizon)
    if best not in trials.numbers:
        return {}
    own_D = trials.rank_ic_DK[:, trials.numbers.index(best)]
    mean = newey_west_mean(own_D, overlap(horizon))
    ratios_K = np.array([_ratio(x_D[::horizon]) for x_D in trials.rank_ic_DK.T])
    deflated = deflated_ratio(own_D[::horizon], ratios_K)
    found = {
        "trials": len(trials.numbers),
        "days": mean.n,
        "rank_ic": mean.mean,
        "rank_ic_se": mean.se,
        "rank_ic_t": mean.t,
        "icir": deflated.ratio,
        "icir_by_luck": deflated.luck,
        "above_luck": deflated.probability,
        "overfitting": overfitting_probability(trials.rank_ic_DK),
        "apart_t": [part.t for part in apart(own_D, horizon)],
        **_superior(run, trials, horizon),
    }
    return {key: _finite(value) for key, value in found.items()}


def told(found: Json, trial: int, horizon: int) -> str:
    """The same in a sentence."""
    shown = {key: _shown(value) for key, value in found.items()}
    said = [
        f"trial {trial}, h={horizon}: t {shown['rank_ic_t']} on {several(found['days'], 'day')}"
    ]
    if found["above_luck"] is not None:
        worthless = several(found["trials"], "worthless trial")
        said.append(
            f"ICIR {shown['icir']} per day, the best of {worthless} shows {shown['icir_by_luck']}: "
            f"above it with probability {shown['above_luck']}"
        )
    if found["overfitting"] is not None:
        said.append(f"the choice of trial is luck with probability {shown['overfitting']} (PBO)")
    if found["superior_p"] is not None:
        better = ", ".join(map(str, found["better"])) or "none"
        baseline, p = found["baseline"], shown["superior_p"]
        said.append(f"some trial beats {baseline}: p {p}, surely: {better}")
    return "; ".join(said)


@dataclass(frozen=True)
class Trials:
    """Daily RankIC of the trials whose file can be read."""

    numbers: list[int]
    dates_D: list[np.datetime64]
    rank_ic_DK: Floats


def _trials(run: RunDirectory, numbers: Sequence[int], horizon: int) -> Trials:
    series: dict[int, Daily] = {}
    for number in numbers:
        try:
            series[number] = _daily(run.trial(number).daily_ic, horizon)
        except (OSError, pa.ArrowException, KeyError):
            continue  # the trial is missing from all that is counted
    dates_D = sorted(set().union(*series.values()))
    rank_ic_DK = np.array([_on(dates_D, each) for each in series.values()]).T
    return Trials(list(series), dates_D, rank_ic_DK)


def _on(dates_D: list[np.datetime64], daily: Daily) -> Floats:
    return np.array([daily.get(date, math.nan) for date in dates_D], np.float64)


def _daily(path: Any, horizon: int) -> Daily:
    rows = read_table(path).select(["split", "date", "horizon", "rank_ic"]).to_pylist()
    return {
        np.datetime64(row["date"], "D"): math.nan if row["rank_ic"] is None else row["rank_ic"]
        for row in rows
        if row["split"] == "val" and row["horizon"] == horizon
    }


def _superior(run: RunDirectory, trials: Trials, horizon: int) -> Json:
    """Hansen's test of all trials against the best baseline, and who passes it."""
    try:
        baselines = read_baselines(run.baselines).get(horizon, {})
    except (OSError, pa.ArrowException, KeyError):
        baselines = {}
    series = {name: _on(trials.dates_D, days) for name, days in baselines.items()}
    means = {name: np.nanmean(x_D) for name, x_D in series.items() if np.isfinite(x_D).any()}
    if not means:
        return {"baseline": None, "superior_p": None, "better": []}
    best = max(means, key=lambda name: means[name])
    gain_DK = trials.rank_ic_DK - series[best][:, None]
    test = superior_ability(gain_DK, block_days=overlap(horizon))
    better = [trials.numbers[k] for k in test.better]
    return {"baseline": best, "superior_p": test.p, "better": better}


def _ratio(x_D: Floats) -> float:
    x_D = x_D[np.isfinite(x_D)]
    deviation = float(x_D.std(ddof=1)) if x_D.size > 1 else 0.0
    return float(x_D.mean()) / deviation if deviation > 0 else math.nan


def _finite(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _shown(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else "-" if value is None else str(value)
