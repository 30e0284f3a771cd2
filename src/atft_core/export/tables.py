"""A run's trials, epochs and predictions as tables: one row each, names of columns as in the log.

Nested values are columns with dots: `val.5.rank_ic` is the validation RankIC at horizon 5.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl
import pyarrow as pa

from atft_core.errors import UsageError
from atft_core.run.access import refuse_own_program
from atft_core.run.directory import RunDirectory
from atft_core.run.epochs import EpochRow
from atft_core.run.state import State, Trial
from atft_core.train.tables import read_table

BLANK = Trial(0, value=0.0, started=1.0, ended=1.0)
"""Of the types that the columns of trials have."""


def trials(state: State) -> pl.DataFrame:
    """One row for each trial that was asked for; parameters as `params.NAME`."""
    return _frame([_trial(state, trial) for trial in state.trials.values()], _trial(state, BLANK))


def epochs(state: State) -> pl.DataFrame:
    """One row for each finished epoch of each trial."""
    rows = [_epoch(trial, row) for trial in state.trials.values() for row in trial.epochs]
    blank = EpochRow(epoch=1, t=0.0, seconds=0.0, batches=0, batches_available=0, time={},
                     train={}, val={}, gpu={})  # fmt: skip
    return _frame(rows, _epoch(Trial(0), blank))


def predictions(run: RunDirectory, state: State, number: int | None) -> pl.DataFrame:
    """What a trial predicted: split, date, code, horizon, prediction, target (null: no label).

    Without a number the best trial's. UsageError where they were not kept.
    """
    refuse_own_program(run)
    number = chosen(state, number)
    path = run.trial(number).predictions
    try:
        table: Any = read_table(path)
    except FileNotFoundError as error:
        kept = sorted(n for n in state.trials if run.trial(n).predictions.exists())
        raise UsageError(
            f"The predictions of trial {number} were not kept.",
            hint=(f"Those of {', '.join(f'trial {n}' for n in kept)} were "
                  "(engine.keep_predictions). " if kept else "")
            + f"`atft predict {run.path} --trial {number} --data-path P` scores a panel with it.",
        ) from error  # fmt: skip
    except (OSError, pa.ArrowException) as error:
        raise UsageError(f"{path} cannot be read: {error}.") from error
    frame = pl.DataFrame(table)
    return frame.with_columns(pl.col("split", "code").cast(pl.String))


def chosen(state: State, number: int | None) -> int:
    """That trial, else the best one; UsageError where there is none."""
    if number is None and state.best is None:
        raise UsageError("No trial is complete yet.", hint="Name one with --trial.")
    if number is not None and number not in state.trials:
        raise UsageError(f"There is no trial {number}; there are {len(state.trials)}.")
    best = state.best.number if state.best else 0
    return best if number is None else number


def _trial(state: State, trial: Trial) -> dict[str, Any]:
    return {
        "trial": trial.number, "state": trial.state, "value": state.measured(trial.value),
        "reason": trial.reason,
        "attempts": trial.attempt, "crashes": trial.crashes, "hangs": trial.hangs,
        "epochs": len(trial.epochs), "started": trial.started or None,
        "ended": trial.ended or None, "node": trial.node, **_flat({"params": trial.params}),
    }  # fmt: skip


def _epoch(trial: Trial, row: EpochRow) -> dict[str, Any]:
    return {"trial": trial.number, **_flat(vars(row))}


def _flat(value: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested names joined by dots; a list as text."""
    return dict(_leaves(value, before))


def _leaves(value: Mapping[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    for key, held in value.items():
        name = f"{before}{key}"
        if isinstance(held, Mapping):
            yield from _leaves(held, f"{name}.")
        else:
            yield name, str(held) if isinstance(held, list | tuple) else held


def _frame(rows: list[dict[str, Any]], like: dict[str, Any]) -> pl.DataFrame:
    """Columns in the order in which they come; one that rows disagree about is text.

    Without rows those of `like`: whoever reads the file finds its columns.
    """
    if not rows:
        return _frame([like], like).clear()
    columns: dict[str, list[Any]] = {}
    for name in dict.fromkeys(key for row in rows for key in row):
        values = [row.get(name) for row in rows]
        kinds = {type(value) for value in values if value is not None}
        alike = kinds <= {int, float} or len(kinds) == 1
        columns[name] = values if alike else [None if v is None else str(v) for v in values]
    return pl.DataFrame(columns, strict=False, infer_schema_length=None)
