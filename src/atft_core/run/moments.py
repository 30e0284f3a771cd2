"""What happened in a run, as a person would tell it: one moment per event that matters.

Epochs and progress are no moments: a night has a hundred thousand of them, and the curves show
them. So their lines are skipped without being read, and the log of a night is told in a second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from atft_core.run import events as ev
from atft_core.run.alerts import edited
from atft_core.run.events import Event, Stamped
from atft_core.run.foreign import clean
from atft_core.run.wording import finite, panel_in_brief, ratio, scale, several, trial_word

_TEXT = 400
"""Characters of a moment's text."""


@dataclass(frozen=True)
class Moment:
    """One thing that happened."""

    seq: int
    t: float
    kind: str
    """run, engine, data, preflight, started, ended, lost (a worker), request, alert ..."""
    sign: str
    """PASS, FAIL, PENDING, UNKNOWN, RUNNING or LOCKED, as everywhere on the screen."""
    text: str
    trial: int | None = None

    @property
    def about(self) -> str:
        """What it happened to."""
        return f"trial {self.trial}" if self.kind in _OF_TRIAL else self.kind


_OF_TRIAL = ("started", "ended", "lost", "holdout")

Told = tuple[str, str, str] | None
"""Kind, sign and text; None: no moment."""


@dataclass
class Teller:
    """Makes moments of events in their order; remembers what a later one is compared with."""

    bests: list[tuple[int, int, float]] = field(default_factory=list)
    """Each trial that was the best one so far: event, number, value."""
    sign: float = 1.0
    """Of values as people read them: a study that minimises is told them with a minus."""
    engines: int = 0
    ended: bool = True
    """Whether the engine before said that it let go."""
    seq: int = 0
    """The newest event."""

    def tell(self, stamped: Stamped) -> list[Moment]:
        """The moments of an event: often none; one more where events before it are missing."""
        if stamped.seq <= self.seq:
            return []
        found: list[Told] = []
        if lost := stamped.seq - self.seq - 1:
            said = f"{several(lost, 'event')} after event {self.seq} cannot be read"
            found.append(("alert", "UNKNOWN", said))
        self.seq = stamped.seq
        teller = _TELLERS.get(type(stamped.event))
        if teller:
            found.append(teller(self, stamped.event))
        trial = getattr(stamped.event, "trial", None)
        return [
            Moment(stamped.seq, stamped.t, kind, sign, clean(text, _TEXT), trial)
            for kind, sign, text in filter(None, found)
        ]


def _run_started(teller: Teller, event: ev.RunStarted) -> Told:
    teller.sign = -1.0 if event.objective.startswith("-") else 1.0
    gate = f"; gate overridden: {event.override}" if event.override else ""
    return "run", "RUNNING", f"{event.run}: {scale(event.n_trials, event.max_epochs)}{gate}"


def _engine_started(teller: Teller, event: ev.EngineStarted) -> Told:
    teller.engines += 1
    again = f", start {teller.engines}" if teller.engines > 1 else ""
    lost, teller.ended = not teller.ended, False
    host = f" on {event.host}" if event.host else ""
    said = f"pid {event.pid}{host}{again}" + ("; the one before was lost" if lost else "")
    return "engine", "UNKNOWN" if lost else "RUNNING", said


def _data_ready(teller: Teller, event: ev.DataReady) -> Told:
    facts = event.facts
    warned = facts.get("warnings")
    count = len(warned) if isinstance(warned, list) else 0
    said = panel_in_brief(facts)
    return "data", "PASS", said + (f", {several(count, 'warning')}" if count else "")


def _preflight(teller: Teller, event: ev.Preflight) -> Told:
    failed = [str(check.get("name")) for check in event.checks if not check.get("ok")]
    if failed:
        return "preflight", "FAIL", f"failed: {', '.join(failed)}"
    return "preflight", "PASS", f"{several(len(event.checks), 'check')} passed"


def _worker_started(teller: Teller, event: ev.WorkerStarted) -> Told:
    if event.attempt <= 1:
        return "started", "RUNNING", "started"
    after = f" after epoch {event.resume_epoch}" if event.resume_epoch else ""
    return "started", "RUNNING", f"goes on{after}, attempt {event.attempt}"


