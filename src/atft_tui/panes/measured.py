"""What a criterion was computed from: drawn against its bars, and listed event by event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from textual.content import Content

from atft_core.run.foreign import clean
from atft_core.run.judge.checklist import bar, quantity
from atft_core.run.judge.criteria import Result
from atft_core.run.judge.traces import Trace
from atft_core.run.wording import MISSING, fixed, several
from atft_tui.charts.canvas import Polyline, Series
from atft_tui.charts.chart import plot
from atft_tui.format import clock, cut, line, pad
from atft_tui.pane import Pane, Row, Table
from atft_tui.view import View

_DASHES = 40
"""Dots of a level line."""
Days = Sequence[tuple[str, float | None]]


class PlotPane(Pane):
    """The value by epoch or by trial, with the bars as level lines."""

    result: Result | None = None
    trace: Trace | None = None

    def captions(self, view: View) -> tuple[str, str]:
        """Over what it is drawn."""
        axis = f" by {self.trace.axis}" if self.trace and self.trace.plotted else ""
        return f"{clean(self.result.title, 30)}{axis}" if self.result else "Plot", ""

    def rows(self, view: View, width: int, height: int) -> list[Row]:
        """A chart; what was seen, where that is a word."""
        if self.trace is None or self.result is None:
            return [_muted("reading ...")]
        if self.result.wanted:
            return _seen(self.result, self.trace)
        if not any(y is not None for _, y in self.trace.plotted):
            return [_muted("nothing measured yet")]
        unit, series = self.result.unit, _series(self.result, self.trace)
        drawn = plot(series, width - 2, height, lambda value: quantity(value, unit))
        return [Row(Content(" ") + content) for content in drawn.lines()] if drawn else []


def _series(result: Result, trace: Trace) -> list[Series]:
    """The bars first, so that the values are drawn over them."""
    points = trace.plotted
    first, last = points[0][0], points[-1][0]
    decides = "bar" if result.decides not in (result.minimum, result.target) else ""
    levels = {"goal": result.target, "min": result.minimum, decides: result.decides}
    drawn: list[Series] = []
    for name, y in levels.items():
        if name and y is not None and all(y != other.line.low for other in drawn):
            drawn.append(Series(name, _level(first, last, y), "$text-warning", joined=False))
    return [*drawn, Series("", Polyline(points), "$text-primary")]


def _level(first: float, last: float, y: float) -> Polyline:
    """A dotted horizontal line."""
    return Polyline((first + (last - first) * i / _DASHES, y) for i in range(_DASHES + 1))


def _seen(result: Result, trace: Trace) -> list[Row]:
    counts = Counter(point.said for point in trace.points)
    rows = [_muted(f"wanted {clean(bar(result, 'minimum'))}")]
    rows += [
        Row(line(f" {pad(clean(said, 40), 20)} ", f"{count:>6}", (" workers", "$text-muted")))
        for said, count in counts.most_common(20)
    ]
    return rows if counts else [*rows, _muted("no worker has reported yet")]


class EventsPane(Pane):
    """One line per measurement, the newest first; or the value of each day."""

    result: Result | None = None
    trace: Trace | None = None
    days: Days | None = None
    """None: the events."""
    complaint = ""

    def captions(self, view: View) -> tuple[str, str]:
        """What is listed, and how much of it."""
        title = f" of {clean(self.result.title, 30)}" if self.result else ""
        if self.days is not None:
            count = f"{several(len(self.days), 'day')}, newest first" if self.days else ""
            return f"Days{title}", count
        if self.trace is None or not self.trace.total:
            return f"Events{title}", ""
        shown, total = len(self.trace.points), self.trace.total
        some = f"{shown} of {total}" if shown < total else str(total)
        return f"Events{title}: {self.trace.kind}", f"{some}, newest first; * decides"

    def rows(self, view: View, width: int, height: int) -> Sequence[Row]:
        """The list that is wanted."""
        if self.result is None:
            return [_muted("reading ...")]
        if self.days is not None:
            return self._by_day(self.days, self.result)
        return self._by_event(self.trace, self.result)

    def _by_event(self, trace: Trace | None, result: Result) -> Sequence[Row]:
        if trace is None:
            return [_muted("reading ...")]
        if not trace.points:
            return [_muted("no such event yet")]
        points = trace.points[::-1]
        head = line(("    seq      time  trial  epoch      value", "$text-muted"))

        def make(place: int) -> Content:
            point = points[place]
            number = clean(point.said, 40) or quantity(point.value, result.unit)
            epoch = str(point.epoch) if point.epoch else MISSING
            return line(
                f"{point.seq or MISSING:>7}", (f"  {clock(point.t)}", "$text-muted"),
                f"{point.trial:>7}{epoch:>7} {cut(number, 10):>10}",
                (" *" if point.decides else "", "$text-accent"),
            )  # fmt: skip

        return Table([Row(head)], [f"{p.trial}.{p.epoch}" for p in points], make)

    def _by_day(self, days: Days, result: Result) -> Sequence[Row]:
        if not days:
            return [_muted(self.complaint or "this criterion has no values by day")]
        known = [value for _, value in days if value is not None]
        mean = sum(known) / len(known) if known else None
        above = sum(value > 0 for value in known)
        said = f" mean {fixed(mean, 4)}   above 0 on {above} of {len(known)} days"
        return [
            Row(line((cut(said, 60), "$text-muted"))),
            *(Row(line((f" {clean(date, 10)}", "$text-muted"), f" {fixed(value, 4, 9)}"))
              for date, value in reversed(days)),
        ]  # fmt: skip


def _muted(text: str) -> Row:
    return Row(line((f" {text}", "$text-muted")))
