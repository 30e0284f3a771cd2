"""The trials of a run, as many at once as there are slots."""

from __future__ import annotations

from atft_core.engine.follow import end_workers
from atft_core.engine.requests import answer_requests
from atft_core.engine.session import Session
from atft_core.engine.steps import Steps, pause
from atft_core.engine.trials import ended, run_trial
from atft_core.engine.watch import look
from atft_core.engine.workers import Worker
from atft_core.errors import EngineError
from atft_core.run import events as ev
from atft_core.run.judge.rules import decisions_on_sweep, stopped_by

FUTILE_TRIALS = 3
"""A sweep whose first trials all fail will not get better."""


def work(session: Session) -> ev.RunEnded:
    """Until all trials are through, or none may begin any more and those at work have ended."""
    session.slots.forget()
    try:
        return _Pool(session).work()
    except EngineError as error:  # a study that is gone, or another one
        end_workers(session)
        return ev.RunEnded(state="STOPPED", reason=" ".join(str(error).split()))


class _Pool:
    """The trials at work, each at the step that it waits in."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._going: dict[int, Steps[str]] = {}
        self._waiting: dict[int, Worker | None] = {}
        """For what each waits."""
        self._first = 0
        """All trials before it are through or at work."""
        self._stuck = ""
        """Why a trial that began cannot be brought to its end."""
        self._end: ev.RunEnded | None = None
        """How the run ends once those at work are done, as long as none of them ends."""

    def work(self) -> ev.RunEnded:
        self._pick_up()
        while True:
            for number in list(self._going):
                self._step(number)
            end = self._begin_some()
            if not self._going and end is not None:
                return end
            answer_requests(self._session)
            look(self._session)
            pause(self._waiting.values())

    def _pick_up(self) -> None:
        """Whoever is at work has to be looked after, be the run over or not."""
        for number in sorted(self._session.state.trials):
            if not ended(self._session, number) and self._session.executor.adopt(number):
                self._begin(number)

    def _begin_some(self) -> ev.RunEnded | None:
        """Begin what may begin; how the run ends, where no trial is left that may."""
        session = self._session
        while (number := self._due()) is not None:
            stopping = session.why_no_further or session.why_interrupt or session.slots.broken
            if not session.slots.spare and (self._going or not stopping):
                return None
            self._end = self._end or self._why_not()
            if self._end is not None:
                return self._end
            self._begin(number)
        if _futile(session):
            return ev.RunEnded(state="FAILED", reason="every trial failed")
        return ev.RunEnded(state="FINISHED")

    def _due(self) -> int | None:
        """The first trial that is neither through nor at work; more may be asked for meanwhile."""
        for number in range(self._first, self._session.state.n_trials):
            if number not in self._going and not ended(self._session, number):
                self._first = min([number, *self._going])
                return number
        return None

    def _begin(self, number: int) -> None:
        self._going[number] = run_trial(self._session, number)
        self._step(number)

    def _step(self, number: int) -> None:
        """Let a trial do what it can until it waits again, or is done."""
        try:
            self._waiting[number] = next(self._going[number])
        except StopIteration as done:
            del self._going[number]
            self._waiting.pop(number, None)
            self._session.slots.release(number)
            self._end = None
            if not ended(self._session, number):
                self._stuck = self._stuck or done.value

    def _why_not(self) -> ev.RunEnded | None:
        """How the run ends, where no trial may begin any more."""
        session = self._session
        if _futile(session):
            failed = [trial for trial in session.state.trials.values() if trial.ended]
            why = f"the first {len(failed)} trials failed: {failed[-1].reason}"
            return ev.RunEnded(state="FAILED", reason=why)
        if self._stuck:
            return ev.RunEnded(state="STOPPED", reason=self._stuck)
        if why := _enough(session):
            return ev.RunEnded(state="FINISHED", reason=why)
        why = session.why_no_further or session.why_interrupt
        return ev.RunEnded(state="STOPPED", reason=why) if why else None


def _enough(session: Session) -> str:
    """Let the rules look at the sweep so far; why one that acts ends it, else ''."""
    for decision in decisions_on_sweep(session.state, session.rules):
        session.record(decision)
    return stopped_by(session.state, None)


def _futile(session: Session) -> bool:
    """Whether enough trials have ended and all of them failed; those at work may do better."""
    states = [trial.state for trial in session.state.trials.values() if trial.ended]
    due = min(FUTILE_TRIALS, session.config.engine.n_trials)
    return len(states) >= due and set(states) == {"FAIL"}
