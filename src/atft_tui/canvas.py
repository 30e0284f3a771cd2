"""Line charts in braille, two by four dots per cell, drawn from the extremes of each column.

Where there are more points than dots, a column shows its minimum and its maximum: averaging would
hide the one spike that matters. Pure Python: a chart of ten thousand points takes milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from textual.content import Content

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bit of the dot at (row, column) of a braille cell."""
_HUGE = 1e300
"""From here on a value is no point but a gap, like one that is not finite: spans would overflow."""


@dataclass(frozen=True)
class Series:
    """One line: its points in order of x; a missing y interrupts it."""

    name: str
    points: tuple[tuple[float, float | None], ...]
    style: str


class Canvas:
    """A grid of braille cells over a rectangle of the plane."""

    def __init__(
        self, columns: int, rows: int, x: tuple[float, float], y: tuple[float, float]
    ) -> None:
        self.columns, self.rows = columns, rows
        self._x, self._y = x, y
        self._bits = [[0] * columns for _ in range(rows)]
        self._styles = [[""] * columns for _ in range(rows)]

    def dot(self, x: float, y: float) -> tuple[int, int]:
        """Dot column and dot row (from the top) of a point, clamped to the canvas."""
        column = _scale(x, self._x, 2 * self.columns - 1)
        row = 4 * self.rows - 1 - _scale(y, self._y, 4 * self.rows - 1)
        return column, row

    def set(self, column: int, row: int, style: str) -> None:
        """Light one dot; its cell takes the style."""
        self._bits[row // 4][column // 2] |= _DOTS[row % 4][column % 2]
        self._styles[row // 4][column // 2] = style

    def line(self, series: Series) -> None:
        """Draw a series; neighbouring columns are joined, missing points leave a gap."""
        for piece in _pieces(series.points):
            dots = _thin([self.dot(x, y) for x, y in piece])
            self.set(*dots[0], series.style)
            for start, end in pairwise(dots):
                self._join(start, end, series.style)

    def level(self, y: float, style: str) -> None:
        """A dotted horizontal line."""
        row = self.dot(self._x[0], y)[1]
        for column in range(0, 2 * self.columns, 4):
            self.set(column, row, style)

    def _join(self, start: tuple[int, int], end: tuple[int, int], style: str) -> None:
        (x0, y0), (x1, y1) = start, end
        steps = max(abs(x1 - x0), abs(y1 - y0), 1)
        for i in range(steps + 1):
            self.set(x0 + round((x1 - x0) * i / steps), y0 + round((y1 - y0) * i / steps), style)

    def text(self) -> list[str]:
        """The rows as plain braille."""
        return ["".join(map(_cell, row)) for row in self._bits]

    def lines(self) -> list[Content]:
        """The rows with their styles."""
        return [
            Content.assemble(
                *((_cell(bits), style) for bits, style in zip(row, styles, strict=True))
            ).simplify()
            for row, styles in zip(self._bits, self._styles, strict=True)
        ]


def _cell(bits: int) -> str:
    """A braille character; nothing where nothing is: some fonts draw the empty one as dots."""
    return chr(0x2800 + bits) if bits else " "


def _scale(value: float, limits: tuple[float, float], last: int) -> int:
    low, high = limits
    if high <= low:
        return last // 2
    return min(last, max(0, round((value - low) / (high - low) * last)))


def _pieces(
    points: Sequence[tuple[float, float | None]],
) -> list[list[tuple[float, float]]]:
    """Runs of points between gaps."""
    pieces: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if y is None or not abs(y) < _HUGE:
            pieces.append([])
        else:
            pieces[-1].append((x, y))
    return [piece for piece in pieces if piece]


def _thin(dots: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """First, lowest, highest and last dot of each column, in the order in which they came."""
    thinned: list[tuple[int, int]] = []
    start = 0
    for i in range(1, len(dots) + 1):
        if i == len(dots) or dots[i][0] != dots[start][0]:
            rows = [row for _, row in dots[start:i]]
            keep = {0, len(rows) - 1, rows.index(min(rows)), rows.index(max(rows))}
            thinned += [dots[start + k] for k in sorted(keep)]
            start = i
    return thinned


def limits(series: Sequence[Series]) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Smallest and largest x and y of all points that are there; None without any."""
    points = [p for s in series for piece in _pieces(s.points) for p in piece]
    if not points:
        return None
    xs, ys = [x for x, _ in points], [y for _, y in points]
    low, high = min(ys), max(ys)
    margin = (high - low) * 0.05 or abs(high) * 0.1 or 1.0
    return (min(xs), max(xs)), (low - margin, high + margin)


def chart(
    series: Sequence[Series],
    width: int,
    height: int,
    label: Callable[[float], str],
    zero: bool = False,
) -> list[Content]:
    """A chart with y labels on the left, x limits below and each line's name at its end."""
    bounds = limits(series)
    if bounds is None or height < 3:
        return [Content.styled("no epoch has ended yet", "$text-muted")]
    x, y = bounds
    if zero:
        y = (min(y[0], 0.0), max(y[1], 0.0))
    ticks = {0: label(y[1]), height - 2: label(y[0])}
    if height >= 6:
        ticks[(height - 2) // 2] = label((y[0] + y[1]) / 2)
    left = max(map(len, ticks.values())) + 1
    names = max(len(s.name) for s in series) + 1
    canvas = Canvas(max(4, width - left - names), height - 1, x, y)
    if zero:
        canvas.level(0.0, "$text-muted 40%")
    for one in series:
        canvas.line(one)
    return _framed(canvas, series, ticks, left, x)


def _framed(
    canvas: Canvas,
    series: Sequence[Series],
    ticks: dict[int, str],
    left: int,
    x: tuple[float, float],
) -> list[Content]:
    ends = _ends(canvas, series)
    lines = []
    for row, drawn in enumerate(canvas.lines()):
        tick = Content.styled(ticks.get(row, "").rjust(left - 1) + " ", "$text-muted")
        lines.append(tick + drawn + ends.get(row, Content("")))
    first, last = f"{x[0]:.0f}", f"{x[1]:.0f}"
    if first == last:
        axis = first.center(canvas.columns)
    else:
        axis = first + last.rjust(max(0, canvas.columns - len(first)))
    return [*lines, Content.styled(" " * left + axis, "$text-muted")]


def _ends(canvas: Canvas, series: Sequence[Series]) -> dict[int, Content]:
    """Each name beside the last point of its line; later series win the row."""
    ends: dict[int, Content] = {}
    for one in reversed(series):
        pieces = _pieces(one.points)
        if not pieces:
            continue
        wanted = canvas.dot(*pieces[-1][-1])[1] // 4
        free = sorted(set(range(canvas.rows)) - ends.keys(), key=lambda row: abs(row - wanted))
        if free:
            ends[free[0]] = Content.styled(f" {one.name}", one.style)
    return ends
