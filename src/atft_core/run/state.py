"""What is believed about a run: values that `fold` makes from its events, and nothing else does."""

from __future__ import annotations

from copy import copy
from dataclasses import asdict, dataclass, field

from atft_core.run import events as ev
from atft_core.run.epochs import Epochs, epoch_row
from atft_core.run.events import Json
from atft_core.run.fits import made
from atft_core.run.verdict.history import Stretch, of_rows, to_rows
from atft_core.run.wording import finite, several

ENDED = ("COMPLETE", "PRUNED", "FAIL")
"""Final trial states, named as Optuna names them."""
PHASE_BUDGET = {
    "start": 180.0,
    "load": 600.0,
    "compile": 900.0,
    "baselines": 1800.0,
    "ranks": 900.0,
}
"""Seconds of silence allowed in phases that are slow without being stuck."""
DEFAULT_BUDGET = 300.0
FOLD = "split.fold"
"""The parameter by which the trials of a walk-forward differ."""


@dataclass(frozen=True)
class Alert:
    """Something that a person should be told, and since when it is so."""

    since: float
    level: str
    """info, warning or error."""
    text: str
    key: str = "other"
    """What it is about: a word of `alerts.KEYS`."""
    ended: bool = False
    """Whether it says that what began under this key is over."""
    trial: int | None = None
    """Which trial hangs; each begins and ends by itself."""


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
    slot: int = 0
    node: str = ""
    """On a cluster: where it runs, or ran last."""
    crashes: int = 0
    mishaps: list[str] = field(default_factory=list)
    """How its workers were lost, in words."""
    over: str = ""
    """Why no further attempt is made, where the engine decided that."""
    hangs: int = 0
    """Silences beyond the budget that the worker came back from."""
    worker_seq: int = 0
    started: float = 0.0
    ended: float = 0.0
    epochs: Epochs = field(default_factory=Epochs)
    settings: Json = field(default_factory=dict)
    settings_seq: int = 0
    ended_seq: int = 0
    """Which events of the log said so."""
    phase: str = ""
    epoch: int = 0
    batch: int = 0
    batches: int = 0
    heard: float = 0.0
    up: float = 0.0
    """When it was heard of last, on its worker's own clock."""
    holdout: Json | None = None
    given_up: str = ""
    """Who asked for its end; empty when nobody did."""

    @property
    def running(self) -> bool:
        """Whether the trial has a worker, as far as the log knows."""
        return self.state == "RUNNING"

    def copy(self) -> Trial:
        """A trial that later events do not change; epochs that have ended are shared."""
        made = copy(self)
        made.epochs = self.epochs.copy()
        return made

    def last(self, name: str, horizon: int) -> float | None:
        """A validation metric of the newest epoch."""
        return self.epochs[-1].metric(name, horizon) if self.epochs else None


