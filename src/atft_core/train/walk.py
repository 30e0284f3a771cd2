"""Walking forward: what the folds of a run say together, and each for itself.

Shapes: D days, N stocks, H horizons.

A trial of such a run is one fold with one seed. The seeds of a fold are averaged, the folds are
put one behind the other, and the whole is measured like a validation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from atft_core.config.load import read_resolved, with_values
from atft_core.data.cache import open_whole
from atft_core.data.panel import Panel
from atft_core.data.splits import Split, split_facts, split_of
from atft_core.errors import DataError
from atft_core.objective.metrics import DailyIC, joined, summarise
from atft_core.run.directory import RunDirectory
from atft_core.run.events import Json
from atft_core.run.files import write_json
from atft_core.run.state import FOLD
from atft_core.train.against import compare
from atft_core.train.baselines import DailyByName, read_baselines
from atft_core.train.ensemble import ensemble
from atft_core.train.report import log
from atft_core.train.results import Scores, prediction_table, read_scores, score
from atft_core.train.tables import write_table


@dataclass(frozen=True)
class Fold:
    """One part of the days, its trials and what they say together."""

    number: int
    split: Split
    trials: list[int]
    summaries: list[Json]
    """Of each trial alone, by horizon."""
    together: Scores
    baselines: DailyByName


def walk(run: RunDirectory, trials: Mapping[int, Json], horizon: int) -> Json:
    """Measure all folds that have a complete trial; `trials` holds the parameters of these.

    Writes walkforward.json and, with the averaged predictions of all folds, walkforward.arrow.
    DataError when no fold can be read.
    """
    config, panel = read_resolved(run.config), open_whole(Path(run.facts()["cache"]))
    by_fold: dict[int, list[int]] = {}
    for number, params in sorted(trials.items()):
        by_fold.setdefault(int(params[FOLD]), []).append(number)
    folds = []
    for number, numbers in sorted(by_fold.items()):
        split = split_of(with_values(config, {FOLD: number}), panel.dates_T)
        fold = _fold(run, panel, number, split, numbers)
        folds += [fold] if fold else []
    if not folds:
        raise DataError("the predictions of no fold can be read")
    h = panel.horizons.index(horizon)
    there = {fold.number for fold in folds}
    found: Json = {
        "horizon": horizon,
        "window": config.split.window,
        "folds": [_facts(panel, fold, h) for fold in folds],
        "missing": [k for k in range(config.split.folds) if k not in there],
        "baselines_left_out": _left_out(folds),
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
    if pooled["rank_ic"] is None or pooled["rank_ic_t"] is None:
        return f"h={horizon}: RankIC is undefined on {pooled['days']} days"
    up = sum((fold["rank_ic"] or 0.0) > 0 for fold in folds)
    said = (
        f"h={horizon}: RankIC {pooled['rank_ic']:+.4f} +-{pooled['rank_ic_se']:.4f}, "
        f"t {pooled['rank_ic_t']:.1f} on {pooled['days']} days; above 0 in {up} of "
        f"{len(folds)} folds"
    )
    if pooled.get("baseline_diff") is not None:
        gain, error = pooled["baseline_diff"], pooled["baseline_diff_se"] or 0.0
        said += f"; less {pooled['baseline']} {gain:+.4f} +-{error:.4f}"
    if found["baselines_left_out"]:
        said += f"; without {', '.join(found['baselines_left_out'])}, which some folds lack"
    if found["missing"]:
        said += f"; nothing of folds {', '.join(map(str, found['missing']))}"
    return said


def _fold(
    run: RunDirectory, panel: Panel, number: int, split: Split, trials: list[int]
) -> Fold | None:
    """The fold by those of its trials whose predictions can be read; None without one."""
    days, scores = split.val, {}
    for trial in trials:
        try:
            scores[trial] = read_scores(run.trial(trial).predictions, panel, days)
        except (OSError, pa.ArrowException, KeyError, ValueError) as error:
            log.warning("The predictions of trial %d are left out: %s", trial, error)
    if not scores:
        return None
    valid_DN = panel.valid_TN[days.start : days.stop]
    mean_DNH = ensemble(list(scores.values()), valid_DN).astype(np.float32)
    return Fold(
        number=number,
        split=split,
        trials=list(scores),
        summaries=[score(panel, "val", days, pred_DNH).summary for pred_DNH in scores.values()],
        together=score(panel, "val", days, mean_DNH),
        baselines=_baselines(run, number),
    )


def _baselines(run: RunDirectory, fold: int) -> DailyByName:
    try:
        return read_baselines(run.baselines(fold))
    except (OSError, pa.ArrowException, KeyError) as error:
        log.warning("The baselines of fold %d are left out: %s", fold, error)
        return {}


def _facts(panel: Panel, fold: Fold, h: int) -> Json:
    facts, key = split_facts(fold.split, panel.dates_T), str(panel.horizons[h])
    return {
        "fold": fold.number,
        "train": facts["train"],
        "val": facts["val"],
        "trials": fold.trials,
        "seed_rank_ic": [summary[key]["rank_ic"] for summary in fold.summaries],
        **fold.together.summary[key],
        **_against([fold], fold.baselines, panel, h),
    }


def _pooled(panel: Panel, folds: Sequence[Fold]) -> Json:
    """All folds as one validation, by horizon, against baselines that were refitted as often."""
    summary, baselines = summarise(_joined(folds), panel.horizons), _of_all(folds)
    return {
        str(horizon): summary[str(horizon)] | _against(folds, baselines, panel, h)
        for h, horizon in enumerate(panel.horizons)
    }


def _against(folds: Sequence[Fold], baselines: DailyByName, panel: Panel, h: int) -> Json:
    dates = [panel.dates_T[fold.split.val.start : fold.split.val.stop] for fold in folds]
    dates_D = np.concatenate(dates).astype("datetime64[D]")
    return compare(baselines, panel.horizons[h], dates_D, _joined(folds), h)


def _joined(folds: Sequence[Fold]) -> DailyIC:
    return joined([fold.together.daily for fold in folds])


def _of_all(folds: Sequence[Fold]) -> DailyByName:
    """Daily RankIC of the baselines that every fold has."""
    found: DailyByName = {}
    for horizon, names in folds[0].baselines.items():
        for name in names:
            parts = [fold.baselines.get(horizon, {}).get(name, {}) for fold in folds]
            if all(parts):
                days = {day: value for part in parts for day, value in part.items()}
                found.setdefault(horizon, {})[name] = days
    return found


def _left_out(folds: Sequence[Fold]) -> list[str]:
    """Names of baselines that some folds have and others have not."""
    names = [{name for by_name in fold.baselines.values() for name in by_name} for fold in folds]
    everywhere = set.intersection(*names)
    return sorted({name for there in names for name in there} - everywhere)
