"""Which columns the trial table has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.widget import Widget

from atft_core.run.foreign import clean
from atft_tui.bindings import bindings
from atft_tui.format import cut, line, pad
from atft_tui.pane import Pane, Row
from atft_tui.screens.live import LiveScreen
from atft_tui.trial_table import Choice, Column, columns
from atft_tui.view import View


class ColumnsPane(Pane):
    """All columns, in the order in which they get room."""

    def __init__(self, choice: Choice) -> None:
        super().__init__(id="evidence", focus=True)
        self.choice = choice

    def captions(self, view: View) -> tuple[str, str]:
        """How they are chosen."""
        return "Columns", "enter: show or hide"

    def rows(self, view: View, width: int, height: int) -> Sequence[Row]:
        """One line each."""
        found = columns(view.state, view.notes)
        name = min(40, max(len("in filters"), *(len(clean(each.name, 40)) for each in found)))
        head = line((f" shown  {'head':10}  {'in filters':{name}}  what it is", "$text-muted"))
        return [Row(head), *(self._row(each, name, width) for each in found)]

    def _row(self, column: Column, name: int, width: int) -> Row:
        box = (
            ("[ ]", "$text-muted") if column.name in self.choice.hidden else ("[x]", "$text-accent")
        )
        head = f"    {pad(clean(column.head.strip(), 10), 10)}  "
        called = pad(clean(column.name, 40), name)
        said = cut(f"  {column.says}", max(0, width - 18 - name))
        return Row(line(" ", box, head, (called, "$text-muted"), said), column.name)


class ColumnsScreen(LiveScreen[None]):
    """Shows what each change does as soon as it is made."""

    SCOPE = "columns"
    BINDINGS: ClassVar[list[BindingType]] = bindings("columns")

    def __init__(self, choice: Choice, apply: Callable[[Choice], None]) -> None:
        super().__init__()
        self._pane = ColumnsPane(choice)
        self._apply = apply

    def body(self) -> Iterable[Widget]:
        """One pane."""
        yield self._pane

    @on(Pane.Chosen)
    def _switch(self, event: Pane.Chosen) -> None:
        hidden = self._pane.choice.hidden ^ {event.key}
        self._pane.choice = replace(self._pane.choice, hidden=hidden)
        self._pane.draw()
        self._apply(self._pane.choice)

    def action_close(self) -> None:
        """Back."""
        self.dismiss(None)
