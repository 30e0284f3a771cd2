"""Events as lines that people read: the run's log and the progress of a command without a screen.

Lines with `Epoch`, `Phase`, `Val Metrics` and `GPU` keep those words, so that old greps still work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from atft_core.run import events as ev
from atft_core.run.alerts import edited
from atft_core.run.directory import RunDirectory
from atft_core.run.events import Event, Json, Stamped
from atft_core.run.foreign import clean
from atft_core.run.state import State
from atft_core.run.wording import finite, scale, several


def stamp(t: float) -> str:
    """Local time of a line."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(t))


def number(value: Any, digits: int = 4) -> str:
    """A metric with sign and fixed decimals; `-` where it is undefined."""
    known = finite(value)
    return "-" if known is None else f"{known:+.{digits}f}"


def lines(state: State, stamped: Stamped) -> list[str]:
    """The lines of an event, without time; `state` is the state after it. Often none."""
    narrator = _NARRATORS.get(type(stamped.event))
    told = narrator(state, stamped.event) if narrator else []
    return [clean(line) for line in told]


def _run_started(state: State, event: ev.RunStarted) -> list[str]:
    what = f"stage {event.stage}" if event.stage else "ad hoc, opens no gate"
    first = (
        f"Run {event.run} ({what}): {scale(event.n_trials, event.max_epochs)}, "
        f"study {event.study_name}"
    )
    return [first] + [f"Gate overridden: {event.override}"] * bool(event.override)


def outcome(run: RunDirectory, state: State) -> list[str]:
    """What has come of several trials: the best one, and how many failed, the last one why."""
    told = []
    best = None if state.walks or len(state.trials) < 2 else state.best
    if best:
        least = ", the smaller the better" if state.objective.startswith("-") else ""
        told.append(f"Best trial: {best.number}, value {number(state.measured(best.value))}{least}"
                    + f"; {_assigned(best.params)}" * bool(best.params))  # fmt: skip
    failed = [trial for trial in state.trials.values() if trial.state == "FAIL"]
    if failed:
        of_all, last = several(len(state.trials), "trial"), failed[-1]
        log = run.trial(last.number).log
        told.append(f"Failed: {len(failed)} of {of_all}, trial {last.number} the last: "
                    f"{last.reason or 'no reason was told'}"
                    + f"; its log is {log}" * log.exists())  # fmt: skip
    return told


def _engine_started(state: State, event: ev.EngineStarted) -> list[str]:
    again = f", start {state.engines}" if state.engines > 1 else ""
    return [f"Engine pid {event.pid} on {event.host}{again}"]


def _data_ready(state: State, event: ev.DataReady) -> list[str]:
    facts, split = event.facts, event.split
    if facts.get("command"):
        inputs = ", ".join(map(str, facts.get("inputs") or []))
        reads = f"it reads {inputs}" if inputs else "no files that it reads are named"
        return [f"Program {facts['command']}; {reads}"]
    first = (
        f"Data {facts.get('path')}: {facts.get('stocks')} stocks x {facts.get('days')} days, "
        f"{facts.get('features')} features"
    )
    purged = several(int(split.get("purge_days") or 0), "day")
    second = (
        f"Split train {_span(split, 'train')} | val {_span(split, 'val')} | "
        f"holdout {_span(split, 'holdout')}, {purged} purged between"
    )
    warnings = [f"Data warning: {text}" for text in facts.get("warnings", [])]
    return [first, second, *_folds(split), *warnings]


def _folds(split: dict[str, Any]) -> list[str]:
    return [
        f"Fold {k} train {_span(fold, 'train')} | val {_span(fold, 'val')}"
        for k, fold in enumerate(split.get("folds", []))
    ]


def _between(dates: Any) -> str:
    first, last = dates or ("?", "?")
    return f"{first}..{last}"


def _span(split: dict[str, Any], name: str) -> str:
    first, last = split.get(name) or ("?", "?")
    return f"{first}..{last} ({split.get(f'{name}_days', '?')} d)"


def _preflight(state: State, event: ev.Preflight) -> list[str]:
    failed = [check for check in event.checks if not check.get("ok")]
    seconds = event.estimate.get("epoch_seconds")
    said = f", about {seconds:.1f} s per epoch" if isinstance(seconds, (int, float)) else ""
    first = f"Preflight: {len(event.checks) - len(failed)} of {len(event.checks)} checks ok{said}"
    return [first] + [f"Preflight FAILED {c.get('name')}: {c.get('detail')}" for c in failed]


def _trial_asked(state: State, event: ev.TrialAsked) -> list[str]:
    return [f"Trial {event.trial} {_assigned(event.params)}".rstrip()]


def _assigned(params: dict[str, Any]) -> str:
    return " ".join(f"{key}={_short(value)}" for key, value in params.items())


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _worker_started(state: State, event: ev.WorkerStarted) -> list[str]:
    from_epoch = f", resumes after epoch {event.resume_epoch}" if event.resume_epoch else ""
    slot = f" in slot {event.slot}" if event.slot else ""
    who = f"worker on {event.node}" if event.node else "worker"
    who += f" pid {event.pid}" if event.pid else ""
    return [f"Trial {event.trial} attempt {event.attempt}: {who}{slot}{from_epoch}"]


def _cluster_seen(state: State, event: ev.ClusterSeen) -> list[str]:
    return [cluster_line(event.nodes, event.slots)]


def cluster_line(nodes: Sequence[Json], slots: int) -> str:
    """How many machines there are, and how many trials they have room for."""
    alive = [node for node in nodes if node.get("alive")]
    gone = len(nodes) - len(alive)
    unfit = sum(bool(node.get("why")) for node in alive)
    lost = (f", {gone} gone" if gone else "") + (f", {unfit} not used" if unfit else "")
    return f"Cluster: {several(len(alive), 'node')}{lost}, {several(slots, 'slot')}"


