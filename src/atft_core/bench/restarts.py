"""How soon a run goes on after a kill: a new engine with the worker that it finds, a new worker.

A trial that really trains, on a small panel. What Python needs to import is measured beside it: a
person waits for it, too, but it is none of ours.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from atft_core.bench.supervision import specification
from atft_core.data.synthetic import write_panel
from atft_core.launch import program
from atft_core.run import events as ev
from atft_core.run.directory import RunDirectory
from atft_core.run.events import Stamped
from atft_core.run.journal import read_events
from atft_core.run.state import State
from atft_core.run.status import load

ENGINE = "atft_core.engine.__main__, optuna.storages._rdb.models, alembic.config"
WORKER = "atft_core.train.trial, torch._dynamo"
"""What each of them imports, sooner or later."""
TIMES = 3
"""Each is done so often; told is the median."""
PATIENCE = 120.0
"""Seconds after which a restart counts as failed."""
_SMALL = {
    "model.hidden": 16, "model.heads": 2, "model.lookback": 10, "train.threads": 1,
    "train.block_days": 8, "train.max_epochs": 10_000, "engine.max_retries": 100,
}  # fmt: skip


def restarts(scratch: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Seconds from a kill to work again, and those of them that imports take."""
    say("killing engines and workers")
    panel, output = scratch / "restarts" / "panel.parquet", scratch / "restarted"
    panel.parent.mkdir()
    write_panel(panel, stocks=60, days=360)
    given = scratch / "restarts" / "given.json"
    wanted = specification(panel, output, 1, **_SMALL)
    wanted["config"]["search"] = {}
    given.write_text(json.dumps(wanted))
    run = RunDirectory(output)
    with given.open("rb") as words:
        engine = _engine("start", stdin=words)
    try:
        _wait(run, lambda state: bool(state.trials and len(state.trials[0].epochs) > 1))
        engines, workers = [], []
        for _ in range(TIMES):
            engine.kill()
            engine.wait()
            began = time.time()
            engine = _engine("resume", output)
            engines.append(_first(run, began, _drained) - began)
            workers.append(_worker_again(run))
    finally:
        _end(run, engine)
    engine_import, worker_import = _import(ENGINE), _import(WORKER)
    return {
        "engine_to_adopted_s": round(sorted(engines)[TIMES // 2], 2),
        "engine_import_s": round(engine_import, 2),
        "worker_to_training_s": round(sorted(workers)[TIMES // 2], 2),
        "worker_import_s": round(worker_import, 2),
    }


def _worker_again(run: RunDirectory) -> float:
    """Seconds from the kill of a worker to the first block of the next one."""
    trial = load(run).trials[0]
    attempt, began = trial.attempt + 1, time.time()
    os.kill(trial.pid, signal.SIGKILL)

    def trains(stamped: Stamped) -> float | None:
        event = stamped.event
        if not isinstance(event, ev.Progress) or event.phase != "train":
            return None
        return event.said if event.attempt == attempt else None

    return _first(run, began, trains) - began


def _drained(stamped: Stamped) -> float | None:
    """When an engine that was just started wrote down what its worker had said."""
    return stamped.t if isinstance(stamped.event, ev.WorkerEvent) else None


def _first(run: RunDirectory, after: float, when: Callable[[Stamped], float | None]) -> float:
    """What `when` knows of the first event after a moment that it knows."""
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        for stamped in read_events(run.events):
            if stamped.t > after and (found := when(stamped)) is not None:
                return found
        time.sleep(0.02)
    raise TimeoutError(f"nothing went on within {PATIENCE:.0f} s; see {run.log}")


def _wait(run: RunDirectory, ready: Callable[[State], bool]) -> None:
    give_up = time.monotonic() + PATIENCE
    while not (run.events.exists() and ready(load(run))):
        if time.monotonic() > give_up:
            raise TimeoutError(f"nothing began within {PATIENCE:.0f} s; see {run.log}")
        time.sleep(0.05)


def _engine(*words: object, stdin: Any = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        program("atft_core.engine", *words), stdin=stdin, stdout=subprocess.DEVNULL
    )


def _end(run: RunDirectory, engine: subprocess.Popen[bytes]) -> None:
    engine.kill()
    engine.wait()
    worker = load(run).trials[0].pid if run.events.exists() and load(run).trials else 0
    with suppress(ProcessLookupError):
        if worker:
            os.kill(worker, signal.SIGKILL)


def _import(modules: str) -> float:
    """Seconds that a fresh interpreter needs for them."""
    times = []
    for _ in range(TIMES):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-P", "-c", f"import {modules}"], check=True)
        times.append(time.perf_counter() - began)
    return sorted(times)[TIMES // 2]
