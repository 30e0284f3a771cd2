"""What the console shows at one moment: the whole picture, made in the following thread.

A view is never changed after it was made, so the screen can draw it without locks.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from heapq import nlargest
from pathlib import Path
from statistics import median

from atft_core.run.daily import Day
from atft_core.run.directory import RunDirectory
from atft_core.run.judge.criteria import Result, Verdict, overall
from atft_core.run.kept import Kept
from atft_core.run.moments import Moment
from atft_core.run.notes import NO_NOTES, Notes
from atft_core.run.runbook import Runbook, Stage
from atft_core.run.state import ENDED, State, Trial
from atft_core.run.status import Status
from atft_core.run.verdict.diagnose import Diagnosis
from atft_core.run.verdict.history import copied
from atft_core.run.wording import duration
from atft_tui.gpu_now import GpuNow


@dataclass(frozen=True)
class StageView:
    """A stage in the strip: one of the words of GLYPHS, and what there is to say about it."""

    stage: Stage
    word: str
    short: str
    long: str = ""
    ended: float | None = None
    """When its newest run ended; None: it runs, or has not been run."""


@dataclass(frozen=True)
class Reading:
    """How far a long log has been read."""

    path: Path
    share: float
    size: int
    """Bytes."""

    @property
    def percent(self) -> str:
        """The share, for people."""
        return f"{100 * self.share:.0f} %"


@dataclass(frozen=True)
class Moments:
    """What happened in the run so far."""

    all: tuple[Moment, ...] = ()
    share: float = 1.0
    """How much of the log has been read; below 1 there is more to come."""


@dataclass(frozen=True)
class Rewound:
    """That a view shows a moment of the past."""

    moment: Moment
    place: int
    """Which of all moments, from 0."""
    asked: int
    """What was asked for: the place, or one below 0 that counted from the end."""
    end: float
    """When the newest event of the log was written."""


@dataclass(frozen=True)
class News:
    """What happened since this person left, the most important first."""

    said: tuple[str, ...]
    seq: int
    """The last event that they have seen."""
    away: float
    """Seconds."""


@dataclass(frozen=True)
class TrialView:
    """The trial that a screen is about, and what its own files say."""

    number: int
    days: tuple[Day, ...] = ()
    """Of the newest validation, at the objective's horizon."""
    checkpoints: tuple[Kept, ...] = ()
    traceback: tuple[str, ...] = ()
    """Of its worker, where one was lost."""


@dataclass(frozen=True)
class View:
    """Everything that the panes draw from."""

    now: float
    runbook: Runbook
    stages: tuple[StageView, ...] = ()
    run: RunDirectory | None = None
    state: State = field(default_factory=State)
    status: Status | None = None
    stage: Stage | None = None
    results: tuple[Result, ...] = ()
    diagnosis: Diagnosis | None = None
    since: News | None = None
    notes: Notes = NO_NOTES
    locked: str = ""
    """Why this person must not change the run; empty where they may."""
    trouble: str = ""
    reading: Reading | None = None
    """The log is still being read: there is no picture of the run yet."""
    moments: Moments = field(default_factory=Moments)
    past: Rewound | None = None
    folded: float = 1.0
    """How much has been done of a rewinding that was asked for; below 1 this is not it yet."""
    gpus: tuple[GpuNow, ...] | None = None
    """What the run's sampler recorded; None: look at the machine as it is now."""
    about: TrialView | None = None

    @property
    def trial(self) -> Trial | None:
        """The trial that the screen is about."""
        return self.state.trials.get(self.about.number) if self.about else None

    @property
    def live(self) -> bool:
        """Whether an engine is at work on the run that is shown."""
        return self.status is not None and self.status.live


class Frozen:
    """Copies of a state that later events do not change.

    Between two copies, trials that did not change are shared; finished epochs always are.
    """

    def __init__(self) -> None:
        self._trials: dict[int, Trial] = {}

    def copy(self, state: State, changed: Collection[int] | None = None) -> State:
        """The state as it is now; `changed`: the trials that events were about, None: any."""
        numbers = state.trials.keys() if changed is None else changed
        for number in numbers:
            if number in state.trials:
                trial = state.trials[number]
                self._trials[number] = trial.copy()
        return replace(
            state,
            trials=dict(self._trials),
            answered=dict(state.answered),
            added=list(state.added),
            alerts=list(state.alerts),
            decisions=list(state.decisions),
            verdicts=copied(state.verdicts),
        )


_PACE = 50
"""Trials whose epochs tell how long the next ones take."""


def seconds_left(state: State, now: float) -> float | None:
    """Seconds until all planned trials are through, at the pace of the newest trials' epochs.

    Pruning can only shorten it. Before the first epoch it is the estimate of the preflight, from
    the first trial on; where that was too short, it is not known. Somebody else's study does not
    say how many trials it will have.
    """
    if state.watched:
        return None
    newest = nlargest(_PACE, state.trials.values(), key=lambda trial: trial.heard)
    epochs = [row.seconds for trial in newest for row in trial.epochs]
    if not epochs:
        sweep = state.estimate.get("sweep_seconds")
        began = min((trial.started for trial in state.trials.values()), default=now)
        rest = 0.0 if sweep is None else float(sweep) - (now - began)
        return rest if rest > 0 else None
    pace = median(epochs)
    ended = sum(trial.state in ENDED for trial in state.trials.values())
    seconds = (state.n_trials - ended) * state.max_epochs * pace
    at_work = state.at_work
    for trial in at_work:
        since = now - (trial.epochs[-1].t if trial.epochs else trial.started)
        seconds -= len(trial.epochs) * pace + min(since, pace)
    return max(0.0, seconds / max(1, len(at_work)))


def stage_of_run(
    stage: Stage, state: State, status: Status, results: Sequence[Result]
) -> StageView:
    """A stage that has been run: how far it is, or how it ended."""
    passed = sum(result.verdict is Verdict.PASS for result in results)
    if status.name in ("RUNNING", "PAUSED", "STOPPING"):
        return _running(stage, state)
    score = f"{passed}/{len(results)}"
    ended = state.ended or state.t
    if status.name == "FINISHED":
        verdict = overall(results, state)
        long = score if verdict is Verdict.PASS else f"{passed} of {len(results)} criteria"
        return StageView(stage, verdict.value, score, long, ended)
    word = "UNKNOWN" if status.name in ("STOPPED", "UNKNOWN") else "FAIL"
    through = sum(trial.state in ENDED for trial in state.trials.values())
    name = status.name.lower()
    long = f"{name} after {through} of {state.n_trials} trials"
    return StageView(stage, word, name, long, None if status.live else ended)


def _running(stage: Stage, state: State) -> StageView:
    trial = state.current
    if trial is None:
        preparing = not state.preflight and not state.trials
        doing = "running, preflight" if preparing else "running, between trials"
        return StageView(stage, "RUNNING", "running", doing)
    left = seconds_left(state, max(state.t, trial.heard))
    eta = f"  left {duration(left)}" if left is not None else ""
    if (many := len(state.at_work)) > 1:
        through = sum(trial.state in ENDED for trial in state.trials.values())
        short, done = f"{through}/{state.n_trials} +{many}", f"{through}/{state.n_trials}"
        return StageView(stage, "RUNNING", short, f"{done} through, {many} at work{eta}")
    nth = f"{trial.number + 1}/{state.n_trials}"
    epoch = f"{len(trial.epochs)}/{state.max_epochs}"
    return StageView(stage, "RUNNING", f"{nth} ep {epoch}", f"trial {nth}  epoch {epoch}{eta}")
