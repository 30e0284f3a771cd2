"""Braille dots, two by four per cell. Of many points each column shows the extremes.

Averaging would hide the one spike that matters. A column of dots is one whole number, a bit per
dot from the bottom up, so that a stroke is one operation however long it is, and a hexadecimal
digit of it is the half of a cell. Ten thousand points take a fraction of a millisecond.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from textual.content import Content, Span

HUGE = 1e300
"""From here on a value is no point but a gap, like one that is not finite: spans would overflow."""
_DOTS = (0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08)
"""Bits of the left and the right dots of a braille character, from the bottom up."""


def _half(digit: int, side: int) -> int:
    return sum(bit for place, bit in enumerate(_DOTS[side]) if digit >> place & 1)


_CELLS = {
    f"{left:x}{right:x}": chr(0x2800 + _half(left, 0) + _half(right, 1)) if left or right else " "
    for left in range(16)
    for right in range(16)
}
"""Character of two half cells; nothing where nothing is: some fonts draw the empty one as dots."""


class Polyline:
    """Points in order of x, in pieces between gaps; it grows at its end."""

    def __init__(self, points: Iterable[tuple[float, float | None]] = ()) -> None:
        self.pieces: list[tuple[list[float], list[float]]] = []
        self.low, self.high = math.inf, -math.inf
        """Of all y."""
        self._open = False
        for x, y in points:
            self.add(x, y)

    def add(self, x: float, y: float | None) -> None:
        """One more point; a missing value, or one that is not finite, interrupts the line."""
        if y is None or not abs(y) < HUGE:
            self._open = False
            return
        if not self._open:
            self.pieces.append(([], []))
            self._open = True
        xs, ys = self.pieces[-1]
        xs.append(float(x))  # comparing whole numbers with others takes three times as long
        ys.append(y)
        self.low, self.high = min(self.low, y), max(self.high, y)


@dataclass(frozen=True)
class Series:
    """One line with its name."""

    name: str
    line: Polyline
    style: str
    low: Polyline | None = None
    high: Polyline | None = None
    """Where it could as well be; both have the same points."""
    joined: bool = True
    """Whether it is a line, not points alone."""


class _Axis:
    """From values to dots."""

    def __init__(self, low: float, high: float, last: int) -> None:
        self.limits, self.last = (low, high), last
        self._low = low
        self._dots = last / (high - low) if high - low > 1 / HUGE else 0.0

    def place(self, value: float) -> int:
        """The nearest dot; the middle one where all values are the same."""
        if not self._dots:
            return self.last // 2
        dot = round((value - self._low) * self._dots)
        return dot if 0 <= dot <= self.last else max(0, min(dot, self.last))

    def after(self, dot: int) -> float:
        """The value from which on the next dot is nearer."""
        return self._low + (dot + 0.5) / self._dots if self._dots else self.limits[1]


class Canvas:
    """A grid of braille cells over a rectangle of the plane."""

    def __init__(
        self, columns: int, rows: int, x: tuple[float, float], y: tuple[float, float]
    ) -> None:
        self.columns, self.rows = columns, rows
        self._x, self._y = _Axis(*x, 2 * columns - 1), _Axis(*y, 4 * rows - 1)
        self._layers: dict[str, list[int]] = {}
        """Columns of dots by style; where two meet, the later style wins the cell."""

    def dot(self, x: float, y: float) -> tuple[int, int]:
        """Column, and height from the bottom, of the dot of a point, clamped to the canvas."""
        return self._x.place(x), self._y.place(y)

    def line(self, line: Polyline, style: str) -> None:
        """Draw a line; neighbouring columns are joined, missing points leave a gap."""
        layer, height = self._layer(style), self._y.place
        for xs, ys in line.pieces:
            before, bottom, top = -1, 0, 0
            for column, start, end in self._columns(xs):
                part = ys[start:end]
                low, high = height(min(part)), height(max(part))
                apart = column > before + 1 or low > top + 1 or high < bottom - 1
                if apart and before >= 0:
                    _join(layer, before, height(ys[start - 1]), column, height(part[0]))
                layer[column] |= _stroke(low, high)
                before, bottom, top = column, low, high

    def points(self, line: Polyline, style: str) -> None:
        """The points of a line alone."""
        layer = self._layer(style)
        for xs, ys in line.pieces:
            for x, y in zip(xs, ys, strict=True):
                layer[self._x.place(x)] |= 1 << self._y.place(y)

    def _columns(self, xs: Sequence[float]) -> Iterable[tuple[int, int, int]]:
        """Each column that has points, and which: from the first to before the second place."""
        start, stop, axis = 0, len(xs), self._x
        while start < stop:
            column = axis.place(xs[start])
            end = stop if column == axis.last else bisect_left(xs, axis.after(column), start + 1)
            yield column, start, end
            start = end

    def level(self, y: float, style: str) -> None:
        """A dotted horizontal line."""
        layer, height = self._layer(style), self._y.place(y)
        for column in range(0, 2 * self.columns, 4):
            layer[column] |= 1 << height

    def crossed(self, x: float, style: str) -> Canvas:
        """The same with a dotted vertical line; what was drawn is shared."""
        crossed = Canvas(self.columns, self.rows, self._x.limits, self._y.limits)
        crossed._layers = dict(self._layers)
        crossed._layer(style)[self._x.place(x)] = int("5" * self.rows, 16)
        return crossed

    def whiskers(self, low: Polyline, high: Polyline, style: str) -> None:
        """From low to high at each point where that can be told apart, else both as dotted lines.

        Points are too close when less than a cell lies between them.
        """
        layer, height = self._layer(style), self._y.place
        if all(self._apart(xs) for xs, _ in low.pieces):
            for (xs, lows), (_, highs) in zip(low.pieces, high.pieces, strict=True):
                for x, bottom, top in zip(xs, lows, highs, strict=True):
                    layer[self._x.place(x)] |= _stroke(height(bottom), height(top))
            return
        for (xs, lows), (_, highs) in zip(low.pieces, high.pieces, strict=True):
            for column, start, end in self._columns(xs):
                if not column % 3:
                    layer[column] |= 1 << height(min(lows[start:end]))
                    layer[column] |= 1 << height(max(highs[start:end]))

    def _apart(self, xs: Sequence[float]) -> bool:
        low, high = self._x.limits
        return len(xs) < 2 or (xs[-1] - xs[0]) / (len(xs) - 1) * self.columns >= high - low

    def _layer(self, style: str) -> list[int]:
        return self._layers.setdefault(style, [0] * (2 * self.columns))

    def text(self) -> list[str]:
        """The rows as plain braille."""
        return ["".join(row) for row in zip(*self._cells(), strict=True)]

    def lines(self, before: Sequence[str], after: Sequence[tuple[str, str]]) -> list[Content]:
        """The rows with their styles, between quiet words and (word, style) pairs.

        Put together at once: adding contents to each other would move every span several times.
        """
        names = ["", *self._layers]
        kinds = zip(*self._kinds(), strict=True)
        return [
            _row(text, _spans(row, names, len(left)), left, right)
            for text, row, left, right in zip(self.text(), kinds, before, after, strict=True)
        ]

    def _cells(self) -> Iterable[list[str]]:
        """The characters of each column of cells, from the top down."""
        all_dots = [_united(column) for column in zip(*self._layers.values(), strict=True)]
        all_dots = all_dots or [0] * (2 * self.columns)
        for left, right in zip(all_dots[::2], all_dots[1::2], strict=True):
            halves = zip(f"{left:0{self.rows}x}", f"{right:0{self.rows}x}", strict=True)
            yield [_CELLS[a + b] for a, b in halves]

    def _kinds(self) -> Iterable[str]:
        """Of each column of cells, from the top down, the place of the style as a digit."""
        ones = int("1" * self.rows, 16)
        layers = list(enumerate(self._layers.values(), start=1))
        for column in range(0, 2 * self.columns, 2):
            kinds = 0
            for place, layer in layers:
                dots = layer[column] | layer[column + 1]
                if dots:
                    lit = (dots | dots >> 1 | dots >> 2 | dots >> 3) & ones
                    kinds = kinds & ~(lit * 15) | lit * place
            yield f"{kinds:0{self.rows}x}"


def _united(dots: Iterable[int]) -> int:
    found = 0
    for each in dots:
        found |= each
    return found


def _row(text: str, spans: list[Span], left: str, right: tuple[str, str]) -> Content:
    word, style = right
    end = len(left) + len(text)
    around = [Span(0, len(left), "$text-muted"), *spans, Span(end, end + len(word), style)]
    return Content(left + text + word, [span for span in around if span.end > span.start])


def _spans(kinds: Sequence[str], names: Sequence[str], start: int) -> list[Span]:
    """The styles of a row that begins there; blank cells have none."""
    spans = []
    for kind, cells in groupby(kinds):
        end = start + len(list(cells))
        if kind != "0":
            spans.append(Span(start, end, names[int(kind, 16)]))
        start = end
    return spans


def _stroke(low: int, high: int) -> int:
    """The dots from low to high."""
    return (1 << high + 1) - (1 << low)


def _join(layer: list[int], x0: int, y0: int, x1: int, y1: int) -> None:
    """A line from dot to dot, each column its share of the way up or down."""
    wide, high = x1 - x0, y1 - y0
    if abs(high) <= wide:
        for x in range(x0 + 1, x1):
            layer[x] |= 1 << y0 + round(high * (x - x0) / wide)
        return
    way = 1 if high > 0 else -1
    start = y0
    for x in range(x0, x1 + 1):
        end = y1 if x == x1 else y0 + round(high * (x - x0 + 0.5) / wide)
        layer[x] |= _stroke(min(start, end), max(start, end))
        start = end + way if end != y1 else end
