"""Curves by epoch: RankIC and loss at a glance, any metric with its values when looked at."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import nlargest
from itertools import chain
from typing import ClassVar

from rich.cells import cell_len
from textual.binding import BindingType
from textual.content import Content

from atft_core.run.state import State, Trial
from atft_tui.bindings import bindings
from atft_tui.charts.canvas import Series
from atft_tui.charts.chart import Chart, plot
from atft_tui.charts.curve import Curve, Curves
from atft_tui.charts.metrics import Metric, entry_lag, judged_by, loss, metrics
from atft_tui.charts.table import COLOURS, one_line, table
from atft_tui.format import cut, line
from atft_tui.pane import Pane, Row
from atft_tui.view import View

_CHART = 8
"""Lines that a chart keeps when values stand below it."""
_KEYS = "m M metric  l log  left right epoch"


class CurvesPane(Pane):
    """Two charts; with the focus one, of the chosen metric, over the values at the chosen epoch."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("curves")

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id, focus=True)
        self.chosen: tuple[int, ...] = ()
        """Trials that are drawn; none: the best and the newest."""
        self._why = ""
        self._path: tuple[str, ...] = ()
        """Of the chosen metric; none: the first."""
        self._log = False
        self._epoch: int | None = None
        """Where the hairline stands; None: the newest epoch, whatever it is."""
        self._found: tuple[State | None, tuple[int, ...], list[Trial]] = (None, (), [])
        self._curves = Curves()
        self._drawn: tuple[object, list[Row]] = (None, [])
        self._plot: tuple[object, Chart | None] = (None, None)
        self._known: tuple[object, list[Metric]] = (None, [])

    def choose(self, numbers: Sequence[int], why: str) -> None:
        """Draw these trials, in this order; `why` says which they are."""
        if (tuple(numbers), why) != (self.chosen, self._why):
            self.chosen, self._why = tuple(numbers), why
            self.cursor = str(numbers[0]) if numbers else ""
            self.draw()

    @property
    def _close(self) -> bool:
        """Whether somebody looks at one metric."""
        return self.has_focus or self.has_class("zoom")

    def captions(self, view: View) -> tuple[str, str]:
        """Which metric of how many; which of many trials are drawn."""
        which = self._which(view.state)
        if not self._close:
            return "5 Curves by epoch", which
        every, metric = self._metrics(view.state), self._metric(view.state)
        unit = f", {metric.unit}" if metric.unit else ""
        scale = "log" if self._log else "linear"
        place = f"metric {every.index(metric) + 1} of {len(every)}"
        below = "   ".join(part for part in (which, _KEYS) if part)
        return f"5 {metric.name}{unit}  {place}  {scale}", below

    def _which(self, state: State) -> str:
        if self.chosen:
            return self._why
        shown, known = len(self._trials(state)), len(state.trials)
        return f"best and newest {shown} of {known} trials" if 0 < shown < known else ""

    def _trials(self, state: State) -> list[Trial]:
        """Those that are drawn; of ten thousand they are looked for once per state."""
        if self._found[0] is not state or self._found[1] != self.chosen:
            self._found = state, self.chosen, drawn(state, self.chosen)
        return self._found[2]

    def _metrics(self, state: State) -> list[Metric]:
        """All that the drawn trials have; looked for again when they have new epochs."""
        samples = [row for trial in self._trials(state)
                   for row in trial.epochs[:1] + trial.epochs[-1:]]  # fmt: skip
        what = samples, state.horizon, entry_lag(state), state.judged_by
        if self._known[0] != what:
            self._known = what, metrics(*what)
        return self._known[1]

    def _metric(self, state: State) -> Metric:
        every = self._metrics(state)
        return next((metric for metric in every if metric.path == self._path), every[0])

    # Drawing.

    def show(self, view: View) -> None:
        """Of long curves that takes longest: a key that comes now is answered before it."""
        self.view = view
        self.call_later(self.draw)

    def rows(self, view: View, width: int, height: int) -> list[Row]:
        """What is the same as before is not drawn again."""
        trials = self._trials(view.state)
        numbers = [str(trial.number) for trial in trials]
        if self.cursor not in numbers:
            best = view.state.best
            likely = str(best.number) if best else ""
            self.cursor = likely if likely in numbers else "".join(numbers[-1:])
        told = [(t.number, t.state, len(t.epochs), t.epochs[-1:]) for t in trials]
        what = (width, height, self._close, self._path, self._log, self.cursor,
                view.state.horizon, told)  # fmt: skip
        if (what, self._epoch) != self._drawn[0]:
            rows = (self._one(view.state, trials, width, height, what) if self._close
                    else self._two(view.state, trials, width, height))  # fmt: skip
            self._drawn = (what, self._epoch), rows
        return self._drawn[1]

    def _two(self, state: State, trials: Sequence[Trial], width: int, height: int) -> list[Row]:
        """Objective and loss, beside each other or one above the other.

        Somebody else's study tells no loss.
        """
        if state.watched:
            lines = self._titled(judged_by(state), trials, width - 1, height)
        elif height >= 24:
            charts = (self._titled(metric, trials, width - 1, height // 2)
                      for metric in (judged_by(state), loss()))  # fmt: skip
            lines = [*chain.from_iterable(charts)]
        else:
            half = (width - 3) // 2
            left, right = (self._titled(metric, trials, half, height)
                           for metric in (judged_by(state), loss()))  # fmt: skip
            lines = beside(left, right, half)
        return [Row(content) for content in lines]

    def _titled(
        self, metric: Metric, trials: Sequence[Trial], width: int, height: int
    ) -> list[Content]:
        """A chart under its name."""
        curves = [self._curves.of(trial, metric) for trial in trials]
        found = plot(_series(trials, curves), width, height - 1, metric.show, zero=metric.zero)
        lines = found.lines() if found else _blank(curves)
        return [line((f" {cut(metric.name, width - 1)}", "$text-muted")), *lines]

    def _one(
        self, state: State, trials: Sequence[Trial], width: int, height: int, what: object
    ) -> list[Row]:
        """A chart, and below it the values: a line per trial, or all in one where room is short.

        While `what` is the same, only the hairline and the values are drawn again.
        """
        metric = self._metric(state)
        curves = [self._curves.of(trial, metric, log=self._log) for trial in trials]
        below: list[Row] = []
        if any(curve.epochs for curve in curves):
            below = table(trials, curves, metric, self._epoch)
            if len(below) > height - _CHART:
                below = [one_line(trials, curves, metric, self._epoch, self.cursor)]
        if what != self._plot[0]:
            label = (lambda y: metric.show(10**y)) if self._log else metric.show
            self._plot = what, plot(
                _series(trials, curves, self.cursor), width - 1, height - len(below), label,
                zero=metric.zero and not self._log,
            )  # fmt: skip
        chart = self._plot[1]
        lines = chart.lines(self._epoch) if chart else _blank(curves)
        return [*(Row(content) for content in lines), *below]

    def _keep_cursor(self, old: Sequence[Row]) -> None:
        """The cursor is on a trial, whether its line is there or not."""

    # Keys.

    def action_metric(self, step: int) -> None:
        """The next metric that these trials have."""
        if self.view is not None:
            every, metric = self._metrics(self.view.state), self._metric(self.view.state)
            self._path = every[(every.index(metric) + step) % len(every)].path
            self.draw()

    def action_scale(self) -> None:
        """Linear or logarithmic."""
        self._log = not self._log
        self.draw()

    def action_epoch(self, step: int) -> None:
        """The hairline to the next epoch; at the newest it is away, and that one is followed."""
        first, newest = self._span()
        at = max(first, (newest if self._epoch is None else self._epoch) + step)
        self._epoch = at if at < newest else None
        self.draw()

    def action_page(self, pages: int) -> None:
        """The hairline by a tenth of all epochs."""
        first, newest = self._span()
        self.action_epoch(pages * max(1, (newest - first) // 10))

    def action_edge(self, end: int) -> None:
        """The hairline to the first epoch or, at the newest, away."""
        first, newest = self._span()
        self.action_epoch(end * (newest - first))

    def _span(self) -> tuple[int, int]:
        """First and newest epoch that are drawn."""
        trials = self._trials(self.view.state) if self.view else []
        epochs = [row.epoch for trial in trials for row in trial.epochs[:1] + trial.epochs[-1:]]
        return min(epochs, default=0), max(epochs, default=0)

    def _move(self, step: int) -> None:
        """To the next trial that is drawn."""
        numbers = [str(t.number) for t in self._trials(self.view.state)] if self.view else []
        if self.cursor in numbers:
            place = numbers.index(self.cursor) + step
            self.cursor = numbers[max(0, min(place, len(numbers) - 1))]
            self.draw()
            self.refresh()

    def on_focus(self) -> None:
        """Somebody looks closer."""
        self.draw()
        self.refresh()

    def on_blur(self) -> None:
        """Both charts again."""
        self.draw()
        self.refresh()


def drawn(state: State, numbers: Sequence[int] = ()) -> list[Trial]:
    """Trials by number, else what runs, the newest and the best; colour follows the place."""
    if numbers:
        return [state.trials[n] for n in numbers if n in state.trials]
    known = [trial for trial in state.trials.values() if trial.epochs]
    newest = max((trial.number for trial in known), default=-1)

    def rank(trial: Trial) -> tuple[bool, bool, float]:
        value = state.figure(trial)
        return trial.running, trial.number == newest, -1.0 if value is None else value

    return sorted(nlargest(len(COLOURS), known, key=rank), key=lambda trial: trial.number)


def _series(trials: Sequence[Trial], curves: Sequence[Curve], looked_at: str = "") -> list[Series]:
    """Lines in the trials' colours; that which is looked at with its error."""
    found = []
    for trial, curve, colour in zip(trials, curves, COLOURS, strict=False):
        name = str(trial.number)
        low, high = (curve.low, curve.high) if name == looked_at else (None, None)
        found.append(Series(name, curve.line, colour, low, high))
    return found


def _blank(curves: Sequence[Curve]) -> list[Content]:
    """Why there is no line."""
    why = "no value yet" if any(curve.epochs for curve in curves) else "no epoch has ended yet"
    if any(curve.left_out for curve in curves):
        why = "no value above 0, so none has a logarithm (l: linear)"
    return [line((f" {why}", "$text-muted"))]


def beside(left: list[Content], right: list[Content], half: int) -> list[Content]:
    """Two charts next to each other."""
    height = max(len(left), len(right))
    left = left + [Content("")] * (height - len(left))
    right = right + [Content("")] * (height - len(right))
    return [
        a + " " * max(1, half + 1 - cell_len(a.plain)) + b for a, b in zip(left, right, strict=True)
    ]
