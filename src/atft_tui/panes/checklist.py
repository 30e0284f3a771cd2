"""The checklist: every criterion of the stage with value, bar, margin, error and reason.

All rows that are open stay visible: when the pane is too low, headings go first, then the rows
that passed are counted instead of listed. What decides has room in the narrowest pane.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import ClassVar

from rich.cells import cell_len
from textual.binding import BindingType
from textual.content import Content

from atft_core.run.foreign import clean
from atft_core.run.judge.checklist import (
    bar,
    error,
    margin,
    margin_errors,
    other_bar,
    reason,
    value,
)
from atft_core.run.judge.criteria import Result, Verdict
from atft_core.run.judge.gates import still_needs
from atft_core.run.stages import Bar
from atft_core.run.wording import several
from atft_tui.bindings import bindings
from atft_tui.format import GLYPHS, cut, line, pad
from atft_tui.pane import Pane, Row
from atft_tui.view import View

_LEAD, _LEAD_MOST = 22, 30
"""Cells of title and value together."""
_BAR = 9
"""Cells of a bar, with two of air before it."""
_NOTE = 24
"""Cells below which a note would only be a riddle."""
_ALARM = "leak?"
"""Instead of a margin that is too good, where the note has no room to say so."""
_QUIET = "$text-muted"
_COLUMNS: tuple[tuple[str, int, Callable[[Result], str]], ...] = (
    ("margin", 9, margin),
    ("in se", 7, lambda result: margin_errors(result).removesuffix(" se")),
    ("error", 8, error),
    ("n", 6, lambda result: str(result.n or "")),
)
"""Head, width and cell of what follows the bars, as far as there is room."""


class ChecklistPane(Pane):
    """One row per criterion; enter shows its evidence."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("checklist")

    def captions(self, view: View) -> tuple[str, str]:
        """Which stage and why it may have started; how many rows of each kind, what opens next."""
        room = max(0, self.size.width - 4)
        title = f"4 Checklist: {clean(view.stage.title, 30)}" if view.stage else "4 Checklist"
        if view.state.override:
            title += f", overridden: {clean(view.state.override, 200)}"
        if cell_len(title) > room:  # the reason says more than the name of the pane
            title = title.replace("4 Checklist: ", "4 ", 1)
        counts = [
            (sum(result.verdict is verdict for result in view.results), GLYPHS[verdict][0])
            for verdict in Verdict
        ]
        said = "  ".join(f"{glyph} {n}" for n, glyph in counts if n)
        needs = still_needs(view.runbook, view.stage, view.state, view.results)
        gate = clean(needs, 80) if view.results else ""
        both = "   ".join(part for part in (said, gate) if part)
        return cut(title, room), both if cell_len(both) <= room else cut(gate, room)

    def rows(self, view: View, width: int, height: int) -> list[Row]:
        """The rows that fit best."""
        if view.state.watched:
            return [Row(line((" a study has no criteria", "$text-muted")))]
        if view.stage is None:
            return [Row(line((text, "$text-muted"))) for text in
                    (" an ad hoc run: no criteria, opens no gate",
                     " judge it by a stage: atft check RUN_DIR --stage dry")]  # fmt: skip
        if view.stage.criteria and not view.results:
            return [Row(line((" the criteria are checked ...", "$text-muted")))]
        return fit(list(view.results), view.stage.gate, width, height)


def fit(results: list[Result], gate: Bar, width: int, height: int) -> list[Row]:
    """With headings if they fit, else without, else with the passed rows folded."""
    every = [_row(result, gate, width) for result in results]
    sections = [list(group) for _, group in groupby(results, key=lambda r: r.section)]
    if len(every) + len(sections) + (len(sections) - 1) <= height:
        return _headed(sections, gate, width, spaced=True)
    if len(every) + len(sections) <= height:
        return _headed(sections, gate, width, spaced=False)
    if len(every) <= height:
        return every
    return _folded(results, gate, width)


def _headed(sections: list[list[Result]], gate: Bar, width: int, *, spaced: bool) -> list[Row]:
    rows: list[Row] = []
    for section in sections:
        if rows and spaced:
            rows.append(Row(Content("")))
        rows.append(Row(_heading(section, gate, width, first=not rows)))
        rows += [_row(result, gate, width) for result in section]
    return rows


