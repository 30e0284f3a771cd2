"""The attempts at a trial: a worker is started or adopted, followed, started again when lost."""

from __future__ import annotations

import math
import signal
import time

from atft_core.engine.follow import drain_and_report, follow
from atft_core.engine.outcome import FINAL, WORDS, End, Outcome
from atft_core.engine.session import Session
from atft_core.engine.steps import Steps
from atft_core.engine.study import Asked
from atft_core.engine.workers import Worker
from atft_core.run import events as ev
from atft_core.run.causes import cause_of, caused
from atft_core.run.events import Json
from atft_core.run.files import read_json
from atft_core.run.judge.measure import median_of_last
from atft_core.run.wording import finite

BLOCKED_SECONDS = 20.0
"""Between two attempts at a trial whose disk or files are not as they must be."""
REFUSED_SECONDS = 5.0
"""After a node would not begin: by then it has been asked why, and is left out."""


def attempts(session: Session, trial: Asked) -> Steps[Outcome]:
    """Attempts until one leaves a verdict; a worker that was killed is started again."""
    number, blocked = trial.number, 0
    if not (yield from _left_by_other_host(session, number)):
        return Outcome("stopped", session.why_interrupt)
    worker = session.executor.adopt(number)
    if worker is None:
        left = _left_behind(session, trial)
        if left is not None and left.state in FINAL:
            return left
    while True:
        if worker is None:
            yield from _left_by_other_host(session, number)
            if against := _against_another(session, number):
                return against
        outcome = yield from _attempt(session, trial, worker or session.executor.adopt(number))
        worker = None
        if outcome.state in FINAL:
            return outcome
        if cause_of(outcome.reason) == "DISK_FULL":
            session.reserve.give_up()
            return Outcome("stopped", f"trial {number} cannot go on: {outcome.reason}")
        if outcome.state in ("blocked", "refused"):
            blocked += outcome.state == "blocked"
            if blocked > session.config.engine.max_retries:
                return Outcome("blocked", f"trial {number} cannot go on: {outcome.reason}")
            wait = REFUSED_SECONDS if outcome.state == "refused" else BLOCKED_SECONDS
            yield from _wait_out(session, number, outcome.reason, wait)


def _attempt(session: Session, trial: Asked, worker: Worker | None) -> Steps[Outcome]:
    """One attempt from its place to its end; `worker`: one that is at it already."""
    number = trial.number
    if worker is None:
        slot = session.slots.take(number)
        if slot is None:  # its own is of no use any more, and the others are taken
            yield None
            return Outcome("stopped")
        worker = session.executor.start(number, session.state.trial(number).attempt + 1, slot)
    if why := (yield from _unplaced(session, worker)):
        return Outcome("stopped", why)
    _begun(session, worker)
    end = yield from follow(session, trial, worker)
    outcome = _close(session, trial, end, worker.fate())
    session.executor.ended(worker, outcome)
    return outcome


def _against_another(session: Session, number: int) -> Outcome | None:
    """What stands against another attempt. By the log: the next engine has to say the same."""
    known = session.state.trial(number)
    if known.over:
        return Outcome("failed", known.over)
    if known.crashes > session.config.engine.max_retries:
        return Outcome("failed", f"{known.mishaps[-1]}; {known.crashes} attempts were lost")
    if why := _why_not_now(session, number):
        return Outcome("stopped", why)
    if lost := session.slots.broken:
        return Outcome("blocked", f"trial {number} cannot go on: {lost}")
    return None


def _why_not_now(session: Session, number: int) -> str:
    """Why no worker may be at the trial: one that has begun ends before a run does, unless it is
    interrupted; one that has not does not begin any more.
    """
    begun = session.state.trial(number).attempt > 0
    return session.why_interrupt or ("" if begun else session.why_no_further)


def _left_by_other_host(session: Session, number: int) -> Steps[bool]:
    """A worker that is at the trial on another host is no concern of this engine until it ends;
    not so where the engine has to end before.
    """
    told = ""
    while where := session.executor.held_elsewhere(number):
        if session.why_interrupt:
            return False
        if where != told:
            told = where
            session.record(ev.Alert(level="warning", text=f"trial {number} waits: {where}"))
        yield None
    return True