def _settings(state: State, event: ev.Settings) -> list[str]:
    values = event.values
    if values.get("feed") == "program":
        words = values.get("command")
        said = f"Runs {' '.join(map(str, words)) if isinstance(words, list) else words}"
        return [said, *(f"Warning: {text}" for text in [edited(event)] if text)]
    loss = " ".join(f"{k}={v:g}" for k, v in dict(values.get("loss", {})).items())
    took = finite(values.get("compile_seconds"))
    compiled = f"{values.get('compile', 'off')}" + (f" in {took:.0f} s" if took else "")
    phases = [each for each in values.get("phases", []) if isinstance(each, dict)]
    return [
        f"Training on {values.get('device')}, feed {values.get('feed')} "
        f"({values.get('feed_reason')}), start method {values.get('start_method')}, "
        f"compile {compiled}, loss {loss}",
        *(f"Phase {n}: {each.get('says')}" for n, each in enumerate(phases, start=1)),
    ]


def _epoch(state: State, event: ev.Epoch) -> list[str]:
    row, total = event, state.max_epochs
    batches = f" batches {row.batches}/{row.batches_available}" if row.batches_available else ""
    first = (
        f"Epoch {row.epoch}/{total} trial {row.trial} train loss {number(row.train.get('loss'))}"
        f"{batches} {row.seconds:.1f} s"
    )
    metrics = [f"Val Metrics h={h} {_metrics(m)}" for h, m in row.val.items()]
    return [first, *metrics, *_gpu(row.gpu)]


def _metrics(m: Json) -> str:
    """Ours in their order; those of a program of the user's as it told them."""
    if "rank_ic" not in m:
        return " ".join(f"{name} {_short(value)}" for name, value in m.items())
    return (
        f"RankIC {number(m.get('rank_ic'))} +-{_plain(m.get('rank_ic_se'))} "
        f"IC {number(m.get('ic'))} sign {number(m.get('sign_ratio'))} days {m.get('days')}"
        + (f" blended with LightGBM {number(m['blend_rank_ic'])}" if "blend_rank_ic" in m else "")
    )


def _plain(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, (int, float)) else "-"


def _gpu(gpu: dict[str, Any] | None) -> list[str]:
    if not gpu:
        return []
    return [f"GPU sm p10 {gpu.get('p10')} p50 {gpu.get('p50')} p90 {gpu.get('p90')} %"]


def _worker_exited(state: State, event: ev.WorkerExited) -> list[str]:
    return [] if event.ok else [f"Trial {event.trial} worker lost: {event.reason}"]


def _trial_ended(state: State, event: ev.TrialEnded) -> list[str]:
    value = f" value {number(state.measured(event.value))}" if event.value is not None else ""
    reason = f" ({event.reason})" if event.reason else ""
    return [f"Trial {event.trial} {event.state}{value}{reason}"]


def _requested(state: State, event: ev.Requested) -> list[str]:
    return [f"Request {event.op} by {event.user or '?'}: {event.message}"]


def _enqueued(state: State, event: ev.TrialEnqueued) -> list[str]:
    return [f"Trial asked for by {event.user or 'somebody'}: {_assigned(event.params)}"]


def _decided(state: State, event: ev.Decision) -> list[str]:
    return [f"Decision {event.rule}, {event.said}"]


def _significance(state: State, event: ev.Significance) -> list[str]:
    return [f"Significance of {event.said}"]


def _walked(state: State, event: ev.WalkedForward) -> list[str]:
    rows = [
        f"Fold {fold.get('fold')} {_between(fold.get('val'))} RankIC {number(fold.get('rank_ic'))} "
        f"+-{_plain(fold.get('rank_ic_se'))} days {fold.get('days')}"
        for fold in event.found.get("folds", [])
        if isinstance(fold, dict)
    ]
    return [*rows, f"Walk-forward {event.said}"]


def _alert(state: State, event: ev.Alert) -> list[str]:
    return [f"{event.level.capitalize()}: {event.text}"]


def _holdout_scored(state: State, event: ev.HoldoutScored) -> list[str]:
    return [f"Holdout of trial {event.trial} scored; look {event.looks} at this data"]


def _run_paused(state: State, event: ev.RunPaused) -> list[str]:
    return [f"Error: paused: {event.reason}"]


def _run_continued(state: State, event: ev.RunContinued) -> list[str]:
    return ["Goes on: it can write again"]


def _run_ended(state: State, event: ev.RunEnded) -> list[str]:
    criteria = [f"Criteria: {event.verdict}"] if event.verdict else []
    return [f"Run {event.state}" + (f": {event.reason}" if event.reason else ""), *criteria]


_NARRATORS: dict[type[Event], Callable[[State, Any], list[str]]] = {
    ev.RunStarted: _run_started,
    ev.EngineStarted: _engine_started,
    ev.DataReady: _data_ready,
    ev.Preflight: _preflight,
    ev.TrialAsked: _trial_asked,
    ev.WorkerStarted: _worker_started,
    ev.ClusterSeen: _cluster_seen,
    ev.Settings: _settings,
    ev.Epoch: _epoch,
    ev.WorkerExited: _worker_exited,
    ev.TrialEnded: _trial_ended,
    ev.Requested: _requested,
    ev.TrialEnqueued: _enqueued,
    ev.Decision: _decided,
    ev.Significance: _significance,
    ev.WalkedForward: _walked,
    ev.Alert: _alert,
    ev.HoldoutScored: _holdout_scored,
    ev.RunPaused: _run_paused,
    ev.RunContinued: _run_continued,
    ev.RunEnded: _run_ended,
}