def _heading(section: list[Result], gate: Bar, width: int, *, first: bool) -> Content:
    """The section, for model quality also whose numbers these are; once the names of columns."""
    sample = section[0]
    horizons = sorted({r.horizon for r in section if r.horizon is not None})
    sources = {r.source for r in section if r.horizon is not None and r.source.startswith("trial")}
    about = [f"h={horizons[0]}"] if len(horizons) == 1 else []
    about += sorted(sources) if len(sources) == 1 else []
    detail = f"  {', '.join(about)}" if about else ""
    said = f" {clean(sample.section, 30)}{clean(detail)}"
    columns = _fitting(width)
    if not first or not columns:
        return line((cut(said, width), _QUIET))
    bars = ("  goal", "  minimum") if gate == "target" else ("  minimum", "  goal")
    heads = "".join(f"{head:>{wide}}" for head, wide, _ in columns)
    lead = pad(said, 4 + _lead(width))
    return line((f"{lead}{bars[0]:{_BAR}}{bars[1]:{_BAR}}{heads}", _QUIET))


def _fitting(width: int) -> list[tuple[str, int, Callable[[Result], str]]]:
    """The columns after both bars for which there is room; none in a narrow pane."""
    used, fitting = 4 + _LEAD + 2 * _BAR, []
    for column in _COLUMNS:
        used += column[1]
        if used > width:
            break
        fitting.append(column)
    return fitting


def _lead(width: int) -> int:
    """Cells of title and value: more of them where a note has enough."""
    rest = width - 4 - _LEAD - 2 * _BAR - sum(wide for _, wide, _ in _COLUMNS) - 2 * _NOTE
    return min(_LEAD_MOST, _LEAD + max(0, rest))


def _row(result: Result, gate: Bar, width: int) -> Row:
    glyph, style = GLYPHS[result.verdict]
    parts: list[str | tuple[str, str]] = [" ", (glyph, f"bold {style}"), " "]
    columns = _fitting(width)
    parts += _named(result, _lead(width) if columns else _LEAD)
    if not columns:
        return Row(line(*parts, *_narrow(result, gate)), result.name)
    if result.value is None and result.awaits:
        parts.append((f"  {pad(clean(bar(result, gate)), _BAR - 2)}", _QUIET))
        room = width - 4 - _lead(width) - _BAR - 2
        return Row(line(*parts, (f"  {cut(clean(_why(result)), room)}", _QUIET)), result.name)
    both = bar(result, gate).ljust(_BAR) + other_bar(result, gate)
    parts.append((f"  {pad(clean(both), 2 * _BAR - 2)}", _QUIET))
    room = width - 4 - _lead(width) - 2 * _BAR - sum(wide for _, wide, _ in columns) - 2
    cells = [cut(clean(cell(result)), wide - 1).rjust(wide) for _, wide, cell in columns]
    if result.alarm and room < _NOTE:
        cells[0] = f"{_ALARM:>{columns[0][1]}}"
    parts.append((cells[0], _tone(result)))
    parts.append(("".join(cells[1:]), _QUIET))
    if room >= _NOTE:
        parts.append((f"  {cut(_note(result), room)}", _tone(result) if result.alarm else _QUIET))
    return Row(line(*parts), result.name)


def _named(result: Result, room: int) -> list[str | tuple[str, str]]:
    """Title and value in so many cells: the title takes what the value leaves."""
    number = cut(clean(value(result)), 8)
    title = pad(clean(result.title, 40), room - cell_len(number) - 1)
    return [f"{title} ", (number, "" if result.value is not None else _QUIET)]


def _narrow(result: Result, gate: Bar) -> list[tuple[str, str]]:
    """Bar and margin in fourteen cells, without the unit that the value shows."""
    if result.wanted:
        return [(f" {clean(bar(result, gate))}", _QUIET)]
    limit = bar(result, gate).removesuffix(" %").removesuffix(" s").replace(" ", "")
    space = margin(result).removesuffix(" %").removesuffix(" s")
    space = space.partition(".")[0] if len(space) > 5 else space
    said = _ALARM if result.alarm else cut(space, 5)
    return [(f" {pad(limit, 6)}", _QUIET), (f" {said:>5}", _tone(result))]


def _tone(result: Result) -> str:
    """Of a margin: too good is a warning, for it may have passed; too bad is an error."""
    if result.alarm:
        return "$text-warning"
    return "$text-error" if (result.margin or 0) < 0 else ""


def _why(result: Result) -> str:
    return "; ".join(part for part in (reason(result), result.note) if part)


def _note(result: Result) -> str:
    """What explains the verdict best in a few words."""
    below = result.verdict is Verdict.PASS and result.on_target is False
    said = ("below the goal" if below else "", result.note, reason(result))
    return clean("; ".join(part for part in said if part))


def _folded(results: Sequence[Result], gate: Bar, width: int) -> list[Row]:
    open_rows = [r for r in results if r.verdict is not Verdict.PASS]
    passed = len(results) - len(open_rows)
    rows = [_row(result, gate, width) for result in open_rows]
    if passed:
        glyph, style = GLYPHS["PASS"]
        said = f" {several(passed, 'other criterion' if passed == 1 else 'other')} passed (4: all)"
        rows.append(Row(line(" ", (glyph, f"bold {style}"), (said, "$text-muted"))))
    return rows