def _settings(teller: Teller, event: ev.Settings) -> Told:
    text = edited(event)
    return ("alert", "UNKNOWN", text) if text else None


def _worker_exited(teller: Teller, event: ev.WorkerExited) -> Told:
    if event.ok:
        return None
    return "lost", "FAIL", f"lost its worker: {event.reason}"


_ENDS = {"COMPLETE": "PASS", "PRUNED": "LOCKED", "FAIL": "FAIL"}


def _trial_ended(teller: Teller, event: ev.TrialEnded) -> Told:
    sign, word = _ENDS.get(event.state, "UNKNOWN"), trial_word(event.state)
    value = finite(event.value)
    said = word if value is None else f"{word} {ratio(teller.sign * value)}"
    said += f": {event.reason}" if event.reason else ""
    if event.state == "COMPLETE" and value is not None:
        said += _better(teller, event.trial, value)
    return "ended", sign, said


def _better(teller: Teller, trial: int, value: float) -> str:
    """Whether it is the best so far; it then is what the next ones are compared with."""
    _, whose, before = teller.bests[-1] if teller.bests else (0, 0, None)
    if before is not None and value <= before:
        return ""
    teller.bests.append((teller.seq, trial, value))
    return (
        ""
        if before is None
        else f", the best so far (trial {whose}: {ratio(teller.sign * before)})"
    )


def _requested(teller: Teller, event: ev.Requested) -> Told:
    sign, word = ("PASS", "obeyed") if event.ok else ("FAIL", "refused")
    who = event.user or "somebody"
    return "request", sign, f"{event.op or '?'} by {who} {word}: {event.message}".rstrip(": ")


def _decided(teller: Teller, event: ev.Decision) -> Told:
    if event.verdict == "go on":
        return None  # after each epoch, and nothing changes
    return "decision", "PENDING", f"{event.rule}, {event.said or event.reason}"


def _alert(teller: Teller, event: ev.Alert) -> Told:
    return "alert", "PENDING" if event.level == "info" else "UNKNOWN", event.text


def _significance(teller: Teller, event: ev.Significance) -> Told:
    return "luck", "PENDING", event.said


def _walked(teller: Teller, event: ev.WalkedForward) -> Told:
    return "walk", "PENDING", event.said


def _holdout_scored(teller: Teller, event: ev.HoldoutScored) -> Told:
    return "holdout", "PENDING", f"holdout scored, look {event.looks} at this data"


def _run_paused(teller: Teller, event: ev.RunPaused) -> Told:
    return "alert", "UNKNOWN", f"paused: {event.reason}"


def _run_continued(teller: Teller, event: ev.RunContinued) -> Told:
    return "alert", "PENDING", "goes on: it can write again"


_RUN_ENDS = {"FINISHED": "PASS", "STOPPED": "UNKNOWN"}


def _run_ended(teller: Teller, event: ev.RunEnded) -> Told:
    teller.ended = True
    reason = f": {event.reason}" if event.reason else ""
    return "run", _RUN_ENDS.get(event.state, "FAIL"), f"{event.state}{reason}"


_TELLERS: dict[type[Event], Callable[[Teller, Any], Told]] = {
    ev.RunStarted: _run_started,
    ev.EngineStarted: _engine_started,
    ev.DataReady: _data_ready,
    ev.Preflight: _preflight,
    ev.WorkerStarted: _worker_started,
    ev.Settings: _settings,
    ev.WorkerExited: _worker_exited,
    ev.TrialEnded: _trial_ended,
    ev.Requested: _requested,
    ev.Decision: _decided,
    ev.Alert: _alert,
    ev.Significance: _significance,
    ev.WalkedForward: _walked,
    ev.HoldoutScored: _holdout_scored,
    ev.RunPaused: _run_paused,
    ev.RunContinued: _run_continued,
    ev.RunEnded: _run_ended,
}

QUIET = frozenset(kind for kind, cls in ev.KINDS.items() if cls not in _TELLERS)
"""Kinds of events that are never a moment."""
