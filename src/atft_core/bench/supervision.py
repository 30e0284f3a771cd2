"""What it costs that trials are supervised, and not just run one after the other.

Trials that compute nothing, by the engine and by a bare Optuna loop: the same worker program once
for each, the same kind of storage, in turns.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any, TypeAlias

import psutil

from atft_core.bench.empty.worker import EPOCH_SECONDS
from atft_core.config.keys import DESCRIPTIONS, dump
from atft_core.config.load import read_resolved, resolve
from atft_core.data.synthetic import write_panel
from atft_core.engine import study as studies
from atft_core.engine.space import distributions, suggest
from atft_core.launch import program
from atft_core.run import events as ev
from atft_core.run.directory import RunDirectory, create
from atft_core.run.events import Json
from atft_core.run.files import read_json, write_json
from atft_core.run.journal import read_events
from atft_core.train.results import trial_value

Process: TypeAlias = "subprocess.Popen[bytes]"
EPOCHS = 3
WATCHED = 10.0
"""Seconds of an epoch that only sleeps."""
PAIRS = 3
"""Both ways in turns; told is the median ratio."""


def supervision(scratch: Path, trials: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Trials a second of both, and what the engine itself used meanwhile."""
    panel = scratch / "supervised.parquet"
    write_panel(panel, stocks=20, days=200)
    found = compared(scratch, panel, trials, pairs=PAIRS, say=say)
    say("watching a trial")
    return {**found, "watching_cpu_share": round(_watching(scratch / "watching", panel), 4)}


def compared(
    scratch: Path, panel: Path, trials: int, *, pairs: int, say: Callable[[str], None],
    slots: int = 1, **values: object,
) -> dict[str, Any]:  # fmt: skip
    """Trials a second of an engine with so many slots and of as many threads of a bare loop."""
    took = []
    for n in range(pairs):
        say(
            f"supervising {trials} trials that compute nothing, {slots} at once, {n + 1} of {pairs}"
        )
        places = scratch / f"engine{slots}-{n}", scratch / f"bare{slots}-{n}"
        engine = by_engine(places[0], panel, trials, **{"engine.slots": slots, **values})
        took.append((engine, _bare(places[1], places[0], trials, slots)))
    middle = sorted(took, key=lambda pair: pair[1] / pair[0])[pairs // 2]
    return {
        "trials": trials,
        "slots": slots,
        "engine_trials_per_s": round((trials - 1) / middle[0], 3),
        "bare_trials_per_s": round((trials - 1) / middle[1], 3),
        "ratio": round(middle[1] / middle[0], 3),
    }


def specification(panel: Path, output: Path, trials: int, **values: object) -> Json:
    """What `atft hpo` would ask the engine for; `values` are keys of the configuration."""
    flags = {
        "data.path": str(panel), "engine.n_trials": trials, "train.max_epochs": EPOCHS,
        "engine.study_name": "empty", "split.warmup": 20, "engine.prune_startup": trials,
        **values,
    }  # fmt: skip
    return {
        "config": dump(resolve(flags=flags).config), "output_dir": str(output),
        "origins": dict.fromkeys(DESCRIPTIONS, "bench"),
    }  # fmt: skip


def by_engine(output: Path, panel: Path, trials: int, **values: object) -> float:
    """From the second trial to the last, by the times of the log: the first opens the study."""
    _engine(output, panel, trials, epoch_seconds=0.0, **values).wait()
    ended = [
        stamped.t for stamped in read_events(RunDirectory(output).events)
        if isinstance(stamped.event, ev.TrialEnded)
    ]  # fmt: skip
    return ended[-1] - ended[0]


def _watching(output: Path, panel: Path) -> float:
    """Share of a core that an engine needs while its worker trains."""
    process = _engine(output, panel, 1, epoch_seconds=WATCHED)
    try:
        while process.poll() is None and not RunDirectory(output).trial(0).events.exists():
            time.sleep(0.1)
        watched, began = psutil.Process(process.pid), time.perf_counter()
        before = sum(watched.cpu_times()[:2])
        time.sleep(WATCHED)
        return (sum(watched.cpu_times()[:2]) - before) / (time.perf_counter() - began)
    finally:
        process.terminate()
        process.wait()


def _engine(
    output: Path, panel: Path, trials: int, epoch_seconds: float, **values: object
) -> Process:
    given = output.with_suffix(".json")
    given.write_text(json.dumps(specification(panel, output, trials, **values)))
    with given.open("rb") as words:
        return subprocess.Popen(
            program("atft_core.bench.empty", "start"),
            stdin=words,
            stdout=subprocess.DEVNULL,
            env={**os.environ, EPOCH_SECONDS: str(epoch_seconds)},
        )


def _bare(output: Path, like: Path, trials: int, threads: int) -> float:
    """Ask, start the worker, wait for it, report, tell; nobody looks after anything."""
    run, config = create(output), read_resolved(RunDirectory(like).config)
    run.config.write_bytes(RunDirectory(like).config.read_bytes())
    study, space = studies.open_study(run, config, trials_known=0), distributions(config)
    asking, ended = Lock(), []

    def one(_: int) -> None:
        with asking:  # SQLite gives two that ask at once the same trial
            trial = study.ask()
        number = trial.number
        files = run.trial(number)
        files.path.mkdir()
        write_json(files.params, {"trial": number, "params": suggest(trial, space)}, durable=False)
        words = ("--trial", number, "--attempt", 1)
        with files.log.open("ab") as log:
            subprocess.run(
                program("atft_core.bench.empty.worker", run.path, *words),
                stdout=log, stderr=log, check=True, env=dict(os.environ),
            )  # fmt: skip
        rows = read_json(files.metrics) or []
        for row in rows:
            trial.report(row["val"]["1"]["rank_ic"], row["epoch"])
        study.tell(trial, trial_value(rows, 1, config.objective.last_epochs))
        ended.append(time.perf_counter())

    study.sampler = studies.make_sampler(config.train.seed, 0, space)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(one, range(trials)))
    return max(ended) - min(ended)
