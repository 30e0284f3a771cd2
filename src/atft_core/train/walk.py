"""Walking forward: what the folds of a run say together, and each for itself.

Shapes: D days, N stocks, H horizons.

A trial of such a run is one fold with one seed. The seeds of a fold are averaged, the folds are
put one behind the other, and the whole is measured like a validation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from atft_core.config.load import read_resolved, with_values
from atft_core.data.cache import open_whole
from atft_core.data.panel import Panel
from atft_core.data.splits import Split, split_facts
from atft_core.objective.metrics import DailyIC, joined, summarise
from atft_core.run.directory import RunDirectory
from atft_core.run.events import Json
from atft_core.run.files import write_json
from atft_core.train.against import Baselines, compare, read_baselines
from atft_core.train.ensemble import ensemble
from atft_core.train.results import Scores, prediction_table, read_scores, score, write_table
from atft_core.train.setup import make_setup


@dataclass(frozen=True)
class Fold:
    """One part of the days, its trials and what they say together."""

    number: int
    split: Split
    trials: list[int]
    seeds: list[Scores]
    together: Scores
    baselines: Baselines


def walk(run: RunDirectory, trials: Mapping[int, Json], horizon: int) -> Json:
    """Measure all folds that have a complete trial; `trials` holds the parameters of these.

    Writes walkforward.json and, with the averaged predictions of all folds, walkforward.arrow.
    """
    config, panel = read_resolved(run.config), open_whole(Path(run.facts()["cache"]))
    by_fold: dict[int, list[int]] = {}
    for number, params in sorted(trials.items()):
        by_fold.setdefault(int(params["split.fold"]), []).append(number)
    folds = []
    for fold, numbers in sorted(by_fold.items()):
        setup = make_setup(with_values(config, trials[numbers[0]]), panel)
        folds.append(_fold(run, panel, fold, setup.split, numbers))
    h = panel.horizons.index(horizon)
    found: Json = {
        "horizon": horizon,
        "window": config.split.window,
        "folds": [_told(panel, fold, h) for fold in folds],
        "missing": [k for k in range(config.split.folds) if k not in by_fold],
        "pooled": _pooled(panel, folds),
    }
    predictions = [prediction_table(panel, fold.together) for fold in folds]
    write_table(run.walk_predictions, pa.concat_tables(predictions))
    write_json(run.walk, found)
    return found


def told(found: Json) -> str:
    """The same in a sentence."""
    horizon, folds = found["horizon"], found["folds"]
    pooled = found["pooled"][str(horizon)]
    up = sum((fold["rank_ic"] or 0.0) > 0 for fold in folds)
    said = (
        f"h={horizon}: RankIC {_shown(pooled['rank_ic'])} +-{_shown(pooled['rank_ic_se'])}, "
        f"t {_shown(pooled['rank_ic_t'], 1)} on {pooled['days']} days; above 0 in {up} of "
        f"{len(folds)} folds"
    )
    if pooled.get("baseline") and pooled.get("baseline_diff") is not None:
        gain, error = _shown(pooled["baseline_diff"]), _shown(pooled["baseline_diff_se"])
        said += f"; less {pooled['baseline']} {gain} +-{error}"
    if found["missing"]:
        said += f"; without folds {', '.join(map(str, found['missing']))}, which have no trial"
    return said


def _fold(run: RunDirectory, panel: Panel, number: int, split: Split, trials: list[int]) -> Fold:
    days, horizons = split.val, len(panel.horizons)
    valid_DN = panel.valid_TN[days.start : days.stop]
    scores = [read_scores(run.trial(trial).predictions, valid_DN, horizons) for trial in trials]
    seeds = [score(panel, "val", days, pred_DNH) for pred_DNH in scores]
    mean_DNH = ensemble(scores, valid_DN).astype(np.float32)
    together = score(panel, "val", days, mean_DNH)
    baselines = read_baselines(run.baselines_of(number))
    return Fold(number, split, trials, seeds, together, baselines)


def _told(panel: Panel, fold: Fold, h: int) -> Json:
    horizon, part = panel.horizons[h], fold.together
    facts = split_facts(fold.split, panel.dates_T)
    numbers = part.summary[str(horizon)] | _against([fold], fold.baselines, panel, horizon, h)
    return {
        "fold": fold.number,
        "train": facts["train"],
        "val": facts["val"],
        "trials": fold.trials,
        "seed_rank_ic": [each.summary[str(horizon)]["rank_ic"] for each in fold.seeds],
        **numbers,
    }


def _pooled(panel: Panel, folds: Sequence[Fold]) -> Json:
    """All folds as one validation, by horizon, against baselines that were refitted as often."""
    summary = summarise(_joined(folds), panel.horizons)
    baselines = _baselines_of_all(folds)
    return {
        str(horizon): summary[str(horizon)] | _against(folds, baselines, panel, horizon, h)
        for h, horizon in enumerate(panel.horizons)
    }


def _against(
    folds: Sequence[Fold], baselines: Baselines, panel: Panel, horizon: int, h: int
) -> Json:
    dates_D = np.concatenate([panel.dates_T[f.split.val.start : f.split.val.stop] for f in folds])
    return compare(baselines, horizon, dates_D.astype("datetime64[D]"), _joined(folds), h)


def _joined(folds: Sequence[Fold]) -> DailyIC:
    return joined([fold.together.daily for fold in folds])


def _baselines_of_all(folds: Sequence[Fold]) -> Baselines:
    """Daily RankIC of the baselines that every fold has."""
    found: Baselines = {}
    for horizon, names in folds[0].baselines.items():
        for name in names:
            parts = [fold.baselines.get(horizon, {}).get(name) for fold in folds]
            if all(parts):
                days = {day: value for part in parts if part for day, value in part.items()}
                found.setdefault(horizon, {})[name] = days
    return found


def _shown(value: float | None, places: int = 4) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:+.{places}f}"
