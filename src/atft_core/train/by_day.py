"""The days behind a criterion: its value on each validation day of a trial's newest epoch."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pyarrow as pa

from atft_core.run.directory import RunDirectory
from atft_core.run.state import FOLD, Trial
from atft_core.run.wording import finite
from atft_core.train.baselines import best_baseline, read_baselines
from atft_core.train.significance import read_daily

COLUMNS = {
    "val_rank_ic": "rank_ic", "rank_ic_lower": "rank_ic", "above_noise_floor": "rank_ic",
    "beats_baseline": "rank_ic", "val_ic": "ic",
}  # fmt: skip
"""Criteria that are means over days, and the column of daily_ic.arrow that has theirs."""


def by_day(
    run: RunDirectory, criterion: str, trial: Trial, horizon: int
) -> list[tuple[str, float | None]]:
    """Day and value, None where it is undefined; empty when the trial has left no such file."""
    with suppress(OSError, pa.ArrowException, KeyError):
        daily = read_daily(run.trial(trial.number).daily_ic, horizon, COLUMNS[criterion])
        dates = sorted(daily)
        values = np.array([daily[date] for date in dates], np.float64)
        if criterion == "beats_baseline":
            fold = int(trial.params.get(FOLD, 0))
            best = best_baseline(read_baselines(run.baselines(fold)), horizon, dates)
            values -= best[1] if best else np.nan
        return [(str(date), finite(float(v))) for date, v in zip(dates, values, strict=True)]
    return []
