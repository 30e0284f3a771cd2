"""Reading a panel file into arrays by day and stock. Every way in which that can fail has a name.

Shapes: R rows of the file, T days, N stocks.

Keys are read once, then one column at a time is scattered into [T, N]: the file's own table is
never in memory as a whole.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atft_core.cross_section import Bools
from atft_core.data.checks import SHOWN, Finding
from atft_core.errors import DataError
from atft_core.run.foreign import clean

CALENDAR = (date(1800, 1, 1), date(2200, 1, 1))
"""Days that a panel may have; one in the year 31 is a misread one."""
ALIASES = {
    "date": ("day", "datetime", "timestamp", "trade_date", "日付"),
    "code": ("ticker", "symbol", "stock", "secid", "permno", "isin", "コード", "銘柄コード"),
    "open": ("adj_open", "始値"),
    "high": ("adj_high", "高値"),
    "low": ("adj_low", "安値"),
    "close": ("adj_close", "adjclose", "adj close", "price", "終値"),
    "volume": ("adj_volume", "vol", "出来高"),
}
"""Other usual names of the columns."""
READERS: dict[bytes, Callable[[Path], pl.LazyFrame]] = {
    b"PAR1": lambda path: pl.scan_parquet(path, glob=False),
    b"ARRO": lambda path: pl.scan_ipc(path, glob=False),
}
"""How a file begins, and who reads it; both end as they begin."""


@dataclass(frozen=True, eq=False)
class Table:
    """An opened file: its columns are known, nothing is read yet."""

    path: Path
    frame: pl.LazyFrame
    schema: pl.Schema


@dataclass(frozen=True, eq=False)
class Keys:
    """Where each row of the file belongs."""

    dates_T: NDArray[np.datetime64]
    codes: tuple[str, ...]
    cell_R: NDArray[np.integer]
    """t * N + n of each row."""

    @property
    def present_TN(self) -> Bools:  # noqa: N802
        """Cells that have a row."""
        present = np.zeros(len(self.dates_T) * len(self.codes), dtype=np.bool_)
        present[self.cell_R] = True
        return present.reshape(len(self.dates_T), len(self.codes))


def open_table(path: Path) -> Table:
    """Open a parquet or Arrow IPC file; DataError when it is none, or damaged, or not there."""
    scan = READERS[_magic(path)]
    try:
        frame = scan(path)
        return Table(path, frame, frame.collect_schema())
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise _damaged(path, error) from error


def _magic(path: Path) -> bytes:
    """The first four bytes, when they and the last ones are those of a known format."""
    if path.is_dir():
        raise DataError(f"{path} is a directory.", hint="Give one parquet or Arrow IPC file.")
    if path.exists() and not path.is_file():  # a pipe would never end
        raise DataError(f"{path} is no file.", hint="Give one parquet or Arrow IPC file.")
    try:
        with path.open("rb") as file:
            head = file.read(4)
            size = file.seek(0, 2)
            file.seek(max(size - 6, 0))
            tail = file.read()
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist.", hint=_near_file(path)) from error
    except OSError as error:
        hint = "Check who may read it: `ls -l` shows it."
        raise DataError(f"{path} cannot be read: {error.strerror}.", hint=hint) from error
    if head not in READERS:
        what = "is empty" if not size else "is neither parquet nor Arrow IPC"
        hint = "Convert CSV with polars: pl.read_csv(..., try_parse_dates=True).write_parquet(...)"
        raise DataError(f"{path} {what}.", hint=hint)
    if not (tail.endswith(head) or tail == b"ARROW1"):
        hint = "Copy or write it again; the beginning is fine, the end is missing."
        raise DataError(f"{path} is cut off after {size:,} bytes.", hint=hint)
    return head


def _near_file(path: Path) -> str:
    if not path.parent.is_dir():
        return f"The directory {path.parent} does not exist either."
    stems = {entry.stem: entry for entry in sorted(path.parent.iterdir()) if entry.suffix}
    close = difflib.get_close_matches(path.stem, stems, n=1)
    if close:
        return f"Did you mean {stems[close[0]]}?"
    return f"Nothing like it in {path.parent}. Name your panel with --data-path."


def _damaged(path: Path, error: BaseException) -> DataError:
    reason = str(error).strip().splitlines() or ["no reason given"]
    if "Too many open files" in reason[0]:
        return DataError(f"{path} cannot be opened: {reason[0][:200]}", hint="`ulimit -n 4096`.")
    return DataError(f"{path} is damaged: {reason[0][:200]}", hint="Copy or write the file again.")


def collect(table: Table, *columns: pl.Expr) -> pl.DataFrame:
    """Columns of a file; DataError when they turn out to be damaged."""
    try:
        return table.frame.select(*columns).collect()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise _damaged(table.path, error) from error


def column_findings(table: Table, wanted: dict[str, str], numeric: Iterable[str]) -> list[Finding]:
    """Columns that are not there, with the nearest name, and numbers that are no numbers.

    `wanted` maps the config key to the column; `numeric` names the columns that hold numbers.
    """
    findings = []
    for key, column in wanted.items():
        if column not in table.schema:
            free = [name for name in table.schema.names() if name not in wanted.values()]
            near = _alias(column, free) or nearest(column, free)
            near = clean(near, 60)
            advice = f"set {key} to the column's name: --set {key}={near or 'NAME'}"
            hint = f"; did you mean {near!r}?" if near else f"; there are {_some(table.schema)}"
            message = f"no column {clean(column, 60)!r} in {table.path.name}{hint}"
            findings.append(Finding("missing_column", message, advice=advice))
    for column in numeric:
        dtype = table.schema.get(column)
        if dtype is not None and not dtype.is_numeric():
            message = f"{column!r} holds {dtype}, not numbers"
            findings.append(Finding("wrong_dtype", message))
    return findings


def _alias(column: str, names: list[str]) -> str:
    """Another usual name of the same thing; empty when none of them is there."""
    by_folded = {name.casefold(): name for name in names}
    return next((by_folded[a] for a in ALIASES.get(column, ()) if a in by_folded), "")


def nearest(name: str, names: Iterable[str]) -> str:
    """The most similar name, whatever its case; empty when none is similar."""
    by_folded = {n.casefold(): n for n in names}
    close = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.5)
    return by_folded[close[0]] if close else ""


def _some(schema: pl.Schema) -> str:
    names = schema.names()
    shown = ", ".join(repr(clean(name, 60)) for name in names[:12])
    return (shown or "no columns at all") + (" ..." if len(names) > 12 else "")


def read_keys(table: Table, date: str, code: str) -> tuple[Keys | None, list[Finding]]:
    """Calendar, stocks and the cell of each row; None when the keys make no sense."""
    findings = _key_dtypes(table, date, code)
    if findings:
        return None, findings
    day = _as_date(table.schema[date], pl.col(date))
    keys = collect(
        table,
        day.alias("day"),
        _as_text(table.schema[date], pl.col(date)).alias("given"),
        pl.col(code).cast(pl.String).alias("code"),
    )
    if keys.is_empty():
        return None, [Finding("empty", f"{table.path.name} has no rows")]
    findings = _missing_keys(keys, date, code)
    if findings:
        return None, findings
    days, codes = keys["day"].unique().sort(), keys["code"].unique().sort()
    cell_R = _cells(keys, days, codes)
    found = Keys(days.to_numpy().astype("datetime64[D]"), tuple(codes.to_list()), cell_R)
    return found, _duplicates(found) + _similar(found.codes)


def _cells(keys: pl.DataFrame, days: pl.Series, codes: pl.Series) -> NDArray[np.integer]:
    """T * N + n of each row, in four bytes where they are enough."""
    small = len(days) * len(codes) < 2**31
    day_T = days.to_physical().to_numpy()
    t_of_day = np.zeros(int(day_T[-1] - day_T[0]) + 1, dtype=np.int32 if small else np.int64)
    t_of_day[day_T - day_T[0]] = np.arange(len(day_T))
    cell_R: NDArray[np.integer] = t_of_day[keys["day"].to_physical().to_numpy() - day_T[0]]
    cell_R *= len(codes)
    cell_R += keys["code"].cast(pl.Enum(codes)).to_physical().to_numpy()
    return cell_R


def _similar(codes: tuple[str, ...]) -> list[Finding]:
    """Codes that a person would take for one stock."""
    alike: dict[str, list[str]] = {}
    for code in codes:
        alike.setdefault("".join(code.split()).casefold(), []).append(code)
    pairs = tuple(" = ".join(map(repr, group)) for group in alike.values() if len(group) > 1)
    if not pairs:
        return []
    message = f"{len(pairs)} codes are written in several ways"
    return [Finding("similar_codes", message, len(pairs), pairs[:SHOWN])]


def _key_dtypes(table: Table, date: str, code: str) -> list[Finding]:
    findings = []
    day_type, code_type = table.schema[date], table.schema[code]
    if not isinstance(day_type, pl.Date | pl.Datetime | pl.String):
        findings.append(Finding("bad_date", f"{date!r} holds {day_type}, not dates"))
    text = isinstance(code_type, pl.String | pl.Categorical | pl.Enum)
    if not (text or code_type.is_integer()):
        findings.append(Finding("wrong_dtype", f"{code!r} holds {code_type}, not stock codes"))
    return findings


def _as_date(dtype: pl.DataType, column: pl.Expr) -> pl.Expr:
    """The day; null where there is none, or none between CALENDAR."""
    if dtype == pl.String:
        text = column.str.strip_chars()
        # ISO text may carry a time of day. Two digits of a year are not a year.
        iso = pl.when(text.str.contains(r"^\d{4}-\d{2}-\d{2}([T ].*)?$")).then(text)
        day = iso.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
        return pl.when(day.is_between(*CALENDAR)).then(day)
    # As numbers: nothing can be asked of a date in the year 5,000,000.
    first, last = (pl.lit(day, pl.Date).cast(dtype).to_physical() for day in CALENDAR)
    known = pl.when(column.to_physical().is_between(first, last)).then(column)
    return known.dt.date() if isinstance(dtype, pl.Datetime) else known


def _as_text(dtype: pl.DataType, column: pl.Expr) -> pl.Expr:
    """What the file says, for messages: the number of a date, which words may not reach."""
    return column if dtype == pl.String else column.to_physical().cast(pl.String)


def _missing_keys(keys: pl.DataFrame, date: str, code: str) -> list[Finding]:
    findings = []
    for column, name in (("given", date), ("code", code)):
        count = keys[column].null_count()
        if count:
            findings.append(Finding("missing_key", f"{count} rows without {name!r}", count))
    bad = keys.filter(pl.col("day").is_null() & pl.col("given").is_not_null())
    if len(bad):
        first = tuple(repr(value) for value in bad["given"].head(SHOWN))
        findings.append(
            Finding("bad_date", f"{len(bad)} dates that are none, or too far off", len(bad), first)
        )
    return findings


def _duplicates(keys: Keys) -> list[Finding]:
    extra = len(keys.cell_R) - int(keys.present_TN.sum())
    if not extra:
        return []
    cells, counts = np.unique(keys.cell_R, return_counts=True)
    n = len(keys.codes)
    first = tuple(
        f"{keys.codes[cell % n]} {keys.dates_T[cell // n]} ({count} rows)"
        for cell, count in zip(cells[counts > 1][:SHOWN], counts[counts > 1], strict=False)
    )
    return [Finding("duplicate_key", f"{extra} duplicate (date, code) rows", extra, first)]


def read_column(table: Table, keys: Keys, column: str) -> NDArray[np.floating]:
    """One column as [T, N], float32 or float64; NaN where there is no row or no value."""
    return scatter(keys, read_columns(table, (column,))[0])


def read_columns(table: Table, columns: Sequence[str]) -> list[NDArray[np.floating]]:
    """Columns as the file has them, [R] each, float32 or float64; NaN where there is no value."""
    wanted = [
        pl.col(name) if table.schema[name] == pl.Float32 else pl.col(name).cast(pl.Float64)
        for name in columns
    ]
    frame = collect(table, *wanted)
    return [frame[name].to_numpy() for name in columns]


def scatter(keys: Keys, values_R: NDArray[np.floating]) -> NDArray[np.floating]:
    """Values of the file's rows by day and stock, [T, N]; NaN where there is no row."""
    x = np.full(len(keys.dates_T) * len(keys.codes), np.nan, dtype=values_R.dtype)
    x[keys.cell_R] = values_R
    return x.reshape(len(keys.dates_T), len(keys.codes))
