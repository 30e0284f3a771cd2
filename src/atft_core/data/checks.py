"""What can be wrong with a panel: one table, one finding per kind, with counts and offenders.

Shapes: T days, N stocks, F features, H horizons.

An error stops the build: the panel could not be read as meant, or would teach nonsense. A warning
is reported, and the rule in the table says what happens to the values.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from atft_core.cross_section import MIN_NAMES, Bools
from atft_core.errors import DataError
from atft_core.run.foreign import clean

SHOWN = 3
"""Offenders that a message names."""
THIN_DAY = 0.5
"""Share of the usual number of stocks below which a day is thin."""
LARGEST_RAW = 1e15
"""The square of a raw feature must stay finite in float32."""
LARGEST_RETURN = 10.0
"""A given target beyond this is hardly a return: ten times the price."""
WEEK = 5
"""Trading days."""
APART, REPEATED = 3.0, 3
"""A value is a placeholder where it is there so often, and so many times as far from all others as
these are from each other."""
MOSTLY = 0.5
"""Share of missing values from which a column is mostly missing."""


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    WARNING = "warning"


class Rule(NamedTuple):
    """Severity of a kind of finding, and what to do or what is done about it."""

    severity: Severity
    action: str


ERROR, WARNING = Severity.ERROR, Severity.WARNING
RULES: dict[str, Rule] = {
    "unreadable": Rule(ERROR, "give a readable parquet or Arrow IPC file"),
    "missing_column": Rule(ERROR, "name the right column in the [data] section of the config"),
    "wrong_dtype": Rule(ERROR, "convert the column before it is given to atft"),
    "bad_date": Rule(ERROR, "dates are Date, Datetime or ISO text (2024-01-31)"),
    "missing_key": Rule(ERROR, "every row needs a date and a code"),
    "empty": Rule(ERROR, "the file has no rows"),
    "duplicate_key": Rule(ERROR, "keep one row per date and code"),
    "similar_codes": Rule(WARNING, "kept apart, although only case or spaces differ"),
    "non_positive_price": Rule(ERROR, "drop these rows or set the price to null"),
    "infinite_value": Rule(ERROR, "set these values to null"),
    "huge_raw": Rule(ERROR, "divide the column, or take it out of data.raw"),
    "huge_target": Rule(WARNING, "kept; only their order counts, but are they returns?"),
    "infinite_feature": Rule(WARNING, "these values count as missing"),
    "placeholder": Rule(WARNING, "kept; does it stand for a missing value? then set it to null"),
    "negative_volume": Rule(ERROR, "set these values to null"),
    "few_stocks": Rule(ERROR, f"a day needs {MIN_NAMES} stocks to be ranked"),
    "few_days": Rule(ERROR, "use a longer panel or a shorter split"),
    "no_labels": Rule(ERROR, "use a longer panel or shorter label.horizons"),
    "extreme_return": Rule(WARNING, "labels that contain one: data.extreme_label_policy"),
    "gap": Rule(WARNING, "missing days inside a stock's life stay missing; nothing is filled"),
    "bar_order": Rule(WARNING, "kept; check open, high, low and close of these rows"),
    "no_close": Rule(WARNING, "both are made from the close"),
    "thin_day": Rule(WARNING, "kept; is the calendar a mixture of markets?"),
    "constant_column": Rule(WARNING, "kept; it carries no information"),
    "mostly_missing": Rule(WARNING, "kept; missing counts as average"),
    "unknown_sector": Rule(WARNING, "these stocks have no sector; others are not affected"),
    "two_sectors": Rule(
        ERROR, "keep one row per code: a sector of later days would be known on earlier ones"
    ),
    "foreign_edges": Rule(WARNING, "left out"),
    "weightless_edges": Rule(WARNING, "left out; give a number that is not 0"),
    "market_differs": Rule(
        ERROR, "a market column has one value per day; name it in data.features instead"
    ),
    "leak_suspicion": Rule(ERROR, "no run starts with it: does it know the future?"),
    "hindsight": Rule(
        ERROR,
        "it was scaled by days that had not come yet: scale each day by itself, or name a column "
        "that is so by nature in data.trusted",
    ),
    "hindsight_bars": Rule(
        WARNING,
        "scaled by days that had not come yet: returns are as they were, but features of the value "
        "traded know the future; give the bars unscaled",
    ),
    "filled_labels": Rule(ERROR, "leave a return that is not known empty: a 0 would be learnt"),
    "constant_labels": Rule(ERROR, "stocks that all move alike cannot be ranked"),
}
"""Every kind of finding."""


@dataclass(frozen=True)
class Finding:
    """One kind of defect in one place."""

    rule: str
    message: str
    """What and where, without the offenders."""
    count: int = 1
    first: tuple[str, ...] = ()
    """The first offenders."""
    advice: str = ""
    """Replaces the rule's action where more is known."""

    @property
    def severity(self) -> Severity:
        """Error or warning, from the table."""
        return RULES[self.rule].severity

    @property
    def action(self) -> str:
        """What to do, or what is done."""
        return self.advice or RULES[self.rule].action

    def __str__(self) -> str:
        if not self.first:
            return self.message
        more = ", ..." if self.count > len(self.first) else ""
        return f"{self.message}: {', '.join(clean(each, 60) for each in self.first)}{more}"

    @property
    def text(self) -> str:
        """What, where, and what to do or what is done."""
        return f"{self} ({self.action})" if self.action else str(self)

    def as_json(self) -> dict[str, Any]:
        """All of it, for programs."""
        return {
            "rule": self.rule,
            "severity": self.severity.value,
            "message": self.message,
            "count": self.count,
            "first": list(self.first),
            "action": self.action,
        }


