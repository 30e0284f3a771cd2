"""Many records as columns: in JSON a third of the objects, and read in a fraction of the time.

A column is a list of values; where neighbours mostly are equal, as the states of trials are,
`{"runs": [[how many, value], ...]}`; and where all values are objects with the same keys, as the
settings of trials are, `{"keys": {key: column, ...}}` with columns of the first two kinds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby, repeat
from math import isnan
from typing import Any, NamedTuple

from atft_core.run.events import Json
from atft_core.run.fits import MOST, NUMBERS, Fits, fits, fitting

Column = list[Any] | Json
_SHORTER = 4
"""How many times fewer runs than values are worth it."""
MOST_TEXT = 1 << 26
"""Characters of a column that is written out: forged runs of a long text could be terabytes."""
_ENTRY = 50
"""Characters that count for a key of an object that is made anew: so much memory it takes."""


def packed(values: Sequence[Any]) -> Column:
    """A column of values that JSON can hold. Equal is what has the same text: 1, 1.0 and true are
    not, nor are they within a dict.
    """
    for column in (_in_runs(values), _by_key(values)):
        if column is not None and _text(column, len(values)) <= MOST_TEXT:
            return column
    return list(values)


def _in_runs(values: Sequence[Any]) -> Json | None:
    groups = (list(group) for _, group in groupby(values, key=repr))
    runs = [[len(group), group[0]] for group in groups]
    return {"runs": runs} if len(runs) * _SHORTER <= len(values) else None


def _by_key(values: Sequence[Any]) -> Json | None:
    keys = list(values[0]) if values and type(values[0]) is dict else []
    if not keys or not all(type(value) is dict and list(value) == keys for value in values):
        return None
    members = {key: [value[key] for value in values] for key in keys}
    return {"keys": {key: _in_runs(each) or each for key, each in members.items()}}


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
        distinct, values = _spread(columns[name], count, cls, name)
        if not _fit(distinct, known[name]):
            raise ValueError(f"{cls.__name__}.{name} has values of other types")
        if len(distinct) == 1:
            same[name] = distinct[0]
        else:
            varying[name] = values
    for row in zip(range(count), *varying.values(), strict=True):
        yield same | dict(zip(varying, row[1:], strict=True))


class _Spread(NamedTuple):
    """The values of a column, and those of them to look at: one for all that are the same."""

    distinct: list[Any]
    values: Iterable[Any]


def _spread(column: Any, count: int, cls: type[Any], name: str) -> _Spread:
    if _text(column, count) > MOST_TEXT:
        raise ValueError(f"{cls.__name__}.{name} would be too much")
    by_key = type(column) is dict and "keys" in column
    spread = _of_keys(column["keys"], count) if by_key else _of_values(column, count)
    if spread is None:
        raise ValueError(f"{cls.__name__}.{name} is not {count} values")
    return spread


def _of_keys(members: Any, count: int) -> _Spread | None:
    spread = [_of_values(column, count) for column in members.values()]
    if not members or None in spread:
        return None
    rows = zip(*(each.values for each in spread if each), strict=True)
    made = [dict(zip(members, row, strict=True)) for row in rows]
    return _Spread(made, made)


def _of_values(column: Any, count: int) -> _Spread | None:
    """Nothing where they are not as many."""
    if type(column) is list:
        return _Spread(column, column) if len(column) == count else None
    runs = column["runs"]
    if not all(type(many) is int and 0 < many <= count for many, _ in runs):
        return None
    if sum(many for many, _ in runs) != count:
        return None
    values = chain.from_iterable(repeat(value, many) for many, value in runs)
    return _Spread([value for _, value in runs], values)


def _text(column: Any, count: int) -> int:
    """About how many characters are written anew where `count` values are written out."""
    if type(column) is list:
        return 0
    if "keys" in column:
        members = column["keys"]
        return sum(
            count * (_ENTRY + len(key)) + _text(each, count) for key, each in members.items()
        )
    return sum(_number(many) * len(repr(value)) for many, value in column["runs"])


def _number(many: Any) -> int:
    """ValueError for what is none: a text times a number is a long text."""
    if type(many) is not int:
        raise ValueError(f"{type(many).__name__} is no number of values")
    return many


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
