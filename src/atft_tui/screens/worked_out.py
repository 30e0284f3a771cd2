"""A screen whose contents take long to make: a thread makes them, from the newest view."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from typing import Generic, TypeVar

from textual import work

from atft_tui.screens.live import LiveScreen
from atft_tui.view import View

FoundT = TypeVar("FoundT")
_REST = 9
"""How much longer than the work the pause after it is, so that the drawing is never slowed."""


class WorkedOutScreen(LiveScreen[None], Generic[FoundT]):
    """Draws each view at once with what was found in an older one, and looks again."""

    def __init__(self) -> None:
        super().__init__()
        self._newest: View | None = None
        self._working = False

    @abstractmethod
    def work_out(self, view: View) -> FoundT:
        """What takes long; in a thread, so it may look at nothing that changes."""

    @abstractmethod
    def found(self, found: FoundT) -> None:
        """Give it to the panes."""

    def show(self, view: View) -> None:
        """Draw, and have the rest made again."""
        super().show(view)
        self._newest = view
        if not self._working:
            self.look_again()

    def look_again(self) -> None:
        """At once, whatever is being done: something else is wanted."""
        self._working = True
        self._work()

    @work(exclusive=True, group="work")
    async def _work(self) -> None:
        while self._newest is not None:
            view, self._newest = self._newest, None
            began = time.monotonic()
            self.found(await asyncio.to_thread(self.work_out, view))
            super().show(self._newest or view)  # a newer one may have been drawn meanwhile
            await asyncio.sleep(_REST * (time.monotonic() - began))
        self._working = False

    def action_close(self) -> None:
        """Out of the zoom, else back."""
        if self.zoomed:
            self.unzoom()
        else:
            self.dismiss(None)
