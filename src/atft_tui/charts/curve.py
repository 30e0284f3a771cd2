"""A metric of a trial by epoch. Only epochs that are new are read."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence

from atft_core.run.epochs import EpochRow
from atft_core.run.state import Trial
from atft_tui.charts.canvas import HUGE, Polyline
from atft_tui.charts.metrics import Metric


class Curve:
    """It grows with its trial."""

    def __init__(self, metric: Metric, *, log: bool) -> None:
        """`log`: drawn are decimal logarithms, and what has none is left out."""
        self._metric, self._log = metric, log
        self._forget()

    def _forget(self) -> None:
        self._read = 0
        self._first: EpochRow | None = None
        self._last: EpochRow | None = None
        self.epochs: list[int] = []
        self.values: list[float | None] = []
        self.errors: list[float | None] = []
        self.lowest: tuple[float, int] | None = None
        self.highest: tuple[float, int] | None = None
        """Value and epoch."""
        self.line, self.low, self.high = Polyline(), Polyline(), Polyline()
        """What is drawn: the values, and a standard error below and above."""
        self.left_out = 0
        """Values without a logarithm."""

    def take(self, rows: Sequence[EpochRow]) -> None:
        """Read what is new of a trial; one that is another than before, from its beginning."""
        if not self._continues(rows):
            self._forget()
        for row in rows[self._read :]:
            self._add(row.epoch, self._metric.read(row), self._metric.error(row))
        if rows:
            self._read, self._first, self._last = len(rows), rows[0], rows[-1]

    def _continues(self, rows: Sequence[EpochRow]) -> bool:
        known = self._read
        return not known or (
            len(rows) >= known and rows[0] is self._first and rows[known - 1] is self._last
        )

    def _add(self, epoch: int, value: float | None, error: float | None) -> None:
        self.epochs.append(epoch)
        self.values.append(value)
        self.errors.append(error)
        if value is not None:
            if self.lowest is None or value < self.lowest[0]:
                self.lowest = value, epoch
            if self.highest is None or value > self.highest[0]:
                self.highest = value, epoch
        drawn = self._drawn(value)
        self.left_out += value is not None and drawn is None
        self.line.add(epoch, drawn)
        low = high = None
        if value is not None and error is not None and error >= 0:
            low, high = self._drawn(value - error), self._drawn(value + error)
        self.low.add(epoch, None if high is None else low)
        self.high.add(epoch, None if low is None else high)

    def _drawn(self, value: float | None) -> float | None:
        if value is None or abs(value) >= HUGE:
            return None
        if not self._log:
            return value
        return math.log10(value) if value > 0 else None

    def place(self, epoch: int) -> int | None:
        """Where an epoch stands in the lists."""
        place = bisect_left(self.epochs, epoch)
        return place if place < len(self.epochs) and self.epochs[place] == epoch else None


class Curves:
    """The curves that were asked for last."""

    def __init__(self, limit: int = 40) -> None:
        self._limit = limit
        self._curves: dict[tuple[int, tuple[str, ...], bool], Curve] = {}

    def of(self, trial: Trial, metric: Metric, *, log: bool = False) -> Curve:
        """The curve up to the newest epoch of the trial."""
        key = trial.number, metric.path, log
        curve = self._curves.pop(key, None) or Curve(metric, log=log)
        curve.take(trial.epochs)
        self._curves[key] = curve  # behind the others: the oldest goes first
        while len(self._curves) > self._limit:
            del self._curves[next(iter(self._curves))]
        return curve
