"""A chart: lines on a canvas, with values on the left, places below and names at the ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from textual.content import Content

from atft_tui.charts.canvas import Canvas, Polyline, Series

_QUIET = "$text-muted 40%"
Limits = tuple[float, float]


def limits(series: Sequence[Series]) -> tuple[Limits, Limits] | None:
    """Smallest and largest x and y of all that is to be seen; None without a point."""
    lines = [line for one in series for line in (one.line, one.low, one.high)
             if line and line.pieces]  # fmt: skip
    if not lines:
        return None
    low, high = min(line.low for line in lines), max(line.high for line in lines)
    margin = (high - low) * 0.05 or abs(high) * 0.1 or 1.0
    first = min(line.pieces[0][0][0] for line in lines)
    last = max(line.pieces[-1][0][-1] for line in lines)
    return (first, last), (low - margin, high + margin)


@dataclass(frozen=True)
class Chart:
    """A chart that is drawn already; a hairline is put over it."""

    canvas: Canvas
    before: Sequence[str]
    """What stands left of each row."""
    after: Sequence[tuple[str, str]]
    """What stands right of it, and its style."""
    ends: tuple[str, str]
    """What stands below its first and its last column."""

    def lines(self, at: float | None = None) -> list[Content]:
        """The rows and the axis; `at` is where the hairline stands."""
        canvas = self.canvas if at is None else self.canvas.crossed(at, "$text-muted")
        return [*canvas.lines(self.before, self.after), self._axis(at)]

    def _axis(self, at: float | None) -> Content:
        """Where the lines begin and end, and where the hairline stands if it is not there."""
        left, columns, (first, last) = " " * len(self.before[0]), self.canvas.columns, self.ends
        if first == last:
            return Content.styled(left + first.center(columns), "$text-muted")
        room = max(0, columns - len(first) - len(last))
        mark = "" if at is None else f"{at:.0f}"
        place = 0 if at is None else self.canvas.dot(at, 0.0)[0] // 2 - len(first) - len(mark) // 2
        if not mark or not 1 <= place <= room - len(mark) - 1:
            return Content.styled(left + first + " " * room + last, "$text-muted")
        before, after = left + first + " " * place, " " * (room - place - len(mark)) + last
        return Content.assemble((before, "$text-muted"), (mark, "bold"), (after, "$text-muted"))


def plot(
    series: Sequence[Series],
    width: int,
    height: int,
    label: Callable[[float], str],
    *,
    zero: bool = False,
    ends: tuple[str, str] | None = None,
) -> Chart | None:
    """A chart of `height` lines of `width` cells; None where there is nothing to draw, or no room.

    `ends` are the words below, instead of the first and the last x.
    """
    bounds = limits(series)
    if bounds is None or height < 3:
        return None
    x, y = bounds
    if zero:
        y = (min(y[0], 0.0), max(y[1], 0.0))
    ticks = {0: label(y[1]), height - 2: label(y[0])}
    if height >= 6:
        ticks[(height - 2) // 2] = label((y[0] + y[1]) / 2)
    left = max(map(len, ticks.values())) + 2
    names = max(len(s.name) for s in series) + 1
    canvas = Canvas(max(4, width - left - names), height - 1, x, y)
    _draw(canvas, series, zero=zero)
    before = [ticks.get(row, "").rjust(left - 1) + " " for row in range(canvas.rows)]
    after = _names(canvas, series)
    return Chart(canvas, before, after, ends or (f"{x[0]:.0f}", f"{x[1]:.0f}"))


def _draw(canvas: Canvas, series: Sequence[Series], *, zero: bool) -> None:
    if zero:
        canvas.level(0.0, _QUIET)
    for one in series:
        if one.low and one.high:
            canvas.whiskers(one.low, one.high, f"{one.style} 50%")
    for one in series:
        draw = canvas.line if one.joined else canvas.points
        draw(one.line, one.style)


def _names(canvas: Canvas, series: Sequence[Series]) -> list[tuple[str, str]]:
    """Each name beside the last point of its line; later series win the row."""
    ends: dict[int, tuple[str, str]] = {}
    for one in reversed(series):
        if not one.line.pieces:
            continue
        wanted = canvas.rows - 1 - canvas.dot(*_last(one.line))[1] // 4
        free = sorted(set(range(canvas.rows)) - ends.keys(), key=lambda row: abs(row - wanted))
        if free:
            ends[free[0]] = f" {one.name}", one.style
    return [ends.get(row, ("", "")) for row in range(canvas.rows)]


def _last(line: Polyline) -> tuple[float, float]:
    xs, ys = line.pieces[-1]
    return xs[-1], ys[-1]
