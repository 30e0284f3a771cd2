"""The attempts at a trial: a worker is started or adopted, followed, started again when lost."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path

from optuna.trial import Trial

from atft_core.engine import workers
from atft_core.engine.drain import drain
from atft_core.engine.requests import answer_requests
from atft_core.engine.session import Session
from atft_core.engine.silence import Listening
from atft_core.engine.study import report
from atft_core.engine.watch import look
from atft_core.engine.workers import Worker
from atft_core.run import events as ev
from atft_core.run.causes import cause_of, caused
from atft_core.run.events import Epoch, Json
from atft_core.run.files import read_json
from atft_core.run.judge.measure import median_of_last
from atft_core.run.judge.rules import decisions_on_trial, stopped_by
from atft_core.run.wording import finite

TICK_SECONDS = 0.1
BLOCKED_SECONDS = 20.0
"""Between two attempts at a trial whose disk or files are not as they must be."""
FINAL = ("complete", "pruned", "failed")
"""Last words that end a trial; "stopped", "blocked" and "lost" do not."""
WORDS = (*FINAL, "stopped", "blocked")
"""Last words that a worker can leave."""


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended. `state` is that of exit.json, or "lost" when there is none."""

    state: str
    reason: str = ""
    value: float | None = None


def attempts(session: Session, trial: Trial) -> Outcome:
    """Attempts until one leaves a verdict; a worker that was killed is started again."""
    number, retries, blocked = trial.number, session.config.engine.max_retries, 0
    worker = _pick_up(session, number)
    if worker is None:
        left = _left_behind(session, trial)
        if left is not None and left.state in FINAL:
            return left
    while worker is not None or not session.must_stop_now:
        worker = worker or _pick_up(session, number) or _start(session, number)
        end = _watch(session, trial, worker)
        outcome = _close(session, trial, end.fate or worker.fate(), ordered=end.ordered)
        if outcome.state in FINAL:
            return outcome
        if end.over:
            return Outcome("failed", end.over)
        if lost := _lost_gpu(session, number):
            return Outcome("blocked", f"trial {number} cannot go on: {caused('LOST_GPU', lost)}")
        if cause_of(outcome.reason) == "DISK_FULL":
            session.reserve.give_up()
        elif outcome.state == "blocked":
            blocked += 1
            if blocked > retries:
                return Outcome("blocked", f"trial {number} cannot go on: {outcome.reason}")
            _wait_out(session, number, outcome.reason)
        worker = None
    return Outcome("stopped", session.must_stop_now)


def _lost_gpu(session: Session, number: int) -> str:
    """Why the GPU that the trial was on is of no use to another attempt; empty where it is."""
    device = session.state.trial(number).settings.get("device") or session.config.train.device
    return "" if str(device).startswith("cpu") else session.sampler.broken


def _wait_out(session: Session, number: int, reason: str) -> None:
    """A disk or a file around the trial is at fault; it may be well again in a moment."""
    text = f"trial {number} is blocked: {reason}; trying again in {BLOCKED_SECONDS:.0f} s"
    session.record(ev.Alert(level="warning", text=text))
    give_up = time.monotonic() + BLOCKED_SECONDS
    while time.monotonic() < give_up and not session.must_stop_now:
        answer_requests(session)
        look(session)
        time.sleep(TICK_SECONDS)


def _left_behind(session: Session, trial: Trial) -> Outcome | None:
    """What an attempt left that ended while no engine watched."""
    if session.state.trial(trial.number).running:
        fate = caused("CRASHED", "the worker vanished while no engine watched")
        return _close(session, trial, fate)
    return _last_word(session, trial)


def _close(session: Session, trial: Trial, fate: str, *, ordered: bool = False) -> Outcome:
    """Drain the attempt, read its last word, and write down that its process is gone.

    A worker that was ended by order, for instance while it was still loading, has not crashed; nor
    has one that found no room, not even for a last word.
    """
    silent = Outcome("stopped", "ended by order") if ordered else Outcome("lost", fate)
    if not ordered and session.reserve.disk_is_full():
        silent = Outcome("stopped", caused("DISK_FULL", fate))
    outcome = _last_word(session, trial) or silent
    session.record(
        ev.WorkerExited(
            trial=trial.number,
            attempt=session.state.trial(trial.number).attempt,
            ok=outcome.state != "lost",
            reason=outcome.reason,
        )
    )
    crashes = session.state.trial(trial.number).crashes
    if outcome.state == "lost" and crashes > session.config.engine.max_retries:
        return Outcome("failed", f"{outcome.reason}; {crashes} attempts were lost")
    return outcome


def _pick_up(session: Session, number: int) -> Worker | None:
    """The worker that an earlier engine left at work."""
    worker = workers.adopt(session.run, number)
    if worker is not None and worker.attempt > session.state.trial(number).attempt:
        session.record(
            ev.WorkerStarted(
                trial=number,
                attempt=worker.attempt,
                pid=worker.pid,
                start_time=worker.start_time,
                resume_epoch=_epochs_done(session, number),
            )
        )
    return worker


