"""One trial from asking to telling: attempts, reports, pruning, retries."""

from __future__ import annotations

from optuna.trial import TrialState

from atft_core.engine.attempts import attempts
from atft_core.engine.outcome import FINAL, Outcome
from atft_core.engine.session import Session
from atft_core.engine.space import suggest
from atft_core.engine.steps import Steps
from atft_core.engine.study import ENDED_STATES, Asked, report
from atft_core.errors import EngineError
from atft_core.run import events as ev
from atft_core.run.events import Json
from atft_core.run.faults import after, before
from atft_core.run.files import read_json, remove_leftovers, write_json
from atft_core.run.judge.rules import stopped_by
from atft_core.run.state import ENDED


def run_trial(session: Session, number: int) -> Steps[str]:
    """Bring a trial to its end; otherwise why the run has to stop before it."""
    trial = _obtain(session, number)
    if _already_told(session, trial):
        return ""
    _catch_up(session, trial)
    outcome = yield from attempts(session, trial)
    if outcome.state not in FINAL:
        return outcome.reason
    _tell(session, trial, outcome)
    return ""


def _obtain(session: Session, number: int) -> Asked:
    """Intent, ask, event: whatever a kill leaves of these three, the next engine completes it."""
    known = session.state.trials.get(number)
    if known is None:
        session.record(ev.TrialIntent(trial=number))
    trial = session.ask(number)
    files = session.run.trial(number)
    if known is None:
        params = suggest(trial.trial, session.space)
        files.path.mkdir(exist_ok=True)
        write_json(files.params, {"trial": number, "params": params})
        session.record(ev.TrialAsked(trial=number, params=params, in_study=trial.trial.number))
    else:
        _refuse_other_params(session, trial, known.params)
        wanted = {"trial": number, "params": known.params}
        if not known.ended and read_json(files.params) != wanted:  # what a worker reads
            write_json(files.params, wanted)
    return trial


def _refuse_other_params(session: Session, trial: Asked, params: Json) -> None:
    """A study put back from its copy may not know what a trial was asked with; then ask again."""
    drawn = trial.trial.params or suggest(trial.trial, session.space)
    if drawn != params:
        raise EngineError(
            f"The study has other parameters for trial {trial.number} than the event log.",
            hint="Start a new run: this study cannot be continued truthfully.",
        )


def _already_told(session: Session, trial: Asked) -> bool:
    """A kill between telling the study and writing the event: the study is right."""
    known, number = session.study._storage.get_trial(trial.trial._trial_id), trial.number
    if not known.state.is_finished():
        return False
    if ended(session, number):
        return True
    reason = str(known.user_attrs.get("reason", ""))
    value = None if known.state is TrialState.FAIL else known.value
    session.record(ev.TrialEnded(trial=number, state=known.state.name, value=value, reason=reason))
    return True


def _catch_up(session: Session, trial: Asked) -> None:
    """Report what the log knows and the study does not: a kill came between the two."""
    horizon = session.config.objective.horizon
    for row in session.state.trial(trial.number).epochs:
        report(trial.trial, row.epoch, row.objective(session.state.objective, horizon))


def _tell(session: Session, trial: Asked, outcome: Outcome) -> None:
    """Tell the study, then the log, in the study's own words."""
    state = {"complete": "COMPLETE", "pruned": "PRUNED"}.get(outcome.state, "FAIL")
    known = session.state.trial(trial.number)
    given_up = known.given_up or stopped_by(session.state, trial.number)
    reason = outcome.reason or (given_up if state == "PRUNED" else "")
    if reason:
        trial.trial.set_user_attr("reason", reason)
    before("study tell")
    session.study.tell(
        trial.trial.number,
        values=outcome.value if state == "COMPLETE" else None,
        state=ENDED_STATES[state],
        skip_if_finished=True,
    )
    after("study tell")
    _already_told(session, trial)
    remove_leftovers(session.run.trial(trial.number).path)
    session.predictions.drop(session.state, trial.number)
    session.copy.renew()
    session.snapshot.renew()


def ended(session: Session, number: int) -> bool:
    """Whether the trial has its final state."""
    known = session.state.trials.get(number)
    return known is not None and known.state in ENDED
