"""Many records as columns: in JSON a third of the objects, and read in a fraction of the time.

A column is a list of values or, where neighbours mostly are equal as the settings of trials are,
`{"runs": [[how many, value], ...]}`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby, repeat
from math import isnan
from typing import Any

from atft_core.run.events import Json
from atft_core.run.fits import MOST, NUMBERS, Fits, fits, fitting

Column = list[Any] | Json
_SHORTER = 4
"""How many times fewer runs than values are worth it."""
MOST_TEXT = 1 << 26
"""Characters of a column that is written out: forged runs of a long text could be terabytes."""


def packed(values: Sequence[Any]) -> Column:
    """A column of values that JSON can hold. Equal is what has the same text: 1, 1.0 and true are
    not, nor are they within a dict.
    """
    groups = (list(group) for _, group in groupby(values, key=repr))
    runs = [[len(group), group[0]] for group in groups]
    worth = len(runs) * _SHORTER <= len(values) and _text(runs) <= MOST_TEXT
    return {"runs": runs} if worth else list(values)


def rows_of(
    cls: type[Any], columns: dict[str, Column], names: Sequence[str], count: int
) -> Iterator[Json]:
    """The fields of `count` records of a dataclass; ValueError for other types or lengths.

    Equal neighbours share their value: whoever changes it makes another one.
    """
    known = fitting(cls)
    same: Json = {}
    varying: dict[str, Iterable[Any]] = {}
    for name in names:
        column = columns[name]
        runs = column["runs"] if type(column) is dict else None
        if not _fit(column if runs is None else [value for _, value in runs], known[name]):
            raise ValueError(f"{cls.__name__}.{name} has values of other types")
        if runs is not None and not _cover(runs, count):
            raise ValueError(f"{cls.__name__}.{name} is not {count} values of some length")
        if runs is None:
            varying[name] = column
        elif len(runs) == 1:
            same[name] = runs[0][1]
        else:
            varying[name] = chain.from_iterable(repeat(value, many) for many, value in runs)
    for values in zip(range(count), *varying.values(), strict=True):
        yield same | dict(zip(varying, values[1:], strict=True))


def _cover(runs: Any, count: int) -> bool:
    if not all(type(many) is int and 0 < many <= count for many, _ in runs):
        return False
    return sum(many for many, _ in runs) == count and _text(runs) <= MOST_TEXT


def _text(runs: Any) -> int:
    return sum(many * len(repr(value)) for many, value in runs)


def _fit(values: Any, wanted: Fits) -> bool:
    """Whether all are what a field wants. Their types are looked at together."""
    kinds = set(map(type, values))
    if not kinds <= wanted.types:
        return False
    if kinds & NUMBERS and not _within(
        values if kinds <= NUMBERS else [value for value in values if type(value) in NUMBERS]
    ):
        return False
    return wanted.members is None or all(fits(value, wanted) for value in values if value)


def _within(numbers: list[Any]) -> bool:
    """Whether all are numbers that a run can have. NaN is smaller than nothing, nor larger."""
    return min(numbers) > -MOST and max(numbers) < MOST and not any(map(isnan, numbers))