EDITED = "edited"
"""Key of the alert that a script of the user's own was changed while it was tuned."""
WATCHED = "watching"
"""How the code of a run ends that mirrors a study."""


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
    added: list[str] = field(default_factory=list)
    """The requests that people added some by: none adds two, whenever it is looked at again."""
    max_epochs: int = 0
    horizon: int = 1
    objective: str = "rank_ic"
    started: float = 0.0
    ended: float = 0.0
    paused: float = 0.0
    """Seconds since its start in which no engine was at work, or it waited for a disk."""
    waits_since: float = 0.0
    """When it began to wait for a disk; 0 where it does not."""
    waits_for: str = ""
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
    baselines: dict[str, Json] = field(default_factory=dict)
    trials: dict[int, Trial] = field(default_factory=dict)
    answered: dict[str, tuple[bool, str]] = field(default_factory=dict)
    """By request: whether it was obeyed, and what the engine said."""
    alerts: list[Alert] = field(default_factory=list)
    decisions: list[tuple[float, ev.Decision]] = field(default_factory=list)
    """What rules decided, and when."""
    significance: Json = field(default_factory=dict)
    """How much of the best trial is luck; empty before the end of a sweep."""
    walk: Json = field(default_factory=dict)
    """What the folds of a walk-forward say; empty before its end."""
    nodes: list[Json] = field(default_factory=list)
    """Machines of a cluster: name, gpus, cpus, alive; empty without one."""
    slots: int = 0
    """Trials that a cluster has room for at once."""
    verdicts: list[Stretch] = field(default_factory=list)
    """What limited it, from when to when."""

    def trial(self, number: int) -> Trial:
        """The trial, made on first mention."""
        found = self.trials.get(number)
        if found is None:
            found = self.trials[number] = Trial(number)
        return found

    @property
    def judged_by(self) -> str:
        """The name of the validation metric that the study is about."""
        return self.objective.removeprefix("-")

    def measured(self, value: float | None) -> float | None:
        """A trial's value with the sign of the metric that it was made of, as people read it: a
        study that minimises is told it with a minus.
        """
        return -value if value is not None and self.objective.startswith("-") else value

    def figure(self, trial: Trial) -> float | None:
        """What the study would maximise of a trial's newest epoch."""
        return trial.epochs[-1].objective(self.objective, self.horizon) if trial.epochs else None

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
    def doubt(self) -> str:
        """Why nothing that its criteria say is evidence that anything passed; mostly empty."""
        if self.lost:
            return f"has lost {several(self.lost, 'event')} of its log"
        edited = any(alert.key == EDITED for alert in self.alerts)
        return "ran a script that was edited meanwhile" if edited else ""

    @property
    def own_program(self) -> bool:
        """Whether a program of the user's own computed it, and not our model."""
        return bool(self.facts.get("command"))

    @property
    def written(self) -> bool:
        """Whether a program of its own told all this (`atft_core.writer`): only it can go on."""
        return str(self.identity.get("code", "")).startswith("writer ")

    @property
    def watched(self) -> bool:
        """Whether it is told of somebody else's study, which has no end."""
        return self.written and str(self.identity["code"]).endswith(WATCHED)

    @property
    def hopeless(self) -> bool:
        """Whether it failed for what a resume would only meet again: all trials, or the checks."""
        states = {trial.state for trial in self.trials.values()}
        all_failed = states == {"FAIL"} or self.end_reason.startswith("preflight")
        return self.end_state == "FAILED" and all_failed

    @property
    def walks(self) -> bool:
        """Whether the trials are folds of a walk-forward: each on its own days, so none is best."""
        return any(FOLD in trial.params for trial in self.trials.values())

    @property
    def on_gpu(self) -> bool | None:
        """Whether any trial has computed on a GPU; None before any says what it computes on."""
        said = [str(trial.settings["device"]) for trial in self.trials.values()
                if "device" in trial.settings]  # fmt: skip
        return any(device.startswith("cuda") for device in said) if said else None

    @property
    def at_work(self) -> list[Trial]:
        """The trials that workers are at."""
        return [trial for trial in self.trials.values() if trial.running]

    @property
    def current(self) -> Trial | None:
        """The newest trial that a worker is at."""
        return next((t for t in reversed(self.trials.values()) if t.running), None)

    @property
    def roles(self) -> dict[int, str]:
        """What its processes do, by their numbers."""
        workers = {t.pid: f"trial {t.number}" for t in self.trials.values() if t.pid}
        return {self.engine_pid: "engine"} | workers

    def spent(self, now: float) -> float:
        """Seconds of work until `now`: pauses are none."""
        now = min(now, self.waits_since or now)
        return max(0.0, now - self.started - self.paused) if self.started else 0.0

    def budget(self, trial: Trial) -> float:
        """Seconds of silence that the trial may need in the phase that it is in."""
        usual = finite(self.identity.get("hung_seconds")) or DEFAULT_BUDGET
        return max(usual, PHASE_BUDGET.get(trial.phase, 0.0))


def to_json(state: State) -> Json:
    """A state as JSON: of what it holds nothing is copied, so write it before the next event."""
    trials = {
        number: {**vars(trial), "epochs": [vars(row) for row in trial.epochs]}
        for number, trial in state.trials.items()
    }
    own = {
        "trials": trials,
        "decisions": [(t, asdict(decision)) for t, decision in state.decisions],
        "alerts": [vars(alert) for alert in state.alerts],
        "verdicts": to_rows(state.verdicts),
    }
    return {**vars(state), **own}


def from_json(value: Json) -> State:
    """The state that `to_json` was given; ValueError for values of other types."""
    trials = {}
    for key, raw in value["trials"].items():
        rows = raw["epochs"]
        epochs = rows if isinstance(rows, Epochs) else Epochs(epoch_row(row) for row in rows)
        trials[int(key)] = made(Trial, raw, epochs=epochs)
    found = {
        "trials": trials,
        "alerts": [made(Alert, raw) for raw in value["alerts"]],
        "decisions": [(float(t), made(ev.Decision, raw)) for t, raw in value["decisions"]],
        "answered": {key: (bool(ok), str(text)) for key, (ok, text) in value["answered"].items()},
        "verdicts": of_rows(value["verdicts"]),
    }
    return made(State, value, **found)
