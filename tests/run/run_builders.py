"""Event logs for the tests of run/: built from real events, folded by the real fold."""

from dataclasses import dataclass, field
from pathlib import Path

from atft_core.run import events as ev
from atft_core.run.directory import RunDirectory, create
from atft_core.run.events import Event, Stamped
from atft_core.run.files import write_json
from atft_core.run.fold import fold
from atft_core.run.journal import Journal
from atft_core.run.judge.criteria import CRITERIA, check
from atft_core.run.stages import CriterionSpec, Stage
from atft_core.run.state import State

IDENTITY = {"data_hash": "d" * 16, "config_hash": "c" * 16, "code": "v1", "demo": False}
SETTINGS = {
    "feed": "resident", "start_method": "spawn", "val_debug": False, "max_batches": 0,
    "loss": {"rank_ic": 0.5, "cs_ic": 0.3, "sharpe": 0.1, "huber": 0.05},
}  # fmt: skip


def metrics(rank_ic=0.05, **changes):
    """Validation metrics of one horizon, as a worker reports them."""
    return {
        "rank_ic": rank_ic, "rank_ic_se": 0.008, "ic": 0.03, "ic_se": 0.008, "sign_ratio": 0.02,
        "days": 250, "invalid_days": 0, "baseline": "reversal", "baseline_diff": 0.01,
        "baseline_diff_se": 0.004, **changes,
    }  # fmt: skip


@dataclass
class Log:
    """A run's events in order; every event is one second after the one before."""

    stamped: list[Stamped] = field(default_factory=list)
    t: float = 1000.0
    worker_seq: dict[int, int] = field(default_factory=dict)

    def add(self, *events: Event, after: float = 1.0) -> "Log":
        for event in events:
            self.t += after
            self.stamped.append(Stamped(len(self.stamped) + 1, self.t, event))
        return self

    def start(self, n_trials=1, **changes) -> "Log":
        values = {"run": "r", "stage": "dry", "n_trials": n_trials, "max_epochs": 2,
                  "identity": IDENTITY} | changes  # fmt: skip
        return self.add(ev.RunStarted(**values), ev.EngineStarted(pid=1, host="h"))

    def seq(self, trial: int) -> int:
        self.worker_seq[trial] = self.worker_seq.get(trial, 0) + 1
        return self.worker_seq[trial]

    def worker(self, trial=0, attempt=1, settings=SETTINGS, params=None) -> "Log":
        if attempt == 1:
            self.add(ev.TrialAsked(trial=trial, params=params or {}))
        self.worker_seq[trial] = 0
        self.add(ev.WorkerStarted(trial=trial, attempt=attempt, pid=2))
        if settings is not None:
            self.add(ev.Settings(trial=trial, attempt=attempt, worker_seq=self.seq(trial),
                                 values=settings))  # fmt: skip
        return self

    def epoch(self, number=1, val=None, trial=0, attempt=1, **changes) -> "Log":
        values = {
            "seconds": 20.0, "batches": 50, "batches_available": 50,
            "time": {"wait": 0.1, "compute": 15.0, "validate": 2.0, "checkpoint": 0.5},
            "gpu": {"n": 100, "p10": 80.0, "p50": 90.0, "p90": 95.0},
            "val": {"1": metrics() if val is None else val},
        } | changes  # fmt: skip
        return self.add(ev.Epoch(trial=trial, attempt=attempt, worker_seq=self.seq(trial),
                                 epoch=number, **values))  # fmt: skip

    def trial_end(self, trial=0, state="COMPLETE", value=0.05, reason="") -> "Log":
        value = None if state == "FAIL" else value
        return self.add(
            ev.WorkerExited(trial=trial, ok=state != "FAIL", reason=reason),
            ev.TrialEnded(trial=trial, state=state, value=value, reason=reason),
        )

    def end(self, state="FINISHED") -> "Log":
        return self.add(ev.RunEnded(state=state))

    @property
    def state(self) -> State:
        return fold(self.stamped)

    def write(self, path: Path) -> None:
        with Journal(path) as journal:
            for stamped in self.stamped:
                journal.append(stamped.event)


def dry_run(val=None, **changes) -> Log:
    """A finished dry run that meets every criterion unless told otherwise."""
    return (
        Log().start(**changes).worker()
        .epoch(1, val).epoch(2, val)
        .trial_end().end()
    )  # fmt: skip


def sweep(
    values, *, stage="short", pruned=(), failed=(), end="FINISHED", identity=IDENTITY, **val
) -> Log:
    """A sweep whose trials end with these RankICs."""
    log = Log().start(n_trials=len(values), stage=stage, identity=identity)
    for trial, value in enumerate(values):
        log.worker(trial)
        for number in (1, 2, 3):
            log.epoch(number, metrics(value, **val), trial=trial)
        state = "PRUNED" if trial in pruned else "FAIL" if trial in failed else "COMPLETE"
        log.trial_end(trial, state, value, reason="killed" if trial in failed else "")
    return log.end(end) if end else log


def written(log: Log, wanted: Path, created: float = 0.0) -> RunDirectory:
    """The log as a run directory on disk."""
    run = create(wanted)
    log.write(run.events)
    write_json(run.run_json, {"schema": 1, "created": created})
    return run


def result(log, name, minimum=None, target=None, *, horizon=1, gate="minimum"):
    """One criterion, judged on a log."""
    criterion = CRITERIA[name]
    spec = CriterionSpec(name, criterion.title, criterion.section, minimum, target,
                         horizon if criterion.needs_horizon else None)  # fmt: skip
    stage = Stage("k", "t", "k", "s", Path("o"), 1, 1, gate=gate, criteria=(spec,))
    (found,) = check(log.state, stage)
    return found
