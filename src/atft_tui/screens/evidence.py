"""One criterion: what was measured, on what, against which bars, and what to do about it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Any, ClassVar

from textual import on, work
from textual.binding import BindingType
from textual.containers import Grid
from textual.content import Content
from textual.widget import Widget

from atft_core.run.foreign import clean
from atft_core.run.judge.checklist import bar, bound, error, margin, quantity, reason, value
from atft_core.run.judge.criteria import TWO_SIDED_90, Result, Verdict, meaning
from atft_core.run.judge.traces import Trace, trace
from atft_core.run.stages import Remedy, Stage
from atft_core.run.wording import MISSING, finite
from atft_tui import commands
from atft_tui.bindings import bindings
from atft_tui.format import GLYPHS, line, relative, shown_path, wrapped
from atft_tui.pane import Pane, Row
from atft_tui.panes.measured import EventsPane, PlotPane
from atft_tui.screens.live import Footer
from atft_tui.screens.trial import TrialScreen
from atft_tui.screens.worked_out import WorkedOutScreen
from atft_tui.view import View

_MEANING = {
    Verdict.PASS: "measured in this run, on the right side of the bar",
    Verdict.FAIL: "measured in this run, on the wrong side of the bar",
    Verdict.PENDING: "the run can still change it",
    Verdict.UNKNOWN: "not measured, and so it does not pass",
}
Found = tuple[str, Result | None, Trace | None]
"""Of which criterion, and what it was computed from."""


class EvidencePane(Pane):
    """The facts, then the remedies of the stage, each of which can be started."""

    def __init__(self, name: str) -> None:
        super().__init__(id="evidence", focus=True)
        self.criterion = name

    def captions(self, view: View) -> tuple[str, str]:
        """Which criterion of how many."""
        names = [result.name for result in view.results]
        place = names.index(self.criterion) + 1 if self.criterion in names else 0
        return "Evidence", f"{place} of {len(names)}" if place else ""

    def rows(self, view: View, width: int, height: int) -> list[Row]:
        """Everything there is to know."""
        result = of_name(view, self.criterion)
        if result is None:
            return [Row(line((" this stage has no such criterion", "$text-muted")))]
        rows = [Row(content) for content in facts(result, view, width)]
        if view.stage is not None:
            rows += remedies(view.stage, result, width)
        return [*rows, Row(Content("")), *map(Row, background(result, view, width))]


def of_name(view: View, name: str) -> Result | None:
    """A criterion of the checklist."""
    return next((result for result in view.results if result.name == name), None)


def facts(result: Result, view: View, width: int) -> list[Content]:
    """Verdict, number with its interval, bars, margin, what it rests on, what is missing."""
    glyph, style = GLYPHS[result.verdict]
    horizon = f", horizon {result.horizon}" if result.horizon else ""
    head = line(
        " ", (f"{glyph} {result.verdict}", f"bold {style}"), f"  {clean(result.title)}{horizon}",
    )  # fmt: skip
    rows = [
        ("seen" if result.wanted else "value", f"{value(result)}{_interval(result)}"),
        *_bars(result, view.stage),
        ("samples", f"{result.n}, {result.source}" if result.source else str(result.n)),
        ("missing", reason(result)),
        ("note", result.note),
    ]
    return [head, *_labelled(rows, width)]


def background(result: Result, view: View, width: int) -> list[Content]:
    """The formula, what the verdict means, and whose number it is."""
    rows = [
        ("means", meaning(result.name)),
        ("verdict", _MEANING[result.verdict]),
        ("run", shown_path(view.run.path) if view.run else "not run yet"),
        ("override", view.state.override),
    ]
    return _labelled(rows, width)


def _labelled(rows: Iterable[tuple[str, str]], width: int) -> list[Content]:
    return [piece for name, text in rows if text for piece in _wrapped(name, text, width)]


def _bars(result: Result, stage: Stage | None) -> list[tuple[str, str]]:
    """What decides, in words or as both bars, and how far away it is."""
    if result.wanted:
        return [("wanted", result.wanted)]
    gate = stage.gate if stage else "minimum"
    on_target = {True: ", reached", False: ", not reached", None: ""}[result.on_target]
    moved = result.decides not in (None, result.minimum, result.target)
    forgiven = f", within its noise {bar(result, gate)}" if moved else ""
    decides = {gate: " (decides)"}
    low = f"{bound(result, result.minimum) or MISSING}{forgiven}{decides.get('minimum', '')}"
    high = f"{bound(result, result.target) or MISSING}{on_target}{decides.get('target', '')}"
    errors = result.margin_errors
    apart = f", {errors:+.1f} standard errors" if errors is not None else ""
    return [
        ("minimum", low), ("goal", high),
        ("margin", f"{margin(result) or MISSING}{apart}"),
    ]  # fmt: skip


def _interval(result: Result) -> str:
    if result.stderr is None or result.value is None:
        return "" if result.wanted or result.value is None else ", error not known"
    half = TWO_SIDED_90 * result.stderr
    low, high = (quantity(result.value + sign * half, result.unit) for sign in (-1, 1))
    return f" {error(result)}, 90 % interval {low} to {high}"


def _wrapped(name: str, text: str, width: int) -> list[Content]:
    pieces = wrapped(clean(text), width - 12) or [""]
    return [
        line((f" {name if i == 0 else '':9} ", "$text-muted"), piece)
        for i, piece in enumerate(pieces)
    ]


def remedies(stage: Stage, result: Result, width: int) -> list[Row]:
    """What the runbook suggests after a failure; its number or enter opens the start of it."""
    if not stage.remedies or result.verdict is not Verdict.FAIL:
        return []
    rows = [Row(Content("")), Row(line((" to try: press its number", "$text-muted")))]
    for number, remedy in enumerate(stage.remedies, start=1):
        said = f"  {clean('  '.join(_settings(remedy)), width)}"
        rows.append(
            Row(
                line(f"  {number} ", (clean(remedy.title, 40), "bold"), said),
                str(number),
            )
        )
        rows += [
            Row(line((f"    {piece}", "$text-muted")))
            for piece in wrapped(clean(remedy.text), width - 6)
        ]
    return rows


def _settings(remedy: Remedy) -> list[str]:
    return [f"{key}={setting}" for key, setting in remedy.values.items()]


class EvidenceScreen(WorkedOutScreen[Found]):
    """The evidence for one criterion; left and right go through the checklist."""

    SCOPE = "evidence"
    HOME = "evidence"
    BINDINGS: ClassVar[list[BindingType]] = bindings("evidence")

    def __init__(self, name: str) -> None:
        super().__init__()
        self._pane = EvidencePane(name)
        self._plot = PlotPane(id="plot")
        self._events = EventsPane(id="events", focus=True)

    def body(self) -> Iterable[Widget]:
        """Facts on the left; plot and events on the right."""
        with Grid(id="proof"):
            yield self._pane
            yield self._plot
            yield self._events

    def work_out(self, view: View) -> Found:
        """The measurements: of ten thousand trials that takes a while."""
        name = self._pane.criterion
        result, stage = of_name(view, name), view.stage
        spec = next((spec for spec in stage.criteria if spec.name == name), None) if stage else None
        found = trace(view.state, spec, result) if spec and result else None
        return name, result, found

    def found(self, found: Found) -> None:
        """Into plot and list, unless the criterion has changed meanwhile."""
        name, result, measured = found
        if name == self._pane.criterion:
            for pane in (self._plot, self._events):
                pane.result, pane.trace = result, measured

    def show(self, view: View) -> None:
        """Keys that would do nothing are not in the footer."""
        super().show(view)
        result = of_name(view, self._pane.criterion)
        offered = view.stage and result and remedies(view.stage, result, self.size.width)
        for footer in self.query(Footer):
            footer.without = set() if offered else {"remedy({key})"}
            footer.draw()

    def action_step(self, step: int) -> None:
        """The next criterion."""
        view = self.console.view
        names = [result.name for result in view.results] if view else []
        if view is None or self._pane.criterion not in names:
            return
        place = (names.index(self._pane.criterion) + step) % len(names)
        self._pane.criterion = names[place]
        self._events.days = None
        for pane in (self._plot, self._events):
            pane.result = pane.trace = None
        self.show(view)
        self.look_again()
        self._pane.scroll_home(animate=False)

    # By day.

    def action_days(self) -> None:
        """The value of every day, which a command reads; again: the events."""
        if self._events.days is not None:
            self._events.days = None
            self._events.draw()
            return
        if self.has_class("-compact") and self.zoomed != "events":
            self.action_zoom("events")
        self._read_days()

    @work(exclusive=True, group="days")
    async def _read_days(self) -> None:
        view, name = self.console.view, self._pane.criterion
        if view is None or view.run is None or view.stage is None:
            return
        run = str(relative(view.run.path))
        self.console.note(f"atft check {{run}} --criterion {shlex.quote(name)}")
        self._events.days, self._events.complaint = [], "reading ..."
        self._events.draw()
        outcome = await commands.run("check", run, "--criterion", name, "--json", looks=True)
        answer = outcome.json()
        if name == self._pane.criterion:
            self._events.days = _days(answer.get("days"))
            self._events.complaint = "" if answer else outcome.complaint[0]
            self._events.draw()

    # What to do.

    def action_remedy(self, number: int) -> None:
        """The start of a run with what the remedy suggests."""
        view = self.console.view
        result = of_name(view, self._pane.criterion) if view else None
        if view is None or view.stage is None or result is None:
            return
        offered = view.stage.remedies if result.verdict is Verdict.FAIL else ()
        if number > len(offered):
            said = (
                "there is no remedy of that number" if offered else "this criterion has not failed"
            )
            self.app.notify(said, severity="warning", markup=False)
            return
        self.console.confirm(view.stage, _settings(offered[number - 1]))

    @on(Pane.Chosen)
    def _look(self, event: Pane.Chosen) -> None:
        if event.pane is self._pane:
            self.action_remedy(int(event.key))
        elif event.pane is self._events:
            self.app.push_screen(TrialScreen(int(event.key.partition(".")[0])))


def _days(answer: Any) -> list[tuple[str, float | None]]:
    """What a command said, as far as it is days."""
    rows = answer if isinstance(answer, list) else []
    return [(str(row.get("date")), finite(row.get("value"))) for row in rows
            if isinstance(row, dict)]  # fmt: skip