def _start(session: Session, number: int) -> Worker:
    attempt = session.state.trial(number).attempt + 1
    worker = workers.spawn(session.run, number, attempt, session.programs.worker)
    session.record(
        ev.WorkerStarted(
            trial=number,
            attempt=attempt,
            pid=worker.pid,
            start_time=worker.start_time,
            resume_epoch=_epochs_done(session, number),
        )
    )
    return worker


def _epochs_done(session: Session, number: int) -> int:
    return max((row.epoch for row in session.state.trial(number).epochs), default=0)


@dataclass(frozen=True)
class End:
    """Why an attempt is over."""

    ordered: bool = False
    """It was told to stop."""
    fate: str = ""
    """Why the engine ended it; empty where it ended by itself."""
    over: str = ""
    """Why its trial is over with it."""


def _watch(session: Session, trial: Trial, worker: Worker) -> End:
    """Follow an attempt until its process is gone, or has been silent for too long."""
    told, over, heard, known = "", "", Listening(), session.state.trial(trial.number)
    worked = sum(row.seconds for row in known.epochs)
    while worker.running():
        news = drain(session, trial.number)
        _report(session, trial, news)
        answer_requests(session)
        look(session)
        heard.look((known.attempt, known.worker_seq))
        if heard.silence > session.state.budget(known):
            return End(fate=_end_silent(session, worker, heard.silence))
        over = _timed_out(session, worked + heard.seconds)
        if over or session.must_stop_now:
            told = "stop"
            workers.tell(session.run, trial.number, "stop")
            workers.end(
                worker,
                patience=workers.GRACE_SECONDS,
                idle=lambda: _report(session, trial, drain(session, trial.number)),
            )
        elif not told and (_given_up(session, trial.number) or (news and trial.should_prune())):
            told = "prune"
            workers.tell(session.run, trial.number, told)
        worker.wait(TICK_SECONDS)
    return End(ordered=told == "stop", over=over)


def _timed_out(session: Session, seconds: float) -> str:
    """Why a trial that has been at work for so long is over; empty while it is not."""
    hours = session.config.engine.trial_hours
    if not hours or seconds <= hours * 3600:
        return ""
    return caused("TIMED_OUT", f"it took longer than engine.trial_hours = {hours:g}")


def _end_silent(session: Session, worker: Worker, quiet: float) -> str:
    """Let a worker that hangs say where, and end all its processes; what happened to it."""
    trial = session.state.trial(worker.trial)
    where = trial.phase or "between phases"
    budget = session.state.budget(trial)
    text = f"HUNG, trial {trial.number}, {where}: nothing for {quiet:.0f} s (budget {budget:.0f} s)"
    session.record(ev.Alert(level="error", key="hung", text=text, trial=trial.number))
    workers.kill(worker, lambda: _unless_stopped(session))
    text = f"trial {trial.number} hangs no more: its worker is gone"
    session.record(ev.Alert(level="info", key="hung", text=text, ended=True, trial=trial.number))
    stacks = session.run.trial(worker.trial).stacks
    seen = f"; stacks in {stacks.relative_to(session.run.path)}" if _has_text(stacks) else ""
    said = f"nothing was heard for {quiet:.0f} s in {where}, so it was ended{seen}"
    return caused("HUNG", said)


def _unless_stopped(session: Session) -> bool:
    """Stay able to answer; whether to wait on for a process that cannot be killed."""
    answer_requests(session)
    return not session.must_stop_now


def _has_text(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _given_up(session: Session, number: int) -> bool:
    """Let the rules look at the epochs so far; whether one that acts, or a person, says stop.

    Answered by the log: an engine may have ended between a decision and the order that follows it.
    """
    if session.state.trial(number).given_up:
        return True
    for decision in decisions_on_trial(session.state, session.rules, number):
        session.record(decision)
    return bool(stopped_by(session.state, number))


def _report(session: Session, trial: Trial, epochs: list[Epoch]) -> None:
    """Epochs just drained, reported to the study so that it can prune."""
    horizon = session.config.objective.horizon
    for epoch in epochs:
        value = epoch.val.get(str(horizon), {}).get("rank_ic")
        report(session.study, trial, epoch.epoch, finite(value))


def _last_word(session: Session, trial: Trial) -> Outcome | None:
    """exit.json of the newest attempt, after its last events have been drained."""
    _report(session, trial, drain(session, trial.number))
    word: Json | None = read_json(session.run.trial(trial.number).exit)
    attempt = session.state.trial(trial.number).attempt
    if not isinstance(word, dict) or attempt == 0 or word.get("attempt") != attempt:
        return None
    state, reason = str(word.get("state")), str(word.get("reason", ""))
    if state not in WORDS or (state == "complete" and not _borne_out(session, trial, word)):
        return None
    return Outcome(state, reason, finite(word.get("value")))


def _borne_out(session: Session, trial: Trial, word: Json) -> bool:
    """Whether the epochs that were reported give the value that a worker says it has reached."""
    config, epochs = session.config, session.state.trial(trial.number).epochs
    objective = config.objective
    reported = [row.metric("rank_ic", objective.horizon) for row in epochs]
    measured, value = median_of_last(reported, objective.last_epochs), finite(word.get("value"))
    if len(epochs) < config.train.max_epochs or measured is None or value is None:
        return False
    return math.isclose(value, measured, abs_tol=1e-9)
