"""One criterion: what was measured, on what, against which bars, and what to do about it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.content import Content
from textual.widget import Widget

from atft_core.run.checklist import bound, quantity, value
from atft_core.run.criteria import CRITERIA, TWO_SIDED_90, Result, Verdict
from atft_core.run.foreign import clean
from atft_core.run.stages import Stage
from atft_core.run.wording import MISSING
from atft_tui.bindings import bindings
from atft_tui.format import GLYPHS, line, shown_path
from atft_tui.pane import Pane, Row
from atft_tui.screens.live import LiveScreen
from atft_tui.view import View

_MEANING = {
    Verdict.PASS: "measured in this run, on the right side of the bar",
    Verdict.FAIL: "measured in this run, on the wrong side of the bar",
    Verdict.PENDING: "the run can still change it",
    Verdict.UNKNOWN: "not measured, and so it does not pass",
}


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
        result = next((r for r in view.results if r.name == self.criterion), None)
        if result is None:
            return [Row(line((" this stage has no such criterion", "$text-muted")))]
        rows = [Row(content) for content in facts(result, view, width)]
        if view.stage is not None:
            rows += remedies(view.stage, result, width)
        return rows


def facts(result: Result, view: View, width: int) -> list[Content]:
    """Verdict, number, bars, interval, source."""
    glyph, style = GLYPHS[result.verdict]
    horizon = f", horizon {result.horizon}" if result.horizon else ""
    head = line(
        " ", (f"{glyph} {result.verdict}", f"bold {style}"), f"  {clean(result.title)}{horizon}",
        (f"   {_MEANING[result.verdict]}", "$text-muted"),
    )  # fmt: skip
    run = shown_path(view.run.path) if view.run else "not run yet"
    rows = [
        ("seen" if result.wanted else "value", value(result)),
        *_bars(result),
        ("decides", f"the {view.stage.gate}" if view.stage else MISSING),
        ("error", _interval(result)),
        ("samples", str(result.n)),
        ("source", result.source or MISSING),
        ("run", run),
        ("note", result.note or MISSING),
    ]
    lines = [head, Content("")]
    for name, text in rows:
        lines += _wrapped(name, text, width)
    return [*lines, Content(""), *_meaning(result, width)]


def _bars(result: Result) -> list[tuple[str, str]]:
    """What decides, in words or as both bars."""
    if result.wanted:
        return [("wanted", result.wanted)]
    on_target = {True: "   reached", False: "   not reached", None: ""}[result.on_target]
    moved = result.decides not in (None, result.minimum, result.target)
    forgiven = f"   within its noise: {bound(result, result.decides)}" if moved else ""
    return [
        ("minimum", (bound(result, result.minimum) or MISSING) + forgiven),
        ("target", (bound(result, result.target) or MISSING) + on_target),
    ]


def _interval(result: Result) -> str:
    if result.stderr is None or result.value is None:
        return MISSING
    half = TWO_SIDED_90 * result.stderr
    low, high = (quantity(result.value + sign * half, result.unit) for sign in (-1, 1))
    return f"standard error {quantity(result.stderr, result.unit)}, 90 % interval {low} to {high}"


def _wrapped(name: str, text: str, width: int) -> list[Content]:
    pieces = textwrap.wrap(clean(text), max(20, width - 12)) or [""]
    return [
        line((f" {name if i == 0 else '':9} ", "$text-muted"), piece)
        for i, piece in enumerate(pieces)
    ]


def _meaning(result: Result, width: int) -> list[Content]:
    """What the number is, in the words of the function that measures it."""
    criterion = CRITERIA.get(result.name)
    text = " ".join(((criterion.measure.__doc__ if criterion else "") or "").split())
    return _wrapped("means", text, width) if text else []


def remedies(stage: Stage, result: Result, width: int) -> list[Row]:
    """What the runbook suggests after a failure; enter opens the start of it."""
    if not stage.remedies or result.verdict is not Verdict.FAIL:
        return []
    rows = [Row(Content("")), Row(line((" to try (enter starts one)", "$text-muted")))]
    for i, remedy in enumerate(stage.remedies):
        values = "  ".join(f"{key}={value}" for key, value in remedy.values.items())
        rows.append(
            Row(
                line("  ", (clean(remedy.title, 40), "bold"), f"  {clean(values)}"),
                str(i),
            )
        )
        rows += [
            Row(line((f"    {piece}", "$text-muted")))
            for piece in textwrap.wrap(clean(remedy.text), max(20, width - 6))
        ]
    return rows


class EvidenceScreen(LiveScreen[None]):
    """The evidence for one criterion; left and right go through the checklist."""

    SCOPE = "evidence"
    BINDINGS: ClassVar[list[BindingType]] = bindings("evidence")

    def __init__(self, name: str) -> None:
        super().__init__()
        self._pane = EvidencePane(name)

    def body(self) -> Iterable[Widget]:
        """One pane."""
        yield self._pane

    def action_step(self, step: int) -> None:
        """The next criterion."""
        view = self.console.view
        names = [result.name for result in view.results] if view else []
        if self._pane.criterion in names:
            place = (names.index(self._pane.criterion) + step) % len(names)
            self._pane.criterion = names[place]
            self._pane.draw()
            self._pane.scroll_home(animate=False)

    def action_close(self) -> None:
        """Back."""
        self.dismiss(None)

    @on(Pane.Chosen)
    def _try(self, event: Pane.Chosen) -> None:
        view = self.console.view
        if view is None or view.stage is None:
            return
        remedy = view.stage.remedies[int(event.key)]
        self.console.confirm(view.stage, [f"{key}={value}" for key, value in remedy.values.items()])
