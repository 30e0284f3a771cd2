"""The newest validation day by day, and the mean so far."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from atft_core.run.daily import Day
from atft_core.run.foreign import clean
from atft_core.run.wording import ratio
from atft_tui.charts.canvas import Polyline, Series
from atft_tui.charts.chart import plot
from atft_tui.format import line
from atft_tui.pane import Pane, Row
from atft_tui.view import View


class DailyPane(Pane):
    """RankIC of each day as a dot, and a line through the means so far."""

    def __init__(self, id: str | None = None, *, focus: bool = False) -> None:
        super().__init__(id=id, focus=focus)
        self._drawn: tuple[object, list[Row]] = (None, [])

    def captions(self, view: View) -> tuple[str, str]:
        """At which horizon."""
        return f"7 RankIC by day, horizon {view.state.horizon}", "line: mean so far"

    def rows(self, view: View, width: int, height: int) -> list[Row]:
        """What is the same as before is not drawn again."""
        days = view.about.days if view.about else ()
        now = width, height, days
        if now != self._drawn[0]:
            self._drawn = now, [Row(content) for content in drawn(days, width, height)]
        return self._drawn[1]


def drawn(days: Sequence[Day], width: int, height: int) -> list[Content]:
    """Figures, then the chart."""
    values = [(day.date, day.rank_ic) for day in days if day.rank_ic is not None]
    if not values:
        return [line((" no day has been measured yet", "$text-muted"))]
    daily = Polyline((float(x), day.rank_ic) for x, day in enumerate(days))
    mean, total, count = Polyline(), 0.0, 0
    for x, day in enumerate(days):
        if day.rank_ic is not None:
            total, count = total + day.rank_ic, count + 1
            mean.add(float(x), total / count)
    good = sum(value > 0 for _, value in values)
    worst, best = min(values, key=lambda v: v[1]), max(values, key=lambda v: v[1])
    figures = [
        f" mean {ratio(total / count)}",
        f"above 0 {100 * good / count:.0f} % of {count} days",
    ]
    figures += [f"{word} {ratio(value)} {clean(date, 10)}"
                for word, (date, value) in (("worst", worst), ("best", best))]  # fmt: skip
    while len("   ".join(figures)) > width and len(figures) > 2:
        figures.pop()
    found = plot(
        [Series("", daily, "$text-primary", joined=False), Series("", mean, "$text-warning")],
        width - 1, height - 1, ratio, zero=True,
        ends=(clean(days[0].date, 10), clean(days[-1].date, 10)),
    )  # fmt: skip
    return [line("   ".join(figures)), *(found.lines() if found else ())]
