"""state = fold(events): the only way from the log to what is believed about a run.

It feeds the screen, the gates, `atft check` and the tests. Folding a snapshot plus the events
after it gives the same state as folding everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from typing import Any

from atft_core.run import events as ev
from atft_core.run.events import Event, Json, Stamped
from atft_core.run.wording import finite, several

ENDED = ("COMPLETE", "PRUNED", "FAIL")
"""Final trial states, named as Optuna names them."""
PHASE_BUDGET = {"start": 180.0, "load": 600.0, "compile": 900.0, "baselines": 1800.0}
"""Seconds of silence allowed in phases that are slow without being stuck."""
DEFAULT_BUDGET = 300.0
FOLD = "split.fold"
"""The parameter by which the trials of a walk-forward differ."""


@dataclass
class EpochRow:
    """One epoch of a trial, as the first worker that finished it reported it."""

    epoch: int
    t: float
    seconds: float
    batches: int
    batches_available: int
    time: Json
    train: Json
    val: Json
    gpu: Json | None
    rates: Json = field(default_factory=dict)

    def metric(self, name: str, horizon: int) -> float | None:
        """A validation metric of this epoch, None where it is undefined (NaN, infinity too)."""
        return finite(self.val.get(str(horizon), {}).get(name))


@dataclass
class Trial:
    """One trial."""

    number: int
    state: str = "ASKED"
    params: Json = field(default_factory=dict)
    value: float | None = None
    reason: str = ""
    attempt: int = 0
    pid: int = 0
    start_time: float = 0.0
    crashes: int = 0
    mishaps: list[str] = field(default_factory=list)
    """How its workers were lost, in words."""
    hangs: int = 0
    """Silences beyond the budget that the worker came back from."""
    worker_seq: int = 0
    started: float = 0.0
    ended: float = 0.0
    epochs: list[EpochRow] = field(default_factory=list)
    settings: Json = field(default_factory=dict)
    phase: str = ""
    epoch: int = 0
    batch: int = 0
    batches: int = 0
    heard: float = 0.0
    holdout: Json | None = None
    given_up: str = ""
    """Who asked for its end; empty when nobody did."""

    @property
    def running(self) -> bool:
        """Whether the trial has a worker, as far as the log knows."""
        return self.state == "RUNNING"

    def last(self, name: str, horizon: int) -> float | None:
        """A validation metric of the newest epoch."""
        return self.epochs[-1].metric(name, horizon) if self.epochs else None


@dataclass
class State:
    """Everything known about a run."""

    seq: int = 0
    t: float = 0.0
    lost: int = 0
    """Events that are missing or damaged in the log."""
    run: str = ""
    stage: str = ""
    study_name: str = ""
    n_trials: int = 0
    """Trials that are planned, with those that people added."""
    enqueued: int = 0
    """How many of them people added."""
    max_epochs: int = 0
    horizon: int = 1
    started: float = 0.0
    ended: float = 0.0
    end_state: str = ""
    end_reason: str = ""
    engine_pid: int = 0
    engine_start_time: float = 0.0
    host: str = ""
    engines: int = 0
    override: str = ""
    until: float | None = None
    then: str = ""
    stop: str = ""
    identity: Json = field(default_factory=dict)
    stage_spec: Json = field(default_factory=dict)
    loss: Json = field(default_factory=dict)
    facts: Json = field(default_factory=dict)
    split: Json = field(default_factory=dict)
    preflight: list[Json] = field(default_factory=list)
    estimate: Json = field(default_factory=dict)
    baselines: Json = field(default_factory=dict)
    trials: dict[int, Trial] = field(default_factory=dict)
    answered: dict[str, tuple[bool, str]] = field(default_factory=dict)
    """By request: whether it was obeyed, and what the engine said."""
    alerts: list[tuple[float, str, str]] = field(default_factory=list)
    decisions: list[tuple[float, ev.Decision]] = field(default_factory=list)
    """What rules decided, and when."""
    significance: Json = field(default_factory=dict)
    """How much of the best trial is luck; empty before the end of a sweep."""
    walk: Json = field(default_factory=dict)
    """What the folds of a walk-forward say; empty before its end."""

    def trial(self, number: int) -> Trial:
        """The trial, made on first mention."""
        return self.trials.setdefault(number, Trial(number))

    @property
    def complete(self) -> list[Trial]:
        """Trials that finished with a value; NaN is none."""
        ended = [trial for trial in self.trials.values() if trial.state == "COMPLETE"]
        return [trial for trial in ended if finite(trial.value) is not None]

    @property
    def best(self) -> Trial | None:
        """The complete trial with the highest value."""
        return max(self.complete, key=lambda trial: trial.value or 0.0, default=None)

    @property
    def walks(self) -> bool:
        """Whether the trials are folds of a walk-forward: each on its own days, so none is best."""
        return any(FOLD in trial.params for trial in self.trials.values())

    @property
    def current(self) -> Trial | None:
        """The trial that a worker is at."""
        return next((t for t in reversed(self.trials.values()) if t.running), None)

    def budget(self, trial: Trial) -> float:
        """Seconds of silence that the trial may need in the phase that it is in."""
        usual = float(self.identity.get("hung_seconds", DEFAULT_BUDGET))
        return max(usual, PHASE_BUDGET.get(trial.phase, 0.0))


def _run_started(state: State, event: ev.RunStarted, t: float) -> None:
    state.run, state.stage, state.study_name = event.run, event.stage, event.study_name
    state.n_trials, state.max_epochs = event.n_trials, event.max_epochs
    state.horizon, state.started = event.horizon, t
    state.identity, state.stage_spec = event.identity, event.stage_spec
    state.loss = event.loss
    state.override, state.until, state.then = event.override, event.until, event.then
    if event.override:
        _warn(state, t, f"started although its gate was closed: {event.override}")


def _engine_started(state: State, event: ev.EngineStarted, t: float) -> None:
    state.engine_pid, state.engine_start_time = event.pid, event.start_time
    state.host, state.engines = event.host, state.engines + 1
    state.end_state = state.end_reason = state.stop = ""
    state.ended = 0.0
    _note_code(state, event.code)
    for trial in state.trials.values():  # nobody listened while there was no engine
        trial.heard = max(trial.heard, t) if trial.running else trial.heard
    state.significance, state.walk = {}, {}  # more trials may come


def _note_code(state: State, code: str) -> None:
    """A run that several versions of the code worked on is evidence for none of them alone."""
    known = state.identity.get("code", "")
    if code and known and code not in known:
        state.identity = {**state.identity, "code": f"{known}, {code}"}


def _data_ready(state: State, event: ev.DataReady, t: float) -> None:
    state.facts, state.split = event.facts, event.split


def _preflight(state: State, event: ev.Preflight, t: float) -> None:
    state.preflight, state.estimate = event.checks, event.estimate
    state.baselines = event.baselines


def _trial_intent(state: State, event: ev.TrialIntent, t: float) -> None:
    """An intent alone is no trial: the study may never have heard of it."""


def _trial_asked(state: State, event: ev.TrialAsked, t: float) -> None:
    trial = state.trial(event.trial)
    trial.params, trial.started = event.params, t


def _worker_started(state: State, event: ev.WorkerStarted, t: float) -> None:
    trial = state.trial(event.trial)
    trial.state, trial.attempt = "RUNNING", event.attempt
    trial.pid, trial.start_time = event.pid, event.start_time
    trial.phase, trial.worker_seq, trial.heard, trial.reason = "start", 0, t, ""
    trial.started = trial.started or t


def _news_of(state: State, event: ev.WorkerEvent, t: float) -> Trial | None:
    """The trial that a drained line tells something new about.

    Lines are keyed by (trial, attempt, worker_seq); each counts once. The worker's own clock says
    how long it was silent: an engine that slept meanwhile is none of its faults.
    """
    trial = state.trial(event.trial)
    if event.attempt != trial.attempt or event.worker_seq <= trial.worker_seq:
        return None
    trial.worker_seq = event.worker_seq
    said = event.said or t
    if trial.running and said - trial.heard > state.budget(trial):
        trial.hangs += 1
    trial.heard = max(trial.heard, said)
    return trial


def _settings(state: State, event: ev.Settings, t: float) -> None:
    if trial := _news_of(state, event, t):
        trial.settings = event.values
        _note_code(state, str(event.values.get("code", "")))


def _progress(state: State, event: ev.Progress, t: float) -> None:
    if trial := _news_of(state, event, t):
        trial.epoch, trial.phase = event.epoch, event.phase
        trial.batch, trial.batches = event.batch, event.batches


def _epoch(state: State, event: ev.Epoch, t: float) -> None:
    trial = _news_of(state, event, t)
    if trial is None:
        return
    if any(row.epoch == event.epoch for row in trial.epochs):
        return  # a resumed worker repeats the epoch it was killed in; the first report stands
    trial.epoch = event.epoch
    trial.epochs.append(
        EpochRow(
            event.epoch, event.said or t, event.seconds, event.batches, event.batches_available,
            event.time, event.train, event.val, event.gpu, event.rates,
        )
    )  # fmt: skip


def _worker_exited(state: State, event: ev.WorkerExited, t: float) -> None:
    trial = state.trial(event.trial)
    if not event.ok:
        trial.crashes += 1
        trial.mishaps.append(event.reason)
    trial.reason, trial.phase, trial.pid = event.reason, "", 0
    if trial.state not in ENDED:
        trial.state = "WAITING"


def _trial_ended(state: State, event: ev.TrialEnded, t: float) -> None:
    trial = state.trial(event.trial)
    trial.state, trial.value, trial.reason = event.state, event.value, event.reason
    trial.ended, trial.phase, trial.pid = t, "", 0


def _requested(state: State, event: ev.Requested, t: float) -> None:
    state.answered[event.id] = (event.ok, event.message)


def _stop_requested(state: State, event: ev.StopRequested, t: float) -> None:
    state.stop = "now" if event.now or state.stop == "now" else "after"


def _prune_requested(state: State, event: ev.PruneRequested, t: float) -> None:
    state.trial(event.trial).given_up = f"given up by {event.user or 'somebody'}"


def _trial_enqueued(state: State, event: ev.TrialEnqueued, t: float) -> None:
    state.n_trials, state.enqueued = state.n_trials + 1, state.enqueued + 1


def _decided(state: State, event: ev.Decision, t: float) -> None:
    state.decisions.append((t, event))
    if event.verdict == "stop":
        state.alerts.append((t, "info", event.said))


def _significance(state: State, event: ev.Significance, t: float) -> None:
    state.significance = {"trial": event.trial, "said": event.said, **event.found}


def _walked(state: State, event: ev.WalkedForward, t: float) -> None:
    state.walk = {"said": event.said, **event.found}


def _alert(state: State, event: ev.Alert, t: float) -> None:
    state.alerts.append((t, event.level, event.text))


def _warn(state: State, t: float, text: str) -> None:
    state.alerts.append((t, "warning", text))


def _holdout_scored(state: State, event: ev.HoldoutScored, t: float) -> None:
    state.trial(event.trial).holdout = event.metrics


def _run_ended(state: State, event: ev.RunEnded, t: float) -> None:
    state.end_state, state.end_reason, state.ended = event.state, event.reason, t


_APPLY: dict[type[Event], Callable[[State, Any, float], None]] = {
    ev.RunStarted: _run_started,
    ev.EngineStarted: _engine_started,
    ev.DataReady: _data_ready,
    ev.Preflight: _preflight,
    ev.TrialIntent: _trial_intent,
    ev.TrialAsked: _trial_asked,
    ev.WorkerStarted: _worker_started,
    ev.Settings: _settings,
    ev.Progress: _progress,
    ev.Epoch: _epoch,
    ev.WorkerExited: _worker_exited,
    ev.TrialEnded: _trial_ended,
    ev.Requested: _requested,
    ev.StopRequested: _stop_requested,
    ev.PruneRequested: _prune_requested,
    ev.TrialEnqueued: _trial_enqueued,
    ev.Decision: _decided,
    ev.Significance: _significance,
    ev.WalkedForward: _walked,
    ev.Alert: _alert,
    ev.HoldoutScored: _holdout_scored,
    ev.RunEnded: _run_ended,
}


def apply(state: State, stamped: Stamped) -> None:
    """Advance `state` by one event in place; an event already seen is left out."""
    if stamped.seq <= state.seq:
        return
    lost = stamped.seq - state.seq - 1
    if lost:
        state.lost += lost
        _warn(state, stamped.t, f"{several(lost, 'event')} before this one cannot be read")
    state.seq, state.t = stamped.seq, stamped.t
    _APPLY[type(stamped.event)](state, stamped.event, stamped.t)


def fold(events: Iterable[Stamped], start: State | None = None) -> State:
    """The state after `events`; `start` is not changed."""
    state = State() if start is None else from_json(deepcopy(to_json(start)))
    for stamped in events:
        apply(state, stamped)
    return state


def to_json(state: State) -> Json:
    """A state as JSON: of what it holds nothing is copied, so write it before the next event."""
    trials = {
        number: {**vars(trial), "epochs": [vars(row) for row in trial.epochs]}
        for number, trial in state.trials.items()
    }
    decisions = [(t, asdict(decision)) for t, decision in state.decisions]
    return {**vars(state), "trials": trials, "decisions": decisions}


def from_json(value: Json) -> State:
    """The state that `to_json` was given."""
    trials = {}
    for key, raw in value["trials"].items():
        epochs = [EpochRow(**row) for row in raw["epochs"]]
        trials[int(key)] = Trial(**{**raw, "epochs": epochs})
    alerts = [(t, level, text) for t, level, text in value["alerts"]]
    decisions = [(t, ev.Decision(**raw)) for t, raw in value.get("decisions", [])]
    answered = {key: (bool(ok), text) for key, (ok, text) in value["answered"].items()}
    found = {"trials": trials, "alerts": alerts, "decisions": decisions, "answered": answered}
    return State(**{**value, **found})
