"""The thread that looks at the machine, once a second. What it looks with is imported there."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

from atft_tui.machine_now import Machine
from atft_tui.view import View

PERIOD = 1.0
IDLE_PERIOD = 2.0
"""Seconds between two looks while nothing runs."""


class MachineWatch(threading.Thread):
    """Posts a Machine every second, every two while nothing runs."""

    def __init__(self, post: Callable[[Machine], object]) -> None:
        super().__init__(name="atft-machine", daemon=True)
        self._post = post
        self._ended = threading.Event()
        self._view: View | None = None

    def watch(self, view: View) -> None:
        """Whose processes to look for."""
        self._view = view

    def stop(self) -> None:
        """Let the thread end."""
        self._ended.set()

    def run(self) -> None:
        """Look, post, sleep."""
        from atft_tui.machine.look import MachineLook

        look, pause = MachineLook(), 0.2
        while not self._ended.wait(pause):
            with suppress(OSError):  # the run's directory became something else: the next look
                self._post(look.look(self._view))
            pause = PERIOD if self._view and self._view.live else IDLE_PERIOD
        look.close()
