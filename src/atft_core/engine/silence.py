"""For how long a trial has been at work, and has said nothing, as its engine heard it."""

from __future__ import annotations

import time

LOOK_SECONDS = 1.0
"""What one look counts at most: while the engine itself was stopped, or the machine slept, nobody
listened; and no clock that jumps counts.
"""


class Stopwatch:
    """What has passed while somebody looked; each look adds to it."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._looked = time.monotonic()

    def look(self) -> float:
        """What this look adds."""
        now = time.monotonic()
        passed = min(now - self._looked, LOOK_SECONDS)
        self._looked = now
        self.seconds += passed
        return passed


class Listening:
    """For how long a trial has said nothing."""

    def __init__(self) -> None:
        self.watch = Stopwatch()
        self.silence = 0.0
        self._heard: object = None

    def look(self, heard: object) -> None:
        """`heard` is another one whenever the trial said something: then its silence is over."""
        passed = self.watch.look()
        self.silence = self.silence + passed if heard == self._heard else 0.0
        self._heard = heard
