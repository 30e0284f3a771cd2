"""The epochs of a trial, in order; those of a snapshot are decoded when somebody looks at them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, MutableSequence
from dataclasses import dataclass, field
from functools import cached_property
from sys import intern
from typing import Any, overload

from atft_core.run.events import Json
from atft_core.run.fits import made
from atft_core.run.foreign import DAMAGE
from atft_core.run.wording import finite


@dataclass
class EpochRow:
    """One epoch of a trial, as the first worker that finished it reported it."""

    epoch: int
    """From 1."""
    t: float
    """When it ended, in seconds since 1970."""
    seconds: float
    """From its first batch to the end of its validation and checkpoint."""
    batches: int
    batches_available: int
    """All that the train days give, where `batches` may have been limited."""
    time: Json
    """Seconds by part: wait, forward, backward, optimiser, validate, checkpoint, other."""
    train: Json
    """Loss and its terms, means over the batches."""
    val: dict[str, Json]
    """Metrics by horizon, which is a number of days as text."""
    gpu: Json | None
    """Duty in percent: n samples, p10, p50, p90."""
    rates: Json = field(default_factory=dict)
    """windows_per_s, gflop_per_s, gb_per_s."""
    seq: int = 0
    """Which event of the log said so."""

    def metric(self, name: str, horizon: int) -> float | None:
        """A validation metric of this epoch, None where it is undefined (NaN, infinity too)."""
        return finite(self.val.get(str(horizon), {}).get(name))

    def objective(self, wanted: str, horizon: int) -> float | None:
        """What a study maximises of this epoch: a validation metric, or with a minus before its
        name what is smaller when better.
        """
        value = self.metric(wanted.removeprefix("-"), horizon)
        return -value if value is not None and wanted.startswith("-") else value


def interned(value: Json) -> Json:
    """The same with names that all rows share: of a row they are a quarter.

    Not deeper than rows are: a line that others wrote may be a tower.
    """
    return {
        intern(name): {intern(key): each for key, each in held.items()}
        if isinstance(held, dict)
        else held
        for name, held in value.items()
    }


def epoch_row(raw: Json) -> EpochRow:
    """A row of what JSON holds; ValueError for values of other types."""
    return made(EpochRow, raw)


def _decoded(text: memoryview) -> list[EpochRow]:
    """Rows; none where the text was forged.

    A checksum tells damage before; whoever looks at a run that others wrote must not fall over it.
    """
    try:
        return [epoch_row(row) for row in json.loads(bytes(text))]
    except DAMAGE:
        return []


_NOTHING: Any = (0.0, 0.0, 0, 0, {}, {}, {}, None)
"""Of an epoch but its number."""


class Later:
    """Rows that are still text. All copies of the epochs share them, decoded once."""

    def __init__(self, text: memoryview, places: tuple[int, int, int], count: int) -> None:
        """`text` has, from the first place to the second, a list of the last row alone, from there
        to the third one of those before.
        """
        self.count = count
        self._text, self._places = text, places
        self._rows: list[EpochRow] | None = None

    @cached_property
    def newest(self) -> EpochRow:
        """The last one; one that says nothing where the text was forged."""
        start, middle, _ = self._places
        return next(iter(_decoded(self._text[start:middle])), EpochRow(self.count, *_NOTHING))

    def rows(self) -> list[EpochRow]:
        """All of them."""
        if self._rows is None:  # another thread may be at it, too: both find the same
            _, middle, end = self._places
            earlier = _decoded(self._text[middle:end])[: self.count - 1]
            self._rows = [*earlier, self.newest]
        return self._rows


class Epochs(MutableSequence[EpochRow]):
    """A list of rows.

    How many there are and the newest one are known without decoding the rest: a screen of ten
    thousand trials needs no more.
    """

    __slots__ = ("_later", "_rows")
    __hash__ = None  # type: ignore[assignment]  # it has an __eq__, and changes

    def __init__(self, rows: Iterable[EpochRow] = (), later: Later | None = None) -> None:
        """`later`: the rows, instead of `rows`."""
        self._rows, self._later = list(rows), later

    def _all(self) -> list[EpochRow]:
        later = self._later  # looked at once: another thread may be decoding, too
        if later is not None:
            self._rows = list(later.rows())
            self._later = None
        return self._rows

    def copy(self) -> Epochs:
        """Other epochs of the same rows."""
        later = self._later  # before the rows, which it is replaced by
        return Epochs(self._rows, later)

    __copy__ = copy

    def __len__(self) -> int:
        later = self._later
        return len(self._rows) if later is None else later.count

    @overload
    def __getitem__(self, place: int) -> EpochRow: ...
    @overload
    def __getitem__(self, place: slice) -> list[EpochRow]: ...
    def __getitem__(self, place: int | slice) -> EpochRow | list[EpochRow]:
        later = self._later
        if later is not None and place == -1:
            return later.newest
        return self._all()[place]

    @overload
    def __setitem__(self, place: int, value: EpochRow) -> None: ...
    @overload
    def __setitem__(self, place: slice, value: Iterable[EpochRow]) -> None: ...
    def __setitem__(self, place: Any, value: Any) -> None:
        self._all()[place] = value

    def __delitem__(self, place: int | slice) -> None:
        del self._all()[place]

    def insert(self, index: int, value: EpochRow) -> None:
        """Put a row before another."""
        self._all().insert(index, value)

    def __iter__(self) -> Iterator[EpochRow]:
        return iter(self._all())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Epochs | list) and list(self) == list(other)

    def __repr__(self) -> str:
        return f"Epochs({self._all()!r})"
