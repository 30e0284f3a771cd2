"""The state of a run after any of its events, without folding everything each time.

Every so many events the fold so far is kept, and its place in the log. Two of these share all
trials that did not change between them, so that a night of ten thousand trials stays small.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from atft_core.run.collecting import collecting_later
from atft_core.run.epochs import Epochs
from atft_core.run.events import EngineStarted, Epoch, Event, Stamped
from atft_core.run.fold import apply
from atft_core.run.state import State, Trial
from atft_core.run.timeline import complete_lines, decoded
from atft_core.run.verdict.history import copied

EVERY = 2048
"""Events between two states that are kept: what a step back folds again at most."""
_LINES = 100
"""Lines between two looks at the clock."""

T = TypeVar("T", State, Trial)


@dataclass(frozen=True)
class Mark:
    """A state that nobody changes any more, and where the events after it begin."""

    offset: int
    state: State


class States:
    """Folds forward from the nearest mark."""

    def __init__(self, path: Path, known: State) -> None:
        """`known`: a state of the same run; epochs that it has too are kept once."""
        self._path, self._known = path, known
        self._marks = [Mark(0, State())]
        self._last = self._marks[0]
        self.following: Stamped | None = None
        """The event after the one that was asked for last; None: there is none yet."""

    @property
    def seq(self) -> int:
        """How far the log has been folded."""
        return max(self._marks[-1].state.seq, self._last.state.seq)

    def after(self, seq: int, seconds: float = float("inf")) -> State | None:
        """The state after an event; None when that takes longer: then ask again, it goes on."""
        give_up = time.monotonic() + seconds
        self.following = None
        with collecting_later():
            fold = _Fold(self._nearest(seq), self._known)
            for count, (offset, line) in enumerate(
                complete_lines(self._path, fold.offset), start=1
            ):
                stamped = decoded(line)
                if stamped is not None and stamped.seq > seq:
                    self.following = stamped
                    break
                if stamped is not None:
                    fold.take(stamped)
                fold.offset = offset
                if fold.state.seq >= self._marks[-1].state.seq + EVERY:
                    self._marks.append(fold.mark())
                if count % _LINES == 0 and time.monotonic() > give_up:
                    self._last = fold.mark()
                    return None
            self._last = fold.mark()
        return self._last.state

    def _nearest(self, seq: int) -> Mark:
        place = bisect_right(self._marks, seq, key=lambda mark: mark.state.seq)
        kept = self._marks[max(0, place - 1)]
        return self._last if kept.state.seq <= self._last.state.seq <= seq else kept


class _Fold:
    """Applies events to a state whose trials others may hold, too: it copies what it changes."""

    def __init__(self, start: Mark, known: State) -> None:
        self.offset = start.offset
        self.state = unshared(start.state)
        self._known = known
        self._own: set[int] = set()

    def mark(self) -> Mark:
        """The state so far; from now on its trials are no longer this fold's own."""
        found = Mark(self.offset, self.state)
        self.state = unshared(self.state)
        self._own.clear()
        return found

    def take(self, stamped: Stamped) -> None:
        """One more event."""
        for number in self._changed(stamped.event) - self._own:
            self.state.trials[number] = unshared(self.state.trials[number])
            self._own.add(number)
        apply(self.state, stamped)
        if isinstance(stamped.event, Epoch):
            self._keep_once(stamped.event.trial)

    def _changed(self, event: Event) -> set[int]:
        """Known trials that an event changes; an engine that starts speaks of all that run."""
        trials = self.state.trials
        if isinstance(event, EngineStarted):
            return {number for number, trial in trials.items() if trial.running}
        number = getattr(event, "trial", None)
        return {number} if number in trials else set()

    def _keep_once(self, number: int) -> None:
        """Epochs take nearly all of the room, and the state that is shown live has them, too."""
        rows = self.state.trials[number].epochs
        same = self._known.trials.get(number)
        if (
            rows
            and same
            and len(rows) <= len(same.epochs)
            and same.epochs[len(rows) - 1] == rows[-1]
        ):
            rows[-1] = same.epochs[len(rows) - 1]


def unshared(value: T) -> T:
    """A copy whose own lists and dicts may be changed; what is in them is still shared."""
    made = copy(value)
    own = (list, dict, Epochs)
    vars(made).update(
        {key: copy(held) for key, held in vars(value).items() if isinstance(held, own)}
    )
    if isinstance(made, State):
        made.verdicts = copied(made.verdicts)
    return made
