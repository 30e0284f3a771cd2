"""What the watching threads tell the screen. A newer message replaces an older one in the queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

from atft_tui.machine_now import Machine
from atft_tui.view import View

if TYPE_CHECKING:
    from atft_core.notify.settings import Loaded


class Updated(Message):
    """The run, the stages or the log changed; holds the whole picture."""

    def __init__(self, view: View) -> None:
        super().__init__()
        self.view = view

    def can_replace(self, message: Message) -> bool:
        """A burst of changes is drawn once."""
        return isinstance(message, Updated)


class Sampled(Message):
    """A new look at GPUs and processes."""

    def __init__(self, machine: Machine) -> None:
        super().__init__()
        self.machine = machine

    def can_replace(self, message: Message) -> bool:
        """Only the newest sample is drawn."""
        return isinstance(message, Sampled)


class Heeded(Message):
    """How this person wants to be told of alerts, and what is wrong with the file that says so."""

    def __init__(self, loaded: Loaded, complaint: str) -> None:
        super().__init__()
        self.loaded, self.complaint = loaded, complaint
