"""The line in which something is typed: a filter, parameters, a note."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from textual import events, on
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Input, Label

from atft_core.run.foreign import clean


@dataclass(frozen=True)
class Prompt:
    """What is asked for, and what happens with the answer."""

    label: str
    hint: str
    """What is shown while nothing is typed."""
    apply: Callable[[str], str | None]
    """Raises ValueError with what is wrong with the answer; it is then typed again.

    What it returns is said while the answer is looked into, until `answered` is called.
    """
    value: str = ""
    """What is there already."""


class Field(Input):
    """A line of text whose keys take effect in the order in which they come.

    Textual inserts a letter at once but lets an editing key first travel to the app and back: of
    "backspace d" in one packet of a slow line, d came first.
    """

    async def _on_key(self, event: events.Key) -> None:
        for binding in self._bindings.key_to_bindings.get(event.key, ()):
            event.stop()
            event.prevent_default()
            await self.run_action(binding.action)
            return


class EntryLine(Horizontal):
    """Hidden until something is asked; enter answers, escape does not."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._prompt: Prompt | None = None
        self._came_from: Widget | None = None

    def compose(self) -> Iterable[Widget]:
        """What for, the field, the complaint."""
        yield Label(id="asked", markup=False)
        yield Field(id="answer", compact=True)
        yield Label(id="bad", markup=False)

    def ask(self, prompt: Prompt) -> None:
        """Show the line; the focus returns to where it was."""
        self._prompt = prompt
        if not self.display:
            self._came_from = self.screen.focused
        self.display = True
        self.query_one("#asked", Label).update(clean(prompt.label))
        self.query_one("#bad", Label).update("")
        field = self.query_one("#answer", Input)
        field.placeholder, field.value = prompt.hint, prompt.value
        field.focus()

    def close(self) -> None:
        """Out of sight."""
        self.display = False
        if self._came_from is not None:
            self._came_from.focus()

    @on(Input.Submitted)
    def _submit(self, event: Input.Submitted) -> None:
        event.stop()
        if self._prompt is None:
            return
        try:
            pending = self._prompt.apply(event.value)
        except ValueError as error:
            self._say(str(error))
            return
        if pending is None:
            self.close()
        else:
            self._say(pending)

    def _say(self, text: str) -> None:
        self.query_one("#bad", Label).update(clean(text, 70))

    def answered(self, value: str, complaint: str) -> bool:
        """What was looked into is known; False where something else has been typed since."""
        if not self.display or self.query_one("#answer", Input).value != value:
            return False
        if complaint:
            self._say(complaint)
        else:
            self.close()
        return True
