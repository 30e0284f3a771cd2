"""Before and after: the run that is shown beside another one."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from itertools import groupby
from typing import ClassVar

from rich.cells import cell_len
from textual.binding import BindingType
from textual.content import Content
from textual.widget import Widget

from atft_core.errors import AtftError
from atft_core.run.directory import RunDirectory
from atft_core.run.foreign import clean
from atft_core.run.judge.checklist import quantity
from atft_core.run.judge.contrast import FOOTNOTE, GLYPH, Contrast, Line, contrast
from atft_core.run.state import State
from atft_core.run.status import load
from atft_core.run.wording import several
from atft_tui.apart import cut_apart, shared_ends
from atft_tui.bindings import bindings
from atft_tui.format import cut, line, pad, shown_path
from atft_tui.pane import Pane, Row
from atft_tui.screens.worked_out import WorkedOutScreen
from atft_tui.view import View

_STYLES = {"better": "$text-success", "worse": "$text-error"}
_CELL, _WIDE_CELL = 10, 17
_WIDE = 110
"""Cells from which values have room for their errors."""


class ContrastPane(Pane):
    """A line per measure, then what makes the two hard to compare."""

    def __init__(self, other: RunDirectory) -> None:
        super().__init__(id="evidence", focus=True)
        self._other = other
        self.contrast: Contrast | None = None
        self.complaint = ""

    def captions(self, view: View) -> tuple[str, str]:
        """Which run is which."""
        room = max(10, (self.size.width - 30) // 2)
        before, after = shown_path(self._other.path), shown_path(view.run.path) if view.run else ""
        ends = shared_ends([before, after])
        before, after = (cut_apart(path, room, ends[path]) for path in (before, after))
        title = f"Before: {before}  after: {after}"
        if self.contrast is None:
            return title, ""
        changes = [one.change for one in self.contrast.lines]
        said = [f"{changes.count('better')} better", f"{changes.count('worse')} worse"]
        if self.contrast.caveats:
            said.append(f"{several(len(self.contrast.caveats), 'caveat')} below")
        return title, "  ".join(said)

    def rows(self, view: View, width: int, height: int) -> list[Row]:
        """Section by section."""
        if self.complaint:
            return [Row(line((f" {self.complaint}", "$text-error")))]
        if self.contrast is None:
            return [Row(line((" reading ...", "$text-muted")))]
        rows = [_head(width)]
        for section, group in groupby(self.contrast.lines, key=lambda one: one.section):
            rows.append(line((f" {clean(section, 40)}", "$text-muted")))
            rows += [_line(one, width) for one in group]
        rows.append(Content(""))
        for said in (*self.contrast.caveats, FOOTNOTE):
            rows += _wrapped(said, width)
        return [Row(content) for content in rows]


def _cell(width: int) -> int:
    return _WIDE_CELL if width >= _WIDE else _CELL


def _title_width(width: int) -> int:
    return max(18, min(40, width - 4 - 3 * _cell(width) - 7 - 14))


def _head(width: int) -> Content:
    cells = "".join(f"{head:>{_cell(width)}}" for head in ("before", "after", "change"))
    return line((f"{'':{_title_width(width) + 4}}{cells}{'z':>7}", "$text-muted"))


def _line(one: Line, width: int) -> Content:
    """Glyph, title, both values, difference, z, and the glyph in a word."""
    style = _STYLES.get(one.change, "$text-muted")
    horizon = f" h={one.horizon}" if one.horizon is not None else ""
    room = _title_width(width)
    title = pad(cut(clean(one.title, 60), room - len(horizon)) + horizon, room)
    errors = (one.before_error, one.after_error, None)
    cells = "".join(
        _right(clean(text) + (_error(error, one) if width >= _WIDE else ""), _cell(width))
        for text, error in zip(one.said, errors, strict=True)
    )
    z = "" if one.z is None else f"{one.z:+.1f}"
    return line(
        (f" {GLYPH[one.change]}", f"bold {style}"), f" {title}{cells}", (f"{z:>7}", "$text-muted"),
        (f"  {one.change}", style),
    )  # fmt: skip


def _error(error: float | None, one: Line) -> str:
    return f" +-{quantity(error, one.unit)}" if error else ""


def _right(text: str, width: int) -> str:
    text = cut(text, width - 1)
    return " " * (width - cell_len(text)) + text


def _wrapped(text: str, width: int) -> list[Content]:
    pieces = textwrap.wrap(clean(text), max(20, width - 4))
    return [line((f" {'-' if i == 0 else ' '} {piece}", "$text-muted"))
            for i, piece in enumerate(pieces)]  # fmt: skip


class ContrastScreen(WorkedOutScreen[Contrast | str]):
    """Live for the run that is shown; the other one is read once."""

    SCOPE = "contrast"
    HOME = "evidence"
    BINDINGS: ClassVar[list[BindingType]] = bindings("contrast")

    def __init__(self, other: RunDirectory) -> None:
        super().__init__()
        self._other = other
        self._before: State | None = None
        self._pane = ContrastPane(other)

    def body(self) -> Iterable[Widget]:
        """One pane."""
        yield self._pane

    def work_out(self, view: View) -> Contrast | str:
        """Both runs by all measures, or why the other one cannot be read."""
        try:
            self._before = self._before or load(self._other)
            return contrast(self._before, view.state, view.stage)
        except (AtftError, OSError) as error:
            return clean(str(error).partition("\n")[0])

    def found(self, found: Contrast | str) -> None:
        """Into the pane."""
        self._pane.complaint = found if isinstance(found, str) else ""
        self._pane.contrast = None if isinstance(found, str) else found
