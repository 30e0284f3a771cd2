"""The checklist: every criterion of the stage with value, bar, error and where it comes from.

All rows that are open stay visible: when the pane is too low, headings go first, then the rows
that passed are counted instead of listed.
"""

from __future__ import annotations

from itertools import groupby

from textual.content import Content

from atft_core.run.checklist import bar, bars, error, value
from atft_core.run.criteria import Result, Verdict
from atft_core.run.foreign import clean
from atft_core.run.stages import Bar
from atft_core.run.wording import several
from atft_tui.format import GLYPHS, cut, line, pad
from atft_tui.pane import Pane, Row
from atft_tui.view import View

_WIDE = 62
"""Cells from which the goal and the error have room."""
_NOTE = 24
"""Cells below which a note would only be a riddle."""
_QUIET = "$text-muted"


class ChecklistPane(Pane):
    """One row per criterion; enter shows its evidence."""

    def captions(self, view: View) -> tuple[str, str]:
        """Which stage, and how many rows of each kind."""
        title = f": {clean(view.stage.title, 30)}" if view.stage else ""
        counts = [
            (sum(result.verdict is verdict for result in view.results), GLYPHS[verdict][0])
            for verdict in Verdict
        ]
        return f"4 Checklist{title}", "  ".join(f"{glyph} {n}" for n, glyph in counts if n)

    def rows(self, view: View, width: int, height: int) -> list[Row]:
        """The rows that fit best."""
        if view.stage is None:
            return [Row(line((text, "$text-muted"))) for text in
                    (" an ad hoc run: no criteria, opens no gate",
                     " judge it by a stage: atft check RUN_DIR --stage dry")]  # fmt: skip
        if view.past is not None and not view.results:
            return [Row(line((" the criteria of this moment are checked ...", "$text-muted")))]
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
        rows.append(Row(_heading(section, width)))
        rows += [_row(result, gate, width) for result in section]
    return rows


def _heading(section: list[Result], width: int) -> Content:
    """The section; for model quality also whose numbers these are, once."""
    first = section[0]
    horizons = sorted({r.horizon for r in section if r.horizon is not None})
    sources = {r.source for r in section if r.horizon is not None and r.source.startswith("trial")}
    about = [f"h={horizons[0]}"] if len(horizons) == 1 else []
    about += sorted(sources) if len(sources) == 1 else []
    detail = f"  {', '.join(about)}" if about else ""
    return line((cut(f" {clean(first.section, 30)}{clean(detail)}", width), "$text-muted"))


def _row(result: Result, gate: Bar, width: int) -> Row:
    glyph, style = GLYPHS[result.verdict]
    name = min(21, max(14, width - 23))
    parts: list[str | tuple[str, str]] = [
        " ", (glyph, f"bold {style}"), f" {pad(clean(result.title, 40), name)} ",
        (f"{cut(clean(value(result)), 8):>8}", "" if result.value is not None else _QUIET),
    ]  # fmt: skip
    if width < _WIDE:
        doubt = ("  too good?", "$text-error") if result.alarm else ""
        return Row(line(*parts, (f"  {clean(bar(result, gate))}", _QUIET), doubt), result.name)
    parts.append((f"  {pad(clean(bars(result, gate)), 19)} {error(result):<6}", _QUIET))
    room = width - name - 43  # the columns before it, and two cells of air
    if room >= _NOTE:
        parts.append((f"  {cut(_note(result), room)}", "$text-error" if result.alarm else _QUIET))
    return Row(line(*parts), result.name)


def _note(result: Result) -> str:
    """What explains the verdict best in a few words."""
    below = result.verdict is Verdict.PASS and result.on_target is False
    return clean(
        "; ".join(part for part in ("below the goal" if below else "", result.note) if part)
    )


def _folded(results: list[Result], gate: Bar, width: int) -> list[Row]:
    open_rows = [r for r in results if r.verdict is not Verdict.PASS]
    passed = len(results) - len(open_rows)
    rows = [_row(result, gate, width) for result in open_rows]
    if passed:
        glyph, style = GLYPHS["PASS"]
        said = f" {several(passed, 'other criterion' if passed == 1 else 'other')} passed (4: all)"
        rows.append(Row(line(" ", (glyph, f"bold {style}"), (said, "$text-muted"))))
    return rows
