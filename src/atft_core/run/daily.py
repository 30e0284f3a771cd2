"""The newest validation day by day, as a small text that needs no Arrow to be read.

One line per day and horizon: date, horizon, n, ic, rank_ic; empty where undefined. The same numbers
as in daily_ic.arrow, which is the record.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from atft_core.run.files import read_regular, write_atomically
from atft_core.run.wording import finite

COLUMNS = ("date", "horizon", "n", "ic", "rank_ic")
MAX_BYTES = 1 << 22
"""Of a longer file nothing is read: it is none of ours."""


@dataclass(frozen=True)
class Day:
    """How well the stocks of one day were ranked."""

    date: str
    n: int
    """Stocks that have a label."""
    ic: float | None
    rank_ic: float | None


def write_days(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Replace the text by rows that have these columns."""
    text = StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue().encode(), durable=False)


def read_days(path: Path, horizon: int) -> list[Day]:
    """The days of a horizon in order of date; none where there is no such file."""
    try:
        data = read_regular(path, MAX_BYTES + 1)
        text = StringIO(data.decode(errors="replace"), newline="")
        rows = list(csv.DictReader(text)) if len(data) <= MAX_BYTES else []
    except (OSError, csv.Error):
        return []
    days = (_day(row) for row in rows if row.get("horizon") == str(horizon))
    return sorted((day for day in days if day is not None), key=lambda day: day.date)


def _day(row: Mapping[str, str | None]) -> Day | None:
    """The day of a row; None for a damaged one."""
    try:
        return Day(str(row["date"]), int(row["n"] or 0), _number(row["ic"]),
                   _number(row["rank_ic"]))  # fmt: skip
    except (KeyError, ValueError):
        return None


def _number(text: str | None) -> float | None:
    return finite(float(text)) if text else None
