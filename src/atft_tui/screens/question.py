"""A question that must be answered before something cannot be undone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Static

from atft_core.run.foreign import clean


class QuestionScreen(ModalScreen[bool]):
    """Yes or no; everything but yes is no."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("y", "answer(True)", "yes"),
        ("escape,n,q,enter", "answer(False)", "no"),
    ]

    def __init__(self, question: str, detail: str) -> None:
        super().__init__()
        self._question, self._detail = question, detail

    def compose(self) -> Iterable[Widget]:
        """Two lines and the answers."""
        with Vertical(id="question"):
            yield Static(clean(self._question), markup=False, classes="asked")
            yield Static(clean(self._detail), markup=False)
            yield Static("y yes   n no", markup=False, classes="answers")

    def action_answer(self, answer: bool) -> None:
        """The answer."""
        if self.is_current:  # a key that came twice answers once
            self.dismiss(answer)
