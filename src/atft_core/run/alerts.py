"""What a person should be told without looking: from the log, and from a run's status.

`raised` says what an event tells, so alerts are a part of the fold: the same for every reader, and
after a restart. `standing_by_status` says what no event can: that an engine died, or is silent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from atft_core.run import events as ev
from atft_core.run.events import Event, Stamped
from atft_core.run.state import EDITED, Alert, State

KEYS = {
    "finished": "a run ended: how, and what its criteria say",
    "gate_opened": "the criteria are met and a next stage may start",
    "trial_failed": "a trial ended without a value, and why",
    "worker_lost": "a worker process was killed or crashed",
    "hung": "nothing is heard for longer than the phase may take",
    "gpu_idle": "the GPU of a running trial has had nothing to do for minutes",
    "node_lost": "a machine of the cluster is gone, or cannot be used: trials go on elsewhere",
    "gpu_lost": "a GPU is of no use any more: trials go on in other slots",
    "disk_low": "the disk of the run is nearly full",
    "paused": "the run cannot write: it waits until it can",
    "engine_died": "the engine is gone and wrote no end",
    "rule": "a rule of the stage says stop",
    EDITED: "a script of the user's own was changed while it was tuned",
    "notify": "an alert could not be sent",
    "other": "whatever else the engine warns of",
}
"""What alerts are about, and when they come."""
LEVELS = ("info", "warning", "error")
"""How bad an alert is, in rising order."""


def reaches(level: str, bar: str) -> bool:
    """Whether an alert of this level is at least as bad as `bar`; none is where that is "off"."""
    return bar in LEVELS and rank(level) >= rank(bar)


def rank(level: str) -> int:
    """How bad a level is; a word that is none counts as a warning."""
    return LEVELS.index(level) if level in LEVELS else LEVELS.index("warning")


def raised(state: State, stamped: Stamped) -> list[Alert]:
    """The alerts of one event; `state` is the state after it. Mostly none."""
    raise_ = _RAISED.get(type(stamped.event))
    return raise_(state, stamped.event, stamped.t) if raise_ else []


def standing(state: State, key: str) -> bool:
    """Whether an alert of this key has begun in the log and not ended."""
    newest = next((alert for alert in reversed(state.alerts) if alert.key == key), None)
    return newest is not None and not newest.ended


def standing_trials(state: State, key: str) -> set[int | None]:
    """Of which trials one has; None among them where it is about none."""
    ended = {alert.trial: alert.ended for alert in state.alerts if alert.key == key}
    return {trial for trial, over in ended.items() if not over}


def newest_standing(state: State) -> Alert | None:
    """The newest alert that is still so: not over, and not of an end before the run was resumed."""
    over: set[tuple[str, int | None]] = set() if state.end_state else {("finished", None)}
    if not state.waits_since:  # an engine may have ended in between
        over.add(("paused", None))
    over |= {("hung", n) for n, trial in state.trials.items() if not trial.running}
    for alert in reversed(state.alerts):
        if alert.ended:
            over.add((alert.key, alert.trial))
        elif (alert.key, alert.trial) not in over:
            return alert
    return None


BY_STATUS = ("hung", "engine_died")
"""Keys of what `standing_by_status` tells."""


def standing_by_status(
    name: str, reason: str, state: State, trial: int | None = None
) -> Alert | None:
    """What the status of a run alone tells: name, reason, the state behind it, and who hangs."""
    if name == "DIED":
        return Alert(state.t, "error", reason, "engine_died")
    if name == "HUNG":
        return Alert(state.t, "error", reason, "hung", trial=trial)
    return None


def subject(state: State) -> str:
    """How the run is called: by its stage, else by its directory."""
    return str(state.stage_spec.get("title") or state.run or "the run")


def _run_ended(state: State, event: ev.RunEnded, t: float) -> list[Alert]:
    passed = not event.verdict or event.verdict.startswith("PASS")
    asked_for = event.state == "STOPPED" and bool(state.stop)
    fine = asked_for or (event.state == "FINISHED" and passed)
    level = "error" if event.state == "FAILED" else "info" if fine else "warning"
    said = [f"{subject(state)} {event.state}", event.verdict, event.reason]
    return [Alert(t, level, ": ".join(part for part in said if part), "finished")]


def _run_paused(state: State, event: ev.RunPaused, t: float) -> list[Alert]:
    return [Alert(t, "error", f"paused: {event.reason}", "paused")]


def _run_continued(state: State, event: ev.RunContinued, t: float) -> list[Alert]:
    return [Alert(t, "info", "goes on: it can write again", "paused", ended=True)]


def _settings(state: State, event: ev.Settings, t: float) -> list[Alert]:
    """Whoever edits a script while it is tuned gets trials of two programs, and is told once."""
    text = edited(event)
    told = any(alert.key == EDITED for alert in state.alerts)
    return [Alert(t, "warning", text, EDITED)] if text and not told else []


def edited(event: ev.Settings) -> str:
    """That a worker found other scripts than the run began with; mostly empty."""
    found = event.values.get("edited")
    if not found or not isinstance(found, dict):
        return ""
    return (
        f"{', '.join(found)} changed: trial {event.trial} runs another program than this run "
        "began with, so the run opens no gate"
    )


def _trial_ended(state: State, event: ev.TrialEnded, t: float) -> list[Alert]:
    if event.state != "FAIL":
        return []
    why = event.reason or "no reason was given"
    return [Alert(t, "warning", f"trial {event.trial} failed: {why}", "trial_failed")]


def _worker_exited(state: State, event: ev.WorkerExited, t: float) -> list[Alert]:
    if event.ok:
        return []
    return [Alert(t, "warning", f"trial {event.trial}: {event.reason}", "worker_lost")]


def _decided(state: State, event: ev.Decision, t: float) -> list[Alert]:
    if event.verdict != "stop":
        return []
    return [Alert(t, "warning" if event.acts else "info", event.said, "rule")]


def _alert(state: State, event: ev.Alert, t: float) -> list[Alert]:
    return [Alert(t, event.level, event.text, event.key, event.ended, event.trial)]


_RAISED: dict[type[Event], Callable[[State, Any, float], list[Alert]]] = {
    ev.RunPaused: _run_paused,
    ev.RunContinued: _run_continued,
    ev.RunEnded: _run_ended,
    ev.TrialEnded: _trial_ended,
    ev.WorkerExited: _worker_exited,
    ev.Decision: _decided,
    ev.Settings: _settings,
    ev.Alert: _alert,
}