def _wait_out(session: Session, number: int, reason: str, seconds: float) -> Steps[None]:
    """A disk or a file around the trial is at fault; it may be well again in a moment."""
    text = f"trial {number} is blocked: {reason}; trying again in {seconds:.0f} s"
    session.record(ev.Alert(level="warning", text=text))
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up and not session.why_interrupt:
        yield None


def _left_behind(session: Session, trial: Asked) -> Outcome | None:
    """What an attempt left that ended while no engine watched."""
    number = trial.number
    if session.state.trial(number).running:
        end = session.ends.get(number, End())
        return _close(session, trial, end, session.executor.left(number))
    return _last_word(session, trial)


def _close(session: Session, trial: Asked, end: End, fate: Outcome) -> Outcome:
    """Drain the attempt, read its last word, and write down that its process is gone.

    `fate`: how it ended, where it has left no word and the engine did not end it.
    """
    outcome = _last_word(session, trial) or _wordless(session, end, fate)
    session.note_phase(session.state.trial(trial.number), "")
    session.record(
        ev.WorkerExited(
            trial=trial.number,
            attempt=session.state.trial(trial.number).attempt,
            ok=outcome.state != "lost",
            reason=outcome.reason,
            over="" if outcome.state in FINAL else end.over,
        )
    )
    return outcome


def _wordless(session: Session, end: End, fate: Outcome) -> Outcome:
    """A worker that was ended by order, for instance while it was still loading, has not crashed;
    nor has one that found no room, not even for a last word.
    """
    if end.ordered:
        return Outcome("stopped", "ended by order")
    if session.reserve.disk_is_full():
        return Outcome("stopped", caused("DISK_FULL", fate.reason))
    return Outcome("lost", end.fate) if end.fate else fate


def _unplaced(session: Session, worker: Worker) -> Steps[str]:
    """Wait until the worker is at work; on a cluster others may be before it. Why it was ended
    before it was.
    """
    why = ""
    while worker.running() and (why or not worker.placed()):
        why = why or _why_not_now(session, worker.trial) or session.slots.broken
        why = why or worker.to_be_handed_out_anew()
        if why:
            worker.signal(signal.SIGKILL)
        yield worker
    worker.placed()  # one that was quick has to say where it was
    return why


def _begun(session: Session, worker: Worker) -> None:
    """Write down that it is at work, unless the log says so: a kill may have come between."""
    number = worker.trial
    known = session.state.trial(number)
    if worker.attempt <= known.attempt:
        session.slots.keep(number, known.slot)
        return
    slot = session.slots.of(number) or session.slots.take(number)
    session.record(
        ev.WorkerStarted(
            trial=number,
            attempt=worker.attempt,
            pid=worker.pid,
            start_time=worker.start_time,
            resume_epoch=max((row.epoch for row in known.epochs), default=0),
            slot=slot.number if slot else 0,
            node=worker.node,
        )
    )
    session.slots.keep(number, known.slot)


def _last_word(session: Session, trial: Asked) -> Outcome | None:
    """exit.json of the newest attempt, after its last events have been drained."""
    drain_and_report(session, trial)
    word: Json | None = read_json(session.run.trial(trial.number).exit)
    attempt = session.state.trial(trial.number).attempt
    if not isinstance(word, dict) or attempt == 0 or word.get("attempt") != attempt:
        return None
    state, reason = str(word.get("state")), str(word.get("reason", ""))
    if state not in WORDS or (state == "complete" and not _borne_out(session, trial, word)):
        return None
    return Outcome(state, reason, finite(word.get("value")))


def _borne_out(session: Session, trial: Asked, word: Json) -> bool:
    """Whether the epochs that were reported give the value that a worker says it has reached."""
    config, epochs = session.config, session.state.trial(trial.number).epochs
    objective, wanted = config.objective, session.state.objective
    reported = [row.objective(wanted, objective.horizon) for row in epochs]
    measured, value = median_of_last(reported, objective.last_epochs), finite(word.get("value"))
    early = len(epochs) < config.train.max_epochs and not config.command.argv
    if early or measured is None or value is None:
        return False
    return math.isclose(value, measured, abs_tol=1e-9)
