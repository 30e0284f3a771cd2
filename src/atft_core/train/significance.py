"""How much of a sweep's best trial is luck, from the daily RankIC that every trial left behind.

Shapes: D validation days, K trials.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from atft_core.cross_section import Floats
from atft_core.objective.multiple import (
    apart,
    deflated_ratio,
    mean_over_deviation,
    overfitting_probability,
    superior_ability,
)
from atft_core.objective.significance import newey_west_mean, overlap
from atft_core.run.directory import RunDirectory
from atft_core.run.events import Json
from atft_core.run.wording import finite, several
from atft_core.train.baselines import Daily, best_baseline, on_days, read_baselines
from atft_core.train.tables import read_table

ENOUGH = 0.9
"""Share of the best trial's days that a trial must have to be compared with it day by day."""


@dataclass(frozen=True)
class Trials:
    """Daily RankIC of the trials whose file can be read."""

    numbers: list[int]
    dates_D: list[np.datetime64]
    rank_ic_DK: Floats


def significance(
    run: RunDirectory,
    tried: Sequence[int],
    complete: Sequence[int],
    best: int,
    horizon: int,
    *,
    fold: int = 0,
) -> Json:
    """What the best of these trials is worth once it is known how many were tried.

    `tried`: every trial that was measured, whose ratios say how far worthless ones scatter;
    `complete`: those of them that were trained to their end, which alone are compared day by day.
    Where labels overlap all but the t see every `horizon`-th day, so that none counts twice.
    A figure that does not exist (one trial has no overfitting, a short validation no blocks) is
    None. Empty when the best trial's file cannot be read.
    """
    trials = _read(run, tried, horizon)
    if best not in trials.numbers:
        return {}
    own_D = trials.rank_ic_DK[:, trials.numbers.index(best)]
    mean = newey_west_mean(own_D, overlap(horizon))
    ratios_K = np.array([mean_over_deviation(x_D[::horizon]) for x_D in trials.rank_ic_DK.T])
    deflated = deflated_ratio(own_D[::horizon], ratios_K)
    compared = _comparable(trials, complete, own_D)
    return {
        "trials": len(trials.numbers),
        "compared": len(compared.numbers),
        "days": mean.n,
        "rank_ic": finite(mean.mean),
        "rank_ic_se": finite(mean.se),
        "rank_ic_t": finite(mean.t),
        "rank_icir": finite(deflated.ratio),
        "rank_icir_by_luck": finite(deflated.luck),
        "above_luck": finite(deflated.probability),
        "overfitting": finite(overfitting_probability(compared.rank_ic_DK[::horizon])),
        "apart_t": [finite(part.t) for part in apart(own_D, horizon)],
        **_superior(run.baselines(fold), compared, horizon),
    }


def told(found: Json, trial: int, horizon: int) -> str:
    """The same in a sentence."""
    t = "-" if found["rank_ic_t"] is None else f"{found['rank_ic_t']:.1f}"
    said = [f"trial {trial}, h={horizon}: t {t} on {several(found['days'], 'day')}"]
    if found["above_luck"] is not None and found["trials"] > 1:
        said.append(
            f"RankICIR {found['rank_icir']:.2f} per day, the best of {found['trials']} worthless "
            f"trials shows {found['rank_icir_by_luck']:.2f}: above it with probability "
            f"{_probability(found['above_luck'])}"
        )
    if found["overfitting"] is not None:
        luck = _probability(found["overfitting"])
        said.append(f"the choice of trial is luck with probability {luck} (PBO)")
    if found["superior_p"] is not None:
        better, p = found["better"], _probability(found["superior_p"])
        who = f"trials {', '.join(map(str, better))} are" if better else "no trial is"
        said.append(f"{who} surely better than {found['baseline']} (p {p})")
    return "; ".join(said)


def _read(run: RunDirectory, numbers: Sequence[int], horizon: int) -> Trials:
    series: dict[int, Daily] = {}
    for number in numbers:
        try:
            series[number] = read_daily(run.trial(number).daily_ic, horizon)
        except (OSError, pa.ArrowException, KeyError):
            continue  # the trial is missing from all that is counted
    dates_D = sorted(set().union(*series.values()))
    rank_ic_DK = np.array([on_days(each, dates_D) for each in series.values()]).T
    return Trials(list(series), dates_D, rank_ic_DK)


def read_daily(path: Path, horizon: int, column: str = "rank_ic") -> Daily:
    """A column of daily_ic.arrow by validation day."""
    table = read_table(path)
    own = pc.and_(
        pc.equal(table["split"].cast("string"), "val"), pc.equal(table["horizon"], horizon)
    )
    table = table.filter(own)
    dates = table["date"].to_numpy().astype("datetime64[D]")
    return dict(zip(dates, table[column].to_numpy(), strict=True))


def _comparable(trials: Trials, complete: Sequence[int], own_D: Floats) -> Trials:
    """Complete trials with nearly all days of the best: one without them would take them away."""
    days = np.isfinite(trials.rank_ic_DK[np.isfinite(own_D)]).sum(axis=0)
    enough = ENOUGH * np.isfinite(own_D).sum()
    places = [
        k for k, number in enumerate(trials.numbers) if number in complete and days[k] >= enough
    ]
    numbers = [trials.numbers[k] for k in places]
    return Trials(numbers, trials.dates_D, trials.rank_ic_DK[:, places])


def _superior(baselines: Path, trials: Trials, horizon: int) -> Json:
    """Hansen's test of the trials against the best baseline, and who passes it."""
    try:
        best = best_baseline(read_baselines(baselines), horizon, trials.dates_D)
    except (OSError, pa.ArrowException, KeyError):
        best = None
    if best is None:
        return {"baseline": None, "superior_p": None, "better": []}
    name, rank_ic_D = best
    gain_DK = (trials.rank_ic_DK - rank_ic_D[:, None])[::horizon]
    test = superior_ability(gain_DK, block_days=overlap(1) if horizon == 1 else 2)
    better = [trials.numbers[k] for k in test.better]
    return {"baseline": name, "superior_p": finite(test.p), "better": better}


def _probability(p: float) -> str:
    return "< .001" if p < 0.001 else "> .999" if p > 0.999 else f"{p:.3f}".removeprefix("0")
