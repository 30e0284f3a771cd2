"""The one look at the holdout: the weights of the last checkpoint, days that nothing has seen."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from atft_core.data.panel import Panel
from atft_core.objective.metrics import Summary
from atft_core.run.directory import RunDirectory
from atft_core.run.files import read_json, write_json
from atft_core.train import results
from atft_core.train.loop import days_at_once, predict_days, silent
from atft_core.train.restore import measured_weights, restored
from atft_core.train.results import Scores
from atft_core.train.setup import feed_of, open_trial
from atft_core.train.tables import read_table, write_table


def score_holdout(run: RunDirectory, trial: int) -> dict[str, Summary]:
    """Score a trial on the holdout; the metrics by horizon, also put into the trial's files.

    Rows with split = "holdout" are added to predictions.arrow and daily_ic.arrow, or replaced
    there. CheckpointError when the trial has no usable checkpoint.
    """
    files = run.trial(trial)
    scores, panel = _score(run, trial)
    _add(files.daily_ic, results.daily_table(panel, scores))
    _add(files.predictions, results.prediction_table(panel, scores))
    metrics: Any = read_json(files.metrics) or {"trial": trial}
    write_json(files.metrics, {**metrics, "holdout": scores.summary})
    return scores.summary


def refuse_other_weights(run: RunDirectory, trial: int) -> None:
    """CheckpointError unless the weights that validation measured last are still there.

    To be asked before a look is counted.
    """
    measured_weights(run, trial, open_trial(run, trial))


def _score(run: RunDirectory, trial: int) -> tuple[Scores, Panel]:
    setup = open_trial(run, trial)
    learner = restored(run, trial, setup)
    days = setup.split.holdout
    with closing(feed_of(setup)) as feed:
        learner.eval_days = days_at_once(learner, days)
        pred_DNH = predict_days(learner, feed, days, tick=silent, phase="holdout")
    return results.score(setup.panel, "holdout", days, pred_DNH), setup.panel


def _add(path: Path, table: Any) -> None:
    """Put holdout rows behind those of validation; the latter may have been cleared away."""
    parts = [table]
    if path.exists():
        before = read_table(path)
        parts.insert(0, before.filter(pc.not_equal(before["split"].cast("string"), "holdout")))
    write_table(path, pa.concat_tables(parts))
