"""A night of kills: the same trials undisturbed and with a random kill every second or so.

Trials that only sleep, by the real engine; engine and workers are killed (SIGKILL), the engine is
resumed. What is compared is the wall time with that of the quiet run; what the restarts cost is not
taken off. That nothing is lost is for the drills to say (tests/drills); here it is looked at, too.

    python benchmarks/soak.py --trials 200 --out benchmarks/results/soak.json
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from atft_core.bench.empty.worker import EPOCH_SECONDS
from atft_core.bench.machine import machine
from atft_core.bench.supervision import specification
from atft_core.data.synthetic import write_panel
from atft_core.launch import program
from atft_core.run.directory import RunDirectory
from atft_core.run.processes.alive import start_time
from atft_core.run.state import State
from atft_core.run.status import load

EPOCH = 0.3
SHORTEST, LONGEST = 1.0, 4.0
"""Seconds between two kills."""
ENGINES = 0.15
"""Share of the kills that are of the engine."""


def main() -> None:
    """Both runs, and their ratio."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--trials", type=int, default=200)
    options.add_argument("--seed", type=int, default=7)
    options.add_argument("--out", type=Path)
    given = options.parse_args()
    with TemporaryDirectory(prefix="atft-soak-") as scratch:
        panel = Path(scratch) / "panel" / "panel.parquet"
        panel.parent.mkdir()
        write_panel(panel, stocks=20, days=200)
        quiet = _quiet(panel, Path(scratch) / "quiet", given.trials)
        found = _disturbed(panel, Path(scratch) / "disturbed", given.trials, given.seed)
    told = {
        "machine": machine(), "trials": given.trials, "quiet_s": round(quiet, 1), **found,
        "ratio": round(found["wall_s"] / quiet, 3),
    }  # fmt: skip
    text = json.dumps(told, indent=1)
    print(text)
    if given.out:
        given.out.write_text(text + "\n")


def _quiet(panel: Path, output: Path, trials: int) -> float:
    began = time.monotonic()
    _engine(panel, output, trials).wait()
    _look(load(RunDirectory(output)), trials)
    return time.monotonic() - began


def _disturbed(panel: Path, output: Path, trials: int, seed: int) -> dict[str, Any]:
    """Wall time and kills."""
    dice, run, began = random.Random(seed), RunDirectory(output), time.monotonic()
    engine, kills = _engine(panel, output, trials), {"engine": 0, "worker": 0}
    while engine.poll() is None:
        time.sleep(dice.uniform(SHORTEST, LONGEST))
        state = _state(run)
        if engine.poll() is not None or not (state and state.trials):
            continue
        if dice.random() < ENGINES:
            engine.kill()
            engine.wait()
            kills["engine"] += 1
            engine = _resume(output)
            continue
        worker = next((t.pid for t in state.trials.values() if t.running), 0)
        if worker and start_time(worker):
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
                kills["worker"] += 1
    wall = time.monotonic() - began
    _look(load(run), trials)
    return {"wall_s": round(wall, 1), "kills": kills}


def _look(state: State, trials: int) -> None:
    """Every trial is there, complete, with all its epochs."""
    good = [t for t in state.trials.values() if t.state == "COMPLETE" and len(t.epochs) == 3]
    if len(good) != trials or len(state.trials) != trials:
        raise SystemExit(f"only {len(good)} of {trials} trials are complete: {state.end_reason}")


def _state(run: RunDirectory) -> State | None:
    return load(run) if run.events.exists() else None


def _engine(panel: Path, output: Path, trials: int) -> subprocess.Popen[bytes]:
    many = {"engine.max_retries": 100}
    given = output.with_suffix(".json")
    given.write_text(json.dumps(specification(panel, output, trials, **many)))
    with given.open("rb") as words:
        return _program("start", stdin=words)


def _resume(output: Path) -> subprocess.Popen[bytes]:
    return _program("resume", output, stdin=subprocess.DEVNULL)


def _program(*words: object, stdin: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        program("atft_core.bench.empty", *words), stdin=stdin, stdout=subprocess.DEVNULL,
        env={**os.environ, EPOCH_SECONDS: str(EPOCH)},
    )  # fmt: skip


if __name__ == "__main__":
    main()