def has_errors(findings: Iterable[Finding]) -> bool:
    """Whether any finding is an error."""
    return any(f.severity is ERROR for f in findings)


def raise_errors(path: object, findings: Iterable[Finding]) -> None:
    """DataError that names every error at once; nothing when there is none."""
    errors = [f for f in findings if f.severity is ERROR]
    if not errors:
        return
    lines = "\n".join(f"  {e}" for e in errors)
    hints = list(dict.fromkeys(e.action for e in errors))
    raise DataError(f"{path} cannot be used:\n{lines}", hint="; ".join(hints) + ".")


@dataclass(frozen=True, eq=False)
class CellNames:
    """How rows and columns are called in messages."""

    dates_T: NDArray[np.datetime64]
    codes: Sequence[str]

    def first(self, mask_TN: Bools) -> tuple[str, ...]:
        """The first offenders, by date."""
        flat = np.flatnonzero(mask_TN)[:SHOWN]
        return tuple(
            f"{self.codes[i % len(self.codes)]} {self.dates_T[i // len(self.codes)]}" for i in flat
        )


def check_values(
    names: CellNames, column: str, x_TN: NDArray[np.floating], kind: str
) -> list[Finding]:
    """Infinite values, and prices or volumes that cannot be. `kind`: price, volume, feature."""
    rule = "infinite_feature" if kind == "feature" else "infinite_value"
    found = [_cells(names, rule, f"infinite values in {column!r}", np.isinf(x_TN))]
    with np.errstate(invalid="ignore"):
        if kind == "price":
            low_TN, what = x_TN <= 0, f"prices of 0 or less in {column!r}"
            found.append(_cells(names, "non_positive_price", what, low_TN))
        elif kind == "volume":
            what = f"negative volumes in {column!r}"
            found.append(_cells(names, "negative_volume", what, x_TN < 0))
    return [f for f in found if f.count]


def check_size(
    rule: str, names: CellNames, column: str, x_TN: NDArray[np.floating]
) -> list[Finding]:
    """Finite values beyond what the rule takes for possible."""
    limit = {"huge_raw": LARGEST_RAW, "huge_target": LARGEST_RETURN}[rule]
    with np.errstate(invalid="ignore"):
        huge_TN = np.isfinite(x_TN) & (np.abs(x_TN) > limit)
    found = _cells(names, rule, f"values beyond {limit:g} in {column!r}", huge_TN)
    return [found] if found.count else []


def check_column(column: str, x_TN: NDArray[np.floating], rows: int) -> list[Finding]:
    """Columns without information: nearly empty, or the same for every stock of every day."""
    known_TN = np.isfinite(x_TN)
    known = int(known_TN.sum())
    if known < (1 - MOSTLY) * rows:
        share = 1 - known / max(rows, 1)
        return [Finding("mostly_missing", f"{column!r} is missing in {share:.0%} of the rows")]
    high_T = np.where(known_TN, x_TN, -np.inf).max(axis=1)
    low_T = np.where(known_TN, x_TN, np.inf).min(axis=1)
    if not (high_T > low_T).any():
        return [Finding("constant_column", f"{column!r} never differs between two stocks of a day")]
    return []


def check_placeholder(names: CellNames, column: str, x_TN: NDArray[np.floating]) -> list[Finding]:
    """A number that stands for a missing one, as -1234 or 9999 do: often there, far from all."""
    known_TN = np.isfinite(x_TN)
    low, high = (
        float(end(x_TN, where=known_TN, initial=start))
        for end, start in ((np.min, np.inf), (np.max, -np.inf))
    )
    found = []
    for value in (low, high) if low < high else ():
        same_TN = x_TN == value
        if same_TN.sum() < REPEATED:
            continue
        rest_TN = known_TN & ~same_TN
        least = float(np.min(x_TN, where=rest_TN, initial=np.inf))
        most = float(np.max(x_TN, where=rest_TN, initial=-np.inf))
        apart = least - value if value == low else value - most
        if most > least and apart > APART * (most - least):
            what = f"times {value:g} in {column!r}, all others are {least:g} to {most:g}"
            found.append(_cells(names, "placeholder", what, same_TN))
    return found


