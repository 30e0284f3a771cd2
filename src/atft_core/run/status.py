"""What a run is doing, from its state, its lock and the clock. Silence is a state too."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass

from atft_core.errors import RunDirectoryError
from atft_core.run.collecting import collecting_later
from atft_core.run.directory import RunDirectory
from atft_core.run.fold import apply, miss
from atft_core.run.foreign import DAMAGE, clean
from atft_core.run.journal import Tail
from atft_core.run.lock import Holder
from atft_core.run.processes.alive import alive
from atft_core.run.snapshot import Start, load_start
from atft_core.run.state import State

ENGINE_BUDGET = 1800.0
"""Seconds of silence allowed between trials and before the first one (data, preflight)."""
_NAMED = 5
"""Trials that are named one by one."""


@dataclass(frozen=True)
class Status:
    """RUNNING, PAUSED, STOPPING, HUNG, FINISHED, STOPPED, FAILED, DIED or UNKNOWN, and why."""

    name: str
    reason: str = ""
    since: float = 0.0
    """When something that hangs was last heard of."""
    trial: int | None = None
    """The trial that hangs; None: the engine, or nothing."""

    @property
    def live(self) -> bool:
        """Whether an engine is at work."""
        return self.name in ("RUNNING", "PAUSED", "STOPPING", "HUNG")


def silence(state: State, now: float) -> float:
    """Seconds since the run was last heard of."""
    return max(0.0, now - state.t)


def status(state: State, holder: Holder, now: float) -> Status:
    """The truth about a run, whose lock was looked at before its events were read."""
    if holder is Holder.ENGINE or (holder is Holder.NOBODY and _unlocked(state)):
        return _held(state, now)
    if state.end_state:
        return Status(clean(state.end_state, 20), state.end_reason)
    if holder is Holder.UNKNOWN:
        return Status("UNKNOWN", f"the lock belongs to host {state.host}; ask there")
    if not state.engines:
        return Status("UNKNOWN", "no engine has started on it; `atft resume` starts one")
    return Status("DIED", _without_engine(state))


def _without_engine(state: State) -> str:
    """What the engine left: workers that train on, or trials that wait."""
    if state.written:
        return "its program is gone; started again, it makes a run of its own"
    here = state.host == socket.gethostname()
    left = [t for t in state.at_work if here and alive(t.pid, t.start_time)]
    if len(left) == 1:
        who = f"its worker (pid {left[0].pid}) trains on at trial {left[0].number}"
        return f"the engine is gone, {who}; `atft resume` takes over"
    if left:
        numbers = ", ".join(str(trial.number) for trial in left[:_NAMED])
        more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
        who = f"its workers train on at trials {numbers}{more}"
        return f"the engine is gone, {who}; `atft resume` takes over"
    working = state.current
    tail = f" while trial {working.number} was at epoch {working.epoch}" if working else ""
    return f"the engine is gone{tail}; `atft resume` continues it"


def _unlocked(state: State) -> bool:
    """Whether the engine lives although its lock file was removed under it."""
    here = state.host == socket.gethostname()
    return not state.end_state and here and alive(state.engine_pid, state.engine_start_time)


def _held(state: State, now: float) -> Status:
    if state.end_state:  # the end is written, the lock about to be released
        return Status(clean(state.end_state, 20), state.end_reason)
    if state.waits_since:
        return Status("PAUSED", state.waits_for, state.waits_since)
    if silent := silent_trial(state, now):
        return silent
    idle = state.current is None
    if idle and not state.written and silence(state, now) > ENGINE_BUDGET:
        quiet = silence(state, now)
        said = f"the engine: nothing for {quiet:.0f} s (budget {ENGINE_BUDGET:.0f} s)"
        return Status("HUNG", said, state.t)
    if state.stop:
        when = "now" if state.stop == "now" else "after the running trial"
        return Status("STOPPING", f"stops {when}")
    return Status("RUNNING", "no trial of the study is at work" if idle and state.watched else "")


def silent_trial(state: State, now: float) -> Status | None:
    """HUNG, where a running trial has been silent for longer than its phase may be."""
    return next(silent_trials(state, now), None)


def silent_trials(state: State, now: float) -> Iterator[Status]:
    """HUNG for each of them."""
    for trial in state.trials.values():
        if not trial.running:
            continue
        budget, quiet = state.budget(trial), max(0.0, now - trial.heard)
        if quiet > budget:
            where = f"trial {trial.number}, {trial.phase or 'between phases'}"
            said = f"{where}: nothing for {quiet:.0f} s (budget {budget:.0f} s)"
            yield Status("HUNG", said, trial.heard, trial.number)


def load(run: RunDirectory, start: Start | None = None) -> State:
    """The state of a run, from its snapshot where there is one, and the events after it.

    `start`: the snapshot, where it was read already.
    """
    start = start or load_start(run)
    return _fold_all(run, start.state, start.tail)


def _fold_all(run: RunDirectory, state: State, tail: Tail) -> State:
    try:
        with collecting_later():
            for stamped in tail.all_events():
                apply(state, stamped)
            if tail.unread:
                miss(state, tail.unread)
    except DAMAGE as error:
        raise RunDirectoryError(
            f"{run.events} is damaged after event {state.seq}: {error}.",
            hint="Restore it from a copy, or start a new run.",
        ) from error
    return state


def evidence(run: RunDirectory) -> State:
    """The state of a run from its whole log: what gates and checks believe, not the snapshot."""
    return _fold_all(run, State(), Tail(run.events))


def read_status(run: RunDirectory) -> tuple[State, Status]:
    """State and status of a run as of now."""
    holder = run.holder()  # before reading: what a dying engine wrote last is read after it
    state = load(run)
    return state, status(state, holder, time.time())
