"""The run that is shown: its state as far as it has been read, copies of it, its criteria."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import InitVar, dataclass, field

from atft_core.run.collecting import collecting_later
from atft_core.run.directory import RunDirectory, created
from atft_core.run.events import EngineStarted, Event, Progress
from atft_core.run.fold import apply
from atft_core.run.journal import Tail
from atft_core.run.judge.criteria import Result, check
from atft_core.run.lock import Holder
from atft_core.run.notes import NO_NOTES, Notes, notes_mark, read_notes
from atft_core.run.runbook import Stage, stage_from_json
from atft_core.run.snapshot import load_start
from atft_core.run.state import State
from atft_tui import seen
from atft_tui.view import Frozen, News

_SLICE = 1 << 22
"""Bytes of a log that are read before somebody is told: half a second's work."""
MANY = 1000
"""Trials of a run whose first picture does not wait for its criteria."""


class Checker:
    """The criteria of a stage on a state that grows: again after what may change them.

    Of ten thousand trials that takes long; then they are a little old, and the thread is free for
    nine tenths of its time.
    """

    def __init__(self, saved: Sequence[Result] = ()) -> None:
        """`saved`: what to answer in a hurry: what a snapshot says, or nothing."""
        self._saved = tuple(saved)
        self._mark: object = None
        self._stage: Stage | None = None
        self._results: tuple[Result, ...] = ()
        self._next = 0.0
        """On the monotonic clock: before that, the last answer is given again."""
        self._stale = False
        """Whether the last answer was an old one."""

    @property
    def due(self) -> bool:
        """Whether the last answer was an old one, and another question would get a new one."""
        return self._stale and time.monotonic() >= self._next

    def results(
        self, state: State, stage: Stage, mark: object, *, hurry: bool = False
    ) -> tuple[Result, ...]:
        """`mark` differs when something happened that a criterion may depend on.

        In a `hurry` a long run is not checked: the answer is what was saved.
        """
        if hurry and len(state.trials) >= MANY:
            self._stale = True
            return self._saved
        now = time.monotonic()
        other = mark != self._mark
        self._stale = other and now < self._next and stage is self._stage
        if stage is not self._stage or (other and not self._stale):
            with collecting_later():
                self._results = tuple(check(state, stage))
            self._stage, self._mark = stage, mark
            self._next = time.monotonic() + 9 * (time.monotonic() - now)
        return self._results


@dataclass
class Followed:
    """The run that is shown, and how far it has been read."""

    run: RunDirectory
    reading: InitVar[Callable[[int], object]]
    """Told, every now and then, how many bytes of a long log have been read."""
    state: State = field(init=False)
    tail: Tail = field(init=False)
    holder: Holder = Holder.NOBODY
    stage: Stage | None = None
    left: seen.Left | None = field(init=False)
    """What this person saw last of it, until they have been told what is new."""
    since: News | None = None
    notes: Notes = NO_NOTES
    made: float | None = field(init=False)
    """Another run may be made in the place of one that was removed."""
    pictured: bool = False
    """Whether it has been on the screen: the first picture waits for nothing that takes long."""
    news: int = 0
    """Events so far that a criterion may depend on."""
    _notes_mark: tuple[int, int] | None = None
    _checker: Checker = field(init=False)
    _frozen: Frozen = field(default_factory=Frozen)
    _changed: set[int] | None = None
    """Trials that events were about since the last copy; None: perhaps all."""

    def __post_init__(self, reading: Callable[[int], object]) -> None:
        gc.collect()  # screens that were left: what is frozen below is never looked at again
        self.made = created(self.run)
        self.state, self.tail, results = load_start(self.run)
        self._checker = Checker(results)
        with collecting_later():
            while self._read_on():
                reading(self.tail.offset)
        self.read()
        gc.freeze()  # else each collection stops the screen to look at ten thousand trials
        self.left = seen.left(self.run)

    def _read_on(self) -> bool:
        """Fold a slice of a long log; whether there may be more."""
        before = self.tail.offset
        for stamped in self.tail.events(_SLICE):
            apply(self.state, stamped)
        return self.tail.offset - before >= _SLICE // 2

    def read(self) -> bool:
        """Look who works on it, then fold what is new: the last words of the dying included.

        Whether there was anything new.
        """
        before, self.holder = self.holder, self.run.holder()
        seq = self.state.seq
        for stamped in self.tail.events():
            apply(self.state, stamped)
            self._note(stamped.event)
        if self.stage is None and self.state.stage_spec:
            self.stage = stage_from_json(self.state.stage_spec, self.run.path)
        return self._read_notes() or seq != self.state.seq or before is not self.holder

    @property
    def log_changed(self) -> bool:
        """Whether its log was cut or became another one: what was read of it is not believed."""
        return self.tail.restarted

    def _read_notes(self) -> bool:
        """Whether somebody wrote a note."""
        before, self._notes_mark = self._notes_mark, notes_mark(self.run)
        if before != self._notes_mark:
            self.notes = read_notes(self.run)
        return before != self._notes_mark

    def _note(self, event: Event) -> None:
        """What an event changed."""
        self.news += not isinstance(event, Progress)
        number = getattr(event, "trial", None)
        if isinstance(event, EngineStarted):  # it speaks of all trials
            self._changed = None
        elif self._changed is not None and number is not None:
            self._changed.add(number)

    def frozen(self) -> State:
        """The state for a view."""
        copy = self._frozen.copy(self.state, self._changed)
        self._changed = set()
        return copy

    @property
    def check_due(self) -> bool:
        """Whether the criteria that were given out last are old, and may be checked again."""
        return self._checker.due

    def check(self, state: State) -> tuple[Result, ...]:
        """The criteria of its own stage."""
        if self.stage is None:
            return ()
        return self._checker.results(state, self.stage, self.news, hurry=not self.pictured)