def check_one_value(names: CellNames, column: str, x_TN: NDArray[np.floating]) -> list[Finding]:
    """Days on which a market column has more than one value."""
    known_TN = np.isfinite(x_TN)
    high_T = np.where(known_TN, x_TN, -np.inf).max(axis=1)
    low_T = np.where(known_TN, x_TN, np.inf).min(axis=1)
    days = np.flatnonzero(high_T > low_T)
    if not days.size:
        return []
    first = tuple(str(names.dates_T[t]) for t in days[:SHOWN])
    message = f"{column!r} differs between stocks on {len(days)} days"
    return [Finding("market_differs", message, len(days), first)]


def check_market(column: str, x_T: NDArray[np.floating]) -> list[Finding]:
    """Market columns without information: on most days missing, or always the same."""
    known_T = x_T[np.isfinite(x_T)]
    if known_T.size < (1 - MOSTLY) * x_T.size:
        share = 1 - known_T.size / max(x_T.size, 1)
        return [Finding("mostly_missing", f"{column!r} is missing on {share:.0%} of the days")]
    if known_T.max() == known_T.min():
        return [Finding("constant_column", f"{column!r} is the same on every day")]
    return []


def check_days(names: CellNames, valid_TN: Bools) -> list[Finding]:
    """Days with few stocks, and days missing inside the life of a stock."""
    count_T = valid_TN.sum(axis=1)
    most = int(count_T.max(initial=0))
    if most < MIN_NAMES:
        return [Finding("few_stocks", f"no day has more than {most} stocks")]
    findings = []
    days = _thin_days(count_T)
    if days:
        first = tuple(f"{names.dates_T[t]} ({count_T[t]} stocks)" for t in days[:SHOWN])
        message = f"{len(days)} days with less than half of the usual stocks"
        findings.append(Finding("thin_day", message, len(days), first))
    inside_TN = np.maximum.accumulate(valid_TN, axis=0)
    inside_TN &= np.maximum.accumulate(valid_TN[::-1], axis=0)[::-1]
    gaps = _cells(names, "gap", "days missing inside a stock's life", inside_TN & ~valid_TN)
    return [*findings, gaps] if gaps.count else findings


def check_bars(
    names: CellNames,
    open_TN: NDArray[np.floating],
    high_TN: NDArray[np.floating],
    low_TN: NDArray[np.floating],
    close_TN: NDArray[np.floating],
) -> list[Finding]:
    """Bars whose high is not the highest or whose low is not the lowest price (by over 0.1 %)."""
    with np.errstate(invalid="ignore"):
        top_TN = np.fmax(np.fmax(open_TN, close_TN), low_TN)
        bottom_TN = np.fmin(np.fmin(open_TN, close_TN), high_TN)
        wrong_TN = (high_TN < top_TN * 0.999) | (low_TN > bottom_TN * 1.001)
    found = _cells(names, "bar_order", "bars with prices outside of low to high", wrong_TN)
    return [found] if found.count else []


def check_returns(names: CellNames, extreme_TN: Bools, limit: float) -> list[Finding]:
    """One-day returns beyond the limit."""
    found = _cells(names, "extreme_return", f"one-day returns beyond {limit:.0%}", extreme_TN)
    return [found] if found.count else []


def check_labels(
    horizons: Sequence[int], counts_H: Sequence[int], ordered_H: Sequence[int], days: int
) -> list[Finding]:
    """Horizons without a label, or without a day on which the labels differ."""
    found = []
    for horizon, count, ordered in zip(horizons, counts_H, ordered_H, strict=True):
        if not count:
            found.append(Finding("no_labels", f"horizon {horizon} has no label in {days} days"))
        elif not ordered:
            message = f"the labels of horizon {horizon} never differ within a day"
            found.append(Finding("constant_labels", message))
    return found


def _thin_days(count_T: NDArray[np.int64]) -> list[int]:
    """Days with less than half of the usual stocks of the weeks before and after.

    Of both, so that a universe that grows is not thin at its start.
    """
    thin = []
    for t in np.flatnonzero(count_T < THIN_DAY * np.median(count_T[count_T > 0])):
        around = (count_T[max(t - WEEK, 0) : t], count_T[t + 1 : t + 1 + WEEK])
        if all(count_T[t] < THIN_DAY * np.median(days) for days in around if days.size):
            thin.append(int(t))
    return thin


def _cells(names: CellNames, rule: str, what: str, mask_TN: Bools) -> Finding:
    count = int(mask_TN.sum())
    return Finding(rule, f"{count} {what}", count, names.first(mask_TN) if count else ())
