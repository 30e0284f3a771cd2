"""What a program's lines tell: epochs and metrics, by regular expressions or as JSON objects."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from atft_core.config.command import CommandConfig
from atft_core.errors import NonFiniteLossError
from atft_core.run.events import Json
from atft_core.run.fits import MOST

_HORIZON = re.compile(r"h(\d{1,4})_(\w+)")
_DIGITS = 300
_MOST_EPOCHS = 10**9
_MOST = 200
"""Metrics of an epoch; a program may print anything."""


class Ear:
    """Hears lines and makes rows of epochs of them, as metrics.json has them."""

    def __init__(self, command: CommandConfig, horizon: int, first: int | None = None) -> None:
        """`first`: the number that the program gives its first epoch, where that is known: 0 or 1;
        else the first one that it tells decides.
        """
        self.first = first
        self._patterns = [re.compile(text) for text in command.patterns]
        self._begins = command.epoch == "begins"
        self._value, self._horizon = command.value.removeprefix("-"), horizon
        self._epoch: int | None = None
        """Which is under way, where epochs begin."""
        self._told: dict[str, float] = {}
        self._since = time.time()

    def hear(self, line: str) -> Json | None:
        """The row of an epoch that this line ends; NonFiniteLossError where its value is none."""
        numbers = dict(self._numbers(line))
        epoch = self._counted(numbers.pop("epoch", None))
        if epoch is None:
            self._note(numbers)
            return None
        if not self._begins:
            self._note(numbers)
            return self._row(epoch)
        row = self._row(self._epoch) if self._epoch not in (None, epoch) else None
        self._epoch = epoch
        self._note(numbers)
        return row

    def rest(self) -> Json | None:
        """The row of the epoch that the end of the program ended."""
        return self._row(self._epoch) if self._begins and self._epoch is not None else None

    def _counted(self, told: float | None) -> int | None:
        """The epoch, from 1; None for a number that is none."""
        if told is None or not 0 <= told < _MOST_EPOCHS:
            return None
        if self.first is None:
            self.first = 0 if told < 1 else 1
        return int(told) - self.first + 1

    def _numbers(self, line: str) -> Iterator[tuple[str, float]]:
        if line.lstrip()[:1] == "{":
            yield from _of_json(line)
        for pattern in self._patterns:
            for found in pattern.finditer(line):
                for name, text in found.groupdict().items():
                    if text is not None and (number := _number(text)) is not None:
                        yield name, number

    def _note(self, numbers: Mapping[str, float]) -> None:
        room = _MOST - len(self._told)
        self._told |= dict(list(numbers.items())[:room])

    def _row(self, epoch: int | None) -> Json:
        told, began, now = self._told, self._since, time.time()
        self._told, self._since = {}, now
        train: Json = {}
        val: dict[str, Json] = {str(self._horizon): {}}
        for name, number in told.items():
            plain = name.removeprefix("val_")
            if name.startswith("train_"):
                place, plain = train, name.removeprefix("train_")
            elif at := _HORIZON.fullmatch(plain):
                place, plain = val.setdefault(at[1], {}), at[2]
            else:
                place = val[str(self._horizon)]
            if not -MOST < number < MOST:  # NaN is in no range
                self._refuse(plain, number, epoch or 0, of_value=place is not train)
                continue
            place[plain] = int(number) if plain in ("days", "n") else number
        return {
            "epoch": epoch, "seconds": now - began, "batches": 0, "batches_available": 0,
            "time": {"train_start": began, "train_end": now}, "train": train, "val": val,
        }  # fmt: skip

    def _refuse(self, name: str, number: float, epoch: int, *, of_value: bool) -> None:
        """What the trial is judged by cannot be NaN; any other metric may be undefined."""
        if name == "loss" or (of_value and name == self._value):
            raise NonFiniteLossError(f"{name} is {number:g} at epoch {epoch}")


def _of_json(line: str) -> Iterator[tuple[str, float]]:
    try:
        found: Any = json.loads(line, parse_int=_whole)
    except (ValueError, RecursionError):
        return
    for key, value in found.items() if isinstance(found, dict) else ():
        if isinstance(value, int | float) and not isinstance(value, bool):
            with suppress(OverflowError):  # a whole number of four hundred digits
                yield re.sub(r"\W", "_", str(key)).lower(), float(value)


def _whole(text: str) -> float:
    """A number of five thousand digits is none, and no reason to lose the rest of its line."""
    return int(text) if len(text) < _DIGITS else math.nan


def _number(text: str) -> float | None:
    try:
        return float(text.strip().rstrip("%,;"))
    except ValueError:
        return None
