"""The line in which a filter for the log is typed."""

from __future__ import annotations

from collections.abc import Iterable

import regex
from textual import on
from textual.containers import Horizontal
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Label

from atft_core.run.foreign import clean
from atft_tui.panes.log import Filter, parse_filter


class FilterLine(Horizontal):
    """Hidden until it is opened; enter answers, a bad expression says what is bad about it."""

    class Chosen(Message):
        """A filter was typed; None shows everything."""

        def __init__(self, chosen: Filter | None) -> None:
            super().__init__()
            self.chosen = chosen

    def compose(self) -> Iterable[Widget]:
        """A slash, the field, the complaint."""
        yield Label("/")
        yield Input(
            id="pattern",
            compact=True,
            placeholder="regular expression; ! first: exclude; empty: all lines",
        )
        yield Label(id="bad", markup=False)

    def open(self, current: Filter | None) -> None:
        """Start from the filter that is set."""
        self.display = True
        self.query_one("#bad", Label).update("")
        field = self.query_one("#pattern", Input)
        field.value = current.text if current else ""
        field.focus()

    def close(self) -> None:
        """Out of sight."""
        self.display = False

    @on(Input.Submitted)
    def _submit(self, event: Input.Submitted) -> None:
        event.stop()
        try:
            chosen = parse_filter(event.value)
        except regex.error as error:
            self.query_one("#bad", Label).update(clean(f"bad expression: {error}", 70))
            return
        self.close()
        self.post_message(self.Chosen(chosen))
