"""A chart: lines on a canvas, with values on the left, places below and names at the ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual.content import Content

from atft_tui.canvas import Canvas, Polyline, Series

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


def chart(
    series: Sequence[Series],
    width: int,
    height: int,
    label: Callable[[float], str],
    *,
    zero: bool = False,
    at: float | None = None,
    blank: str = "no epoch has ended yet",
    ends: tuple[str, str] | None = None,
) -> list[Content]:
    """`height` lines of `width` cells, or one that says that there is nothing.

    `at` is where a hairline stands; `ends` are the words below, instead of the first and last x.
    """
    bounds = limits(series)
    if bounds is None or height < 3:
        return [Content.styled(blank, "$text-muted")]
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
        canvas.level(0.0, _QUIET)
    for one in series:
        if one.low and one.high:
            canvas.whiskers(one.low, one.high, f"{one.style} 50%")
    for one in series:
        canvas.line(one.line, one.style)
    if at is not None:
        canvas.hairline(at, "$text-muted")
    return [*_framed(canvas, series, ticks, left), _axis(canvas, left, x, at, ends)]


def _framed(
    canvas: Canvas, series: Sequence[Series], ticks: dict[int, str], left: int
) -> list[Content]:
    ends = _ends(canvas, series)
    return [
        Content.styled(ticks.get(row, "").rjust(left - 1) + " ", "$text-muted")
        + drawn
        + ends.get(row, Content(""))
        for row, drawn in enumerate(canvas.lines())
    ]


def _axis(
    canvas: Canvas, left: int, x: Limits, at: float | None, ends: tuple[str, str] | None
) -> Content:
    """Where the lines begin and end, and where the hairline stands if it is not there."""
    first, last = ends or (f"{x[0]:.0f}", f"{x[1]:.0f}")
    if first == last:
        return Content.styled(" " * left + first.center(canvas.columns), "$text-muted")
    room = max(0, canvas.columns - len(first) - len(last))
    mark = "" if at is None else f"{at:.0f}"
    place = 0 if at is None else canvas.dot(at, 0.0)[0] // 2 - len(first) - len(mark) // 2
    if not mark or not 1 <= place <= room - len(mark) - 1:
        return Content.styled(" " * left + first + " " * room + last, "$text-muted")
    quiet, after = "$text-muted", " " * (room - place - len(mark))
    before = " " * left + first + " " * place
    return Content.assemble((before, quiet), (mark, "bold"), (after + last, quiet))


def _ends(canvas: Canvas, series: Sequence[Series]) -> dict[int, Content]:
    """Each name beside the last point of its line; later series win the row."""
    ends: dict[int, Content] = {}
    for one in reversed(series):
        if not one.line.pieces:
            continue
        wanted = canvas.rows - 1 - canvas.dot(*_last(one.line))[1] // 4
        free = sorted(set(range(canvas.rows)) - ends.keys(), key=lambda row: abs(row - wanted))
        if free:
            ends[free[0]] = Content.styled(f" {one.name}", one.style)
    return ends


def _last(line: Polyline) -> tuple[float, float]:
    xs, ys = line.pieces[-1]
    return xs[-1], ys[-1]
