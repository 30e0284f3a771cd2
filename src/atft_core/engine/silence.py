"""For how long a trial has said nothing, as its engine heard it."""

from __future__ import annotations

import time

LOOK_SECONDS = 1.0
"""What one look counts at most: while the engine itself was stopped, or the machine slept, nobody
listened; and no clock that jumps counts.
"""


class Silence:
    """Grows with each look until the trial is heard of again."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._heard: object = None
        self._looked = time.monotonic()

    def look(self, heard: object) -> float:
        """Seconds of silence; `heard` is another one whenever the trial said something."""
        now = time.monotonic()
        passed, self._looked = now - self._looked, now
        if heard != self._heard:
            self._heard, self.seconds = heard, 0.0
        else:
            self.seconds += min(passed, LOOK_SECONDS)
        return self.seconds
