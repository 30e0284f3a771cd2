"""What a trial leaves behind: metrics.json, daily_ic.arrow and .csv, predictions.arrow.

Shapes: D days, N stocks, H horizons.

Each file is replaced in one step. The numbers and the predictions are those of the same weights:
the averaged ones after the last epoch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from atft_core.data.panel import Panel
from atft_core.objective.metrics import DailyIC, Summary, daily_metrics, summarise
from atft_core.run.daily import write_days
from atft_core.run.directory import TrialDirectory
from atft_core.run.events import Json
from atft_core.run.files import write_json
from atft_core.run.judge.measure import median_of_last
from atft_core.train.tables import read_table, write_table

SPLITS = ("val", "holdout")


@dataclass(frozen=True)
class Scores:
    """Predictions of one split and what they are worth."""

    split: str
    days: range
    pred_DNH: NDArray[np.float32]
    daily: DailyIC
    summary: dict[str, Summary]


def score(panel: Panel, split: str, days: range, pred_DNH: NDArray[np.float32]) -> Scores:
    """Measure predictions of consecutive days against the panel's labels."""
    span = slice(days.start, days.stop)
    daily = daily_metrics(pred_DNH, panel.y_TNH[span], panel.valid_TN[span])
    return Scores(split, days, pred_DNH, daily, summarise(daily, panel.horizons))


def trial_value(rows: Sequence[Json], horizon: int, last: int) -> float | None:
    """What a trial with these epochs is worth to the study."""
    return median_of_last([row["val"][str(horizon)]["rank_ic"] for row in rows], last)


def best_epoch(rows: Sequence[Json], horizon: int) -> int | None:
    """The epoch with the highest validation RankIC; for information."""
    known = [
        (row["val"][str(horizon)]["rank_ic"], -row["epoch"])
        for row in rows
        if row["val"][str(horizon)]["rank_ic"] is not None
    ]
    return -max(known)[1] if known else None


def write_metrics(
    path: Path, *, trial: int, state: str, rows: Sequence[Json], horizon: int, holdout: Json | None
) -> None:
    """Rewrite metrics.json."""
    value = {
        "trial": trial,
        "state": state,
        "best_epoch": best_epoch(rows, horizon),
        "epochs": list(rows),
        "val": rows[-1]["val"] if rows else {},
        "holdout": holdout,
    }
    write_json(path, value)


def write_daily(files: TrialDirectory, panel: Panel, part: Scores) -> None:
    """The correlations of each day: the record, and the text that the console reads."""
    table = daily_table(panel, part)
    write_table(files.daily_ic, table)
    write_days(files.daily_text, table.to_pylist())


def split_column(split: str, n: int) -> Any:
    """`split` n times, as a dictionary that is the same in every file."""
    code = np.full(n, SPLITS.index(split), dtype=np.int8)
    return pa.DictionaryArray.from_arrays(code, pa.array(SPLITS))


def daily_table(panel: Panel, part: Scores) -> Any:
    """One row per day and horizon; null where undefined."""
    days, horizons = len(part.days), len(panel.horizons)
    return pa.table(
        {
            "split": split_column(part.split, days * horizons),
            "date": pa.array(np.repeat(_dates(panel, part), horizons)),
            "horizon": np.tile(np.array(panel.horizons, np.int32), days),
            "n": part.daily.n_DH.astype(np.int32).ravel(),
            "ic": pa.array(part.daily.ic_DH.ravel(), from_pandas=True),
            "rank_ic": pa.array(part.daily.rank_ic_DH.ravel(), from_pandas=True),
        }
    )


def prediction_table(panel: Panel, part: Scores) -> Any:
    """One row per day, stock traded that day, and horizon.

    `target` is the label as the panel has it, null where there is none.
    """
    valid_DN = panel.valid_TN[part.days.start : part.days.stop]
    rows = score_rows(panel, part.days, part.pred_DNH)
    target_R = panel.y_TNH[part.days.start : part.days.stop][valid_DN].ravel()
    rows = rows.append_column("target", pa.array(target_R, from_pandas=True))
    return rows.add_column(0, "split", split_column(part.split, rows.num_rows))


def score_rows(panel: Panel, days: range, scores_DNH: NDArray[np.float32]) -> Any:
    """Date, code, horizon and prediction of every stock traded on consecutive days."""
    day_S, stock_S = np.nonzero(panel.valid_TN[days.start : days.stop])
    horizons = len(panel.horizons)
    dates_D = panel.dates_T[days.start : days.stop].astype("datetime64[D]")
    codes = pa.DictionaryArray.from_arrays(
        np.repeat(stock_S, horizons).astype(np.int32), pa.array(panel.codes, pa.string())
    )
    return pa.table(
        {
            "date": pa.array(np.repeat(dates_D[day_S], horizons)),
            "code": codes,
            "horizon": np.tile(np.array(panel.horizons, np.int32), len(day_S)),
            "prediction": scores_DNH[day_S, stock_S].astype(np.float32).ravel(),
        }
    )


def read_scores(path: Path, panel: Panel, days: range) -> NDArray[np.float32]:
    """The predictions [D, N, H] of consecutive days in a table with rows as above; NaN elsewhere.

    ValueError when it is a table of other days, stocks or horizons.
    """
    valid_DN = panel.valid_TN[days.start : days.stop]
    shape = (*valid_DN.shape, len(panel.horizons))
    wanted = score_rows(panel, days, np.zeros(shape, np.float32))
    table = read_table(path)
    if "split" in table.column_names:
        table = table.filter(pc.equal(table["split"].cast("string"), "val"))
    for key in ("date", "code", "horizon"):
        values = table[key].cast("string") if key == "code" else table[key]
        if not values.combine_chunks().equals(_plain(wanted[key])):
            raise ValueError(f"{path} holds other rows: {key}")
    pred_DNH = np.full(shape, np.nan, np.float32)
    pred_DNH[valid_DN] = table["prediction"].to_numpy().reshape(-1, shape[2])
    return pred_DNH


def _plain(column: Any) -> Any:
    column = column.combine_chunks()
    return column.cast("string") if pa.types.is_dictionary(column.type) else column


def _dates(panel: Panel, part: Scores) -> NDArray[np.datetime64]:
    return panel.dates_T[part.days.start : part.days.stop].astype("datetime64[D]")
