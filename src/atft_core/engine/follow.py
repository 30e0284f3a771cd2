"""A worker at its attempt: drained, reported, told to stop, ended when it says nothing any more."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from atft_core.engine import workers
from atft_core.engine.drain import drain
from atft_core.engine.outcome import End
from atft_core.engine.session import Session
from atft_core.engine.silence import Listening
from atft_core.engine.steps import Steps, see_through
from atft_core.engine.study import Asked, report
from atft_core.engine.untold import untold
from atft_core.engine.workers import Worker
from atft_core.run import events as ev
from atft_core.run.causes import caused
from atft_core.run.epochs import EpochRow
from atft_core.run.events import Epoch
from atft_core.run.judge.rules import decisions_on_trial, stopped_by


def follow(session: Session, trial: Asked, worker: Worker) -> Steps[End]:
    """Follow an attempt until its process is gone; why, where the engine ended it.

    That is noted before it is done: an error on the way must not make a crash of it.
    """
    number, told, heard = trial.number, "", Listening()
    known = session.state.trial(number)
    worked = sum(row.seconds for row in known.epochs)
    session.ends.pop(number, None)
    while worker.running():
        news = drain_and_report(session, trial)
        heard.look((known.attempt, known.worker_seq))
        over = _timed_out(session, worked + heard.watch.seconds)
        if heard.silence > session.state.budget(known):
            yield from _end_silent(session, worker, heard.silence)
        elif over or session.why_interrupt:
            session.ends[number] = End(ordered=True, over=over)
            workers.tell(session.run, number, "stop")
            for waiting in workers.end(worker, patience=workers.grace(session.config)):
                drain_and_report(session, trial)
                yield waiting
        elif not told and (_given_up(session, number) or (news and trial.trial.should_prune())):
            told = "prune"
            workers.tell(session.run, number, told)
        yield worker
    return session.ends.get(number, End())


def drain_and_report(session: Session, trial: Asked) -> list[Epoch]:
    """Copy what the worker has said; its epochs are told to the study, so that it can prune."""
    epochs, horizon = drain(session, trial.number), session.config.objective.horizon
    known = {row.epoch: row for row in session.state.trial(trial.number).epochs} if epochs else {}
    for epoch in epochs:
        value = known[epoch.epoch].objective(session.state.objective, horizon)
        report(trial.trial, epoch.epoch, value)
    if epochs and len(known) == len(epochs):
        _warn_of_untold(session, known[epochs[0].epoch])
    return epochs


def _warn_of_untold(session: Session, row: EpochRow) -> None:
    known = {alert.text for alert in session.state.alerts}
    for text in untold(session.state, session.stage, row):
        if text not in known:
            session.record(ev.Alert(level="warning", text=text))


def end_workers(session: Session) -> None:
    """No worker is left at work without an engine that goes on; each resumes where it was."""
    running = [trial.number for trial in session.state.trials.values() if trial.running]
    found = [worker for number in running if (worker := session.executor.adopt(number))]
    for worker in found:
        session.ends[worker.trial] = End(ordered=True)
        with suppress(OSError):  # it is ended, whether or not the word can be left
            workers.tell(session.run, worker.trial, "stop")
    see_through(*(workers.end(worker, patience=workers.grace(session.config)) for worker in found))


def _timed_out(session: Session, seconds: float) -> str:
    """Why a trial that has been at work for so long is over; empty while it is not."""
    hours = session.config.engine.trial_hours
    if not hours or seconds <= hours * 3600:
        return ""
    return caused("TIMED_OUT", f"it took longer than engine.trial_hours = {hours:g}")


def _end_silent(session: Session, worker: Worker, quiet: float) -> Steps[None]:
    """Let a worker that hangs say where, and end all its processes."""
    trial = session.state.trial(worker.trial)
    where, budget = trial.phase or "between phases", session.state.budget(trial)
    text = f"HUNG, trial {trial.number}, {where}: nothing for {quiet:.0f} s (budget {budget:.0f} s)"
    said = f"nothing was heard for {quiet:.0f} s in {where}, so it was ended"
    stacks = session.run.trial(worker.trial).stacks
    written = _size(stacks)
    session.ends[trial.number] = End(fate=caused("HUNG", said))
    session.record(ev.Alert(level="error", key="hung", text=text, trial=trial.number))
    yield from workers.kill(worker, lambda: not session.why_interrupt)
    if _size(stacks) > written:
        said += f"; stacks in {stacks.relative_to(session.run.path)}"
        session.ends[trial.number] = End(fate=caused("HUNG", said))
    if not worker.running():
        text = f"trial {trial.number} hangs no more: its worker is gone"
        told = ev.Alert(level="info", key="hung", text=text, ended=True, trial=trial.number)
        session.record(told)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _given_up(session: Session, number: int) -> bool:
    """Let the rules look at the epochs so far; whether one that acts, or a person, says stop.

    Answered by the log: an engine may have ended between a decision and the order that follows it.
    """
    if session.state.trial(number).given_up:
        return True
    for decision in decisions_on_trial(session.state, session.rules, number):
        session.record(decision)
    return bool(stopped_by(session.state, number))
