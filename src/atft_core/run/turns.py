"""Moments at which the verdict of a run became another one, from what the fold remembers of it.

The timeline reads no epochs: of a hundred thousand that would take a while. The state has folded
them already, and keeps when each verdict began.
"""

from __future__ import annotations

from collections.abc import Sequence

from atft_core.run.foreign import clean
from atft_core.run.moments import Moment
from atft_core.run.verdict.history import Stretch

_GOOD = ("compute-bound", "memory-bound")
"""What the GPU itself limits."""


class Turns:
    """Tells each of them once, in order, as a run goes on."""

    def __init__(self) -> None:
        self._seq = 0
        self._word = ""

    def read(self, history: Sequence[Stretch], until: int) -> list[Moment]:
        """Those that are new, up to an event. What interrupts a run is told by its own event."""
        new: list[Stretch] = []
        for stretch in reversed(history):
            if stretch.split is None:
                continue
            if stretch.seq <= self._seq:
                break
            if stretch.seq <= until:
                new.append(stretch)
        return [moment for stretch in reversed(new) if (moment := self._turn(stretch))]

    def _turn(self, stretch: Stretch) -> Moment | None:
        before, self._word, self._seq = self._word, stretch.word, stretch.seq
        if before in ("", stretch.word):
            return None
        sign = "PASS" if stretch.word in _GOOD else "UNKNOWN"
        said = clean(f"{stretch.word} from here on, before: {before}")
        return Moment(stretch.seq, stretch.told, "verdict", sign, said, stretch.first)


def merged(moments: Sequence[Moment], history: Sequence[Stretch], until: int) -> list[Moment]:
    """All moments up to an event, in order."""
    turns = Turns().read(history, until)
    return sorted([*moments, *turns], key=lambda moment: moment.seq)
