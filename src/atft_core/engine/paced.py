"""What is done again and again, for a small part of the time that passes."""

from __future__ import annotations

import time
from collections.abc import Callable

SHARE = 0.05
"""Of its time that the engine gives to each: of ten thousand trials a snapshot takes a second."""


class Paced:
    """When it was done last, and what that took."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act
        self._done = time.monotonic()
        self._cost = 0.0

    @property
    def seconds(self) -> float:
        """Since it was done."""
        return time.monotonic() - self._done

    def renew(self) -> None:
        """Do it, unless it was done just now for what it costs."""
        if self.seconds >= self._cost / SHARE:
            self.now()

    def now(self) -> None:
        """Do it."""
        began = time.monotonic()
        self._act()
        self._done = time.monotonic()
        self._cost = self._done - began
