"""Run directories as a long night leaves them, for measurements of what reads and writes them."""

from __future__ import annotations

import json
import math
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from atft_core.run import events as ev
from atft_core.run.directory import RunDirectory, create
from atft_core.run.files import write_json
from atft_core.run.journal import Journal
from atft_core.run.lock import EngineLock
from atft_core.run.processes.alive import start_time
from atft_core.run.runbook import load
from atft_core.run.shipped import shipped
from atft_core.run.stages import stage_to_json

HORIZONS = (1, 5, 10, 20)
_SETTINGS = {
    "feed": "resident", "start_method": "spawn", "val_debug": False,
    "loss": {"rank_ic": 0.5, "cs_ic": 0.3, "sharpe": 0.1, "huber": 0.05},
}  # fmt: skip


def long_run(path: Path, trials: int, epochs: int) -> RunDirectory:
    """A sweep whose last trial still runs; a progress event and an epoch event for each epoch."""
    run = create(path)
    write_json(run.run_json, {"schema": 1, "stage": "short"})
    with Journal(run.events) as journal:
        for event in _beginning(path.name, trials + 1, epochs):
            journal.write(event)
        for number in range(trials):
            _begin_trial(journal, number)
            for epoch in range(1, epochs + 1):
                for event in epoch_events(number, epoch, 2 * epoch):
                    journal.write(event)
            journal.write(ev.WorkerExited(trial=number))
            journal.write(ev.TrialEnded(trial=number, value=0.03 + 0.01 * math.sin(number)))
        _begin_trial(journal, trials)
    return run


def _beginning(name: str, trials: int, epochs: int) -> tuple[ev.Event, ...]:
    stage = load(shipped("runbook.toml")).stage("short")
    pid = os.getpid()
    facts = {"path": "panel.parquet", "hash": "0", "stocks": 1026, "days": 1274}
    return (
        ev.RunStarted(
            run=name, stage=stage.key, study_name="bench", n_trials=trials, max_epochs=epochs,
            horizon=1, stage_spec=stage_to_json(stage),
        ),
        ev.EngineStarted(pid=pid, start_time=start_time(pid), host=socket.gethostname()),
        ev.DataReady(facts=facts),
        ev.Preflight(checks=[{"name": "model", "ok": True, "detail": "the output moves"}]),
    )  # fmt: skip


def _begin_trial(journal: Journal, number: int) -> None:
    params = {"model.hidden": 64, "train.learning_rate": 0.001 * (1 + number % 7)}
    pid = os.getpid()
    journal.write(ev.TrialIntent(trial=number))
    journal.write(ev.TrialAsked(trial=number, params=params))
    journal.write(ev.WorkerStarted(trial=number, pid=pid, start_time=start_time(pid)))
    journal.write(ev.Settings(trial=number, worker_seq=1, values=_SETTINGS))


def epoch_events(number: int, epoch: int, seq: int) -> tuple[ev.Event, ev.Event]:
    """What a worker says during an epoch and at its end."""
    rank_ic = 0.04 - 0.03 * math.exp(-epoch / 5) + 0.004 * math.sin(epoch + number)
    found = {
        "rank_ic": rank_ic, "rank_ic_se": 0.01, "rank_ic_t": rank_ic / 0.01, "ic": rank_ic / 2,
        "ic_se": 0.01, "sign_ratio": 0.01, "days": 250,
    }  # fmt: skip
    return (
        ev.Progress(trial=number, worker_seq=seq, epoch=epoch, phase="train", batch=1, batches=99),
        ev.Epoch(
            trial=number,
            worker_seq=seq + 1,
            epoch=epoch,
            seconds=14.0 + math.sin(epoch),
            batches=99,
            batches_available=99,
            time={"wait": 0.1, "compute": 12.0, "forward": 5.0, "backward": 6.0, "validate": 1.5},
            train={"loss": 0.5 - 0.01 * epoch % 0.3, "rank_ic": -0.04},
            val={str(h): dict(found) for h in HORIZONS},
            gpu={"p10": 88.0, "p50": 90.0 + 5 * math.sin(epoch), "p90": 97.0, "n": 120},
        ),
    )


class LiveRun:
    """A run that an engine seems to work on: this process holds its lock and writes its events."""

    def __init__(self, run: RunDirectory, trial: int) -> None:
        self.run, self._trial = run, trial
        self._lock = EngineLock(run.path / "engine.lock")
        self._journal = Journal(run.events)
        self._epochs = 0

    def begin(self, number: int) -> None:
        """Another trial at work beside it."""
        _begin_trial(self._journal, number)

    def epoch(self, trials: int = 1) -> None:
        """An epoch of so many trials ends."""
        self._epochs += 1
        for number in range(self._trial, self._trial + trials):
            for event in epoch_events(number, self._epochs, 2 * self._epochs):
                self._journal.write(event)

    def tick(self, trials: int = 1) -> None:
        """What happens within a second: an epoch ends, GPUs are sampled, the log says so."""
        self.epoch(trials)
        busy = 90 + 8 * math.sin(self._epochs)
        with self.run.gpu.open("a") as file:
            file.writelines(json.dumps(_sample(gpu, busy - 3 * gpu)) + "\n" for gpu in range(2))
        self.log(f"Epoch {self._epochs} trial {self._trial} train {busy / 200:.3f} in 14.0 s")

    def log(self, *lines: str) -> None:
        """Lines of the run's log."""
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        with self.run.log.open("a") as log:
            log.writelines(f"{stamp} {line}\n" for line in lines)

    def end(self) -> None:
        """The engine says that it is through."""
        self._journal.append(ev.RunEnded())

    def close(self) -> None:
        """Let go of the lock."""
        self._journal.close()
        self._lock.release()


def _sample(gpu: int, busy: float) -> dict[str, object]:
    return {
        "t": time.time(), "gpu": gpu, "name": "NVIDIA H100", "sm": round(busy), "mem_util": 40,
        "mem_used": (30 << 30) + int(busy) * (1 << 24), "mem_total": 80 << 30,
        "power": 5 * busy, "temperature": 50 + busy // 10, "sm_clock": 1980,
        "p10": busy - 6, "p50": busy, "p90": busy + 2, "n": 12, "stage": "train",
    }  # fmt: skip


@contextmanager
def live_run(path: Path, trials: int, epochs: int) -> Iterator[LiveRun]:
    """A sweep with so many finished trials whose next one is at work."""
    live = LiveRun(long_run(path, trials, epochs), trials)
    try:
        yield live
    finally:
        live.close()
