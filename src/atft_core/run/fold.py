"""state = fold(events): the only way from the log to what is believed about a run.

It feeds the screen, the gates, `atft check` and the tests. Folding a snapshot plus the events
after it gives the same state as folding everything.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

from atft_core.run import events as ev
from atft_core.run.alerts import raised
from atft_core.run.epochs import EpochRow, Epochs, interned
from atft_core.run.events import Event, Stamped
from atft_core.run.state import ENDED, Alert, State, Trial, from_json, to_json
from atft_core.run.verdict.history import Stretch, add_epoch, add_mishap
from atft_core.run.verdict.limits import split_of
from atft_core.run.wording import finite, several


def _run_started(state: State, event: ev.RunStarted, t: float) -> None:
    state.run, state.stage, state.study_name = event.run, event.stage, event.study_name
    state.n_trials, state.max_epochs = event.n_trials, event.max_epochs
    state.horizon, state.objective, state.started = event.horizon, event.objective, t
    state.identity, state.stage_spec = event.identity, event.stage_spec
    state.loss = event.loss
    state.override, state.until, state.then = event.override, event.until, event.then
    if event.override:
        _warn(state, t, f"started although its gate was closed: {event.override}")


def _engine_started(state: State, event: ev.EngineStarted, t: float) -> None:
    if state.engines:
        _note_pause(state, t)
    state.engine_pid, state.engine_start_time = event.pid, event.start_time
    state.host, state.engines = event.host, state.engines + 1
    state.end_state = state.end_reason = state.stop = ""
    state.ended = 0.0
    _note_code(state, event.code)
    _listen_again(state, t)
    state.significance, state.walk = {}, {}  # more trials may come


def _listen_again(state: State, t: float) -> None:
    """Nobody listened until now: no trial was silent before."""
    for trial in state.trials.values():
        if trial.running:
            trial.heard, trial.up = max(trial.heard, t), 0.0


def _note_pause(state: State, t: float) -> None:
    """No engine was at work until now: since its end, or since somebody was last heard of."""
    heard = max([state.started, *(trial.heard for trial in state.trials.values())])
    since = min(state.ended or heard, t)
    _wait_no_longer(state, since)
    state.paused += t - since
    reason = state.end_reason or f"until an engine resumed it, start {state.engines + 1}"
    pause = Stretch(state.end_state or "DIED", since, t, note=reason)
    add_mishap(state.verdicts, pause)


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
    failed = sum(not check.get("ok") for check in event.checks)
    note = f"{several(len(event.checks), 'check')}, {failed} failed"
    add_mishap(state.verdicts, Stretch("preflight", state.started, t, note=note))


def _trial_intent(state: State, event: ev.TrialIntent, t: float) -> None:
    """An intent alone is no trial: the study may never have heard of it."""


def _trial_asked(state: State, event: ev.TrialAsked, t: float) -> None:
    trial = state.trial(event.trial)
    trial.params, trial.started = event.params, t


def _worker_started(state: State, event: ev.WorkerStarted, t: float) -> None:
    trial = state.trial(event.trial)
    trial.state, trial.attempt = "RUNNING", event.attempt
    trial.pid, trial.start_time = event.pid, event.start_time
    trial.slot, trial.node = event.slot, event.node
    trial.phase, trial.worker_seq, trial.heard, trial.reason = "start", 0, t, ""
    trial.up = 0.0
    trial.started = trial.started or t


def _cluster_seen(state: State, event: ev.ClusterSeen, t: float) -> None:
    state.nodes = [node for node in event.nodes if isinstance(node, dict)]
    state.slots = event.slots


def _news_of(state: State, event: ev.WorkerEvent, t: float) -> Trial | None:
    """The trial that a drained line tells something new about.

    Lines are keyed by (trial, attempt, worker_seq); each counts once. The worker's own clock says
    how long it was silent, the one that nobody sets: an engine that slept meanwhile is none of its
    faults, nor is a clock that jumps.
    """
    trial = state.trial(event.trial)
    if event.attempt != trial.attempt or event.worker_seq <= trial.worker_seq:
        return None
    trial.worker_seq = event.worker_seq
    said = event.said or t
    silent = event.up - trial.up if event.up and trial.up else said - trial.heard
    trial.up = event.up
    if trial.running and silent > state.budget(trial):
        trial.hangs += 1
        where = f"worker pid {trial.pid} in {trial.phase or 'between phases'}, it came back"
        silence = Stretch("HUNG", trial.heard, said, trial.number, note=where)
        add_mishap(state.verdicts, silence)
    trial.heard = max(trial.heard, said)
    return trial


def _settings(state: State, event: ev.Settings, t: float) -> None:
    if trial := _news_of(state, event, t):
        trial.settings, trial.settings_seq = event.values, state.seq
        _note_code(state, str(event.values.get("code", "")))


def _progress(state: State, event: ev.Progress, t: float) -> None:
    if trial := _news_of(state, event, t):
        trial.epoch, trial.phase = event.epoch, event.phase
        trial.batch, trial.batches = event.batch, event.batches


def _epoch(state: State, event: ev.Epoch, t: float) -> None:
    trial = _news_of(state, event, t)
    if trial is None:
        return
    place = _place(trial.epochs, event.epoch)
    if place is None:
        return  # a resumed worker repeats the epoch it was killed in; the first report stands
    trial.epoch = event.epoch
    row = EpochRow(
        event.epoch, event.said or t, event.seconds, event.batches, event.batches_available,
        interned(event.time), interned(event.train), interned(event.val),
        interned(event.gpu) if event.gpu else event.gpu, interned(event.rates), state.seq,
    )  # fmt: skip
    trial.epochs.insert(place, row)  # one whose first report was lost comes late
    if state.written:  # a program may not have known how many there would be
        state.max_epochs = max(state.max_epochs, event.epoch)
    split = split_of(event.time, event.seconds, event.gpu, event.rates)
    add_epoch(
        state.verdicts, trial.number, event.said or t, finite(event.seconds) or 0.0, split,
        event=(state.seq, t),
    )  # fmt: skip


def _place(rows: Epochs, epoch: int) -> int | None:
    """Where an epoch belongs; None where it is there. Nearly always it is the next one."""
    if not rows or rows[-1].epoch < epoch:
        return len(rows)
    place = bisect_left(rows, epoch, key=lambda row: row.epoch)
    return None if rows[place].epoch == epoch else place


def _worker_exited(state: State, event: ev.WorkerExited, t: float) -> None:
    trial = state.trial(event.trial)
    if not event.ok:
        trial.crashes += 1
        trial.mishaps = [*trial.mishaps, event.reason]
        crash = Stretch("CRASHED", trial.heard or t, t, event.trial, note=event.reason)
        add_mishap(state.verdicts, crash)
    trial.reason, trial.phase, trial.pid = event.reason, "", 0
    trial.over = trial.over or event.over
    if trial.state not in ENDED:
        trial.state = "WAITING"


def _trial_ended(state: State, event: ev.TrialEnded, t: float) -> None:
    trial = state.trial(event.trial)
    trial.state, trial.value, trial.reason = event.state, event.value, event.reason
    trial.ended, trial.ended_seq, trial.phase, trial.pid = t, state.seq, "", 0


def _requested(state: State, event: ev.Requested, t: float) -> None:
    state.answered[event.id] = (event.ok, event.message)


def _stop_requested(state: State, event: ev.StopRequested, t: float) -> None:
    state.stop = "now" if event.now or state.stop == "now" else "after"


def _prune_requested(state: State, event: ev.PruneRequested, t: float) -> None:
    state.trial(event.trial).given_up = f"given up by {event.user or 'somebody'}"


def _trial_enqueued(state: State, event: ev.TrialEnqueued, t: float) -> None:
    if event.request and event.request in state.added:
        return
    state.added.append(event.request)
    state.n_trials += 1


def _decided(state: State, event: ev.Decision, t: float) -> None:
    state.decisions.append((t, event))


def _significance(state: State, event: ev.Significance, t: float) -> None:
    state.significance = {"trial": event.trial, "said": event.said, **event.found}


def _walked(state: State, event: ev.WalkedForward, t: float) -> None:
    state.walk = {"said": event.said, **event.found}


def _alert(state: State, event: ev.Alert, t: float) -> None:
    """An alert changes nothing; `raised` puts it among the others."""


def _warn(state: State, t: float, text: str) -> None:
    state.alerts.append(Alert(t, "warning", text))


def _holdout_scored(state: State, event: ev.HoldoutScored, t: float) -> None:
    state.trial(event.trial).holdout = event.metrics


def _run_paused(state: State, event: ev.RunPaused, t: float) -> None:
    state.waits_since, state.waits_for = state.waits_since or t, event.reason


def _run_continued(state: State, event: ev.RunContinued, t: float) -> None:
    _wait_no_longer(state, t)


def _wait_no_longer(state: State, t: float) -> None:
    if since := min(state.waits_since, t):
        state.paused += t - since
        add_mishap(state.verdicts, Stretch("PAUSED", since, t, note=state.waits_for))
        _listen_again(state, t)
    state.waits_since, state.waits_for = 0.0, ""


def _run_ended(state: State, event: ev.RunEnded, t: float) -> None:
    _wait_no_longer(state, t)
    state.end_state, state.end_reason, state.ended = event.state, event.reason, t
    add_mishap(state.verdicts, Stretch(event.state, t, t, note=event.reason))


_APPLY: dict[type[Event], Callable[[State, Any, float], None]] = {
    ev.RunStarted: _run_started,
    ev.EngineStarted: _engine_started,
    ev.DataReady: _data_ready,
    ev.Preflight: _preflight,
    ev.TrialIntent: _trial_intent,
    ev.TrialAsked: _trial_asked,
    ev.WorkerStarted: _worker_started,
    ev.ClusterSeen: _cluster_seen,
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
    ev.RunPaused: _run_paused,
    ev.RunContinued: _run_continued,
    ev.RunEnded: _run_ended,
}


def apply(state: State, stamped: Stamped) -> None:
    """Advance `state` by one event in place; an event already seen is left out."""
    if stamped.seq <= state.seq:
        return
    if lost := stamped.seq - state.seq - 1:
        miss(state, lost)
    state.seq, state.t = stamped.seq, stamped.t
    _APPLY[type(stamped.event)](state, stamped.event, stamped.t)
    state.alerts += raised(state, stamped)


def miss(state: State, lost: int) -> None:
    """Events that were written and cannot be read: from now on nothing is proven by the log."""
    _warn(state, state.t, f"{several(lost, 'event')} after event {state.seq} cannot be read")
    state.lost += lost
    state.seq += lost


def fold(events: Iterable[Stamped], start: State | None = None) -> State:
    """The state after `events`; `start` is not changed."""
    state = State() if start is None else from_json(deepcopy(to_json(start)))
    for stamped in events:
        apply(state, stamped)
    return state
