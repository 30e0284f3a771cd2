"""How many slots one engine can look after: what it costs is measured, what follows is simulated.

    python benchmarks/scaling.py --out benchmarks/results/scaling.json

Measured in an engine at work: its busy seconds for each trial from asking to telling (trials that
compute nothing), and for each trial that it only watches (workers that sleep). Trial times are
drawn from those of a recorded sweep, scaled to the means that are asked for. Simulated: one engine
that serves one trial after the other, and S slots. "waiting" is the share of the slots' time in
which they wait for the engine, "busy" the share of its own time in which the engine works.
"""

from __future__ import annotations

import argparse
import heapq
import io
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from atft_core.bench.empty.__main__ import EMPTY
from atft_core.bench.empty.worker import EPOCH_SECONDS
from atft_core.bench.machine import machine
from atft_core.bench.supervision import specification
from atft_core.data.synthetic import write_panel
from atft_core.engine import __main__ as engine
from atft_core.engine import pool
from atft_core.engine.steps import TICK_SECONDS
from atft_core.engine.workers import Worker

RECORDED = Path(__file__).with_name("results") / "trial_seconds.json"
SLOTS = (1, 8, 64, 512)
MEANS = (60.0, 600.0, 3600.0)
"""Mean seconds of a trial."""
TRIALS = 40
"""For each slot, in the simulation."""


def main() -> None:
    """Measure, simulate, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=100, help="that compute nothing")
    parser.add_argument("--watched", type=int, default=32, help="workers that sleep")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(busy(*given.measure)))
        return
    with TemporaryDirectory(prefix="atft-scaling-") as scratch:
        panel = Path(scratch) / "panel.parquet"
        write_panel(panel, stocks=20, days=200)
        served = measured(scratch, panel, given.trials, slots=2, seconds=0.0)
        watched = measured(scratch, panel, given.watched, slots=given.watched, seconds=8.0)
    costs = {
        "per_trial": round(served["busy"] / given.trials, 4),
        "per_watched_second": round(watched["watching"] / given.watched, 6),
    }
    recorded = json.loads(RECORDED.read_text())["seconds"]
    found = {"machine": machine(), "seconds": costs, "recorded_trials": len(recorded),
             "simulated": simulated(recorded, costs)}  # fmt: skip
    text = json.dumps(found, indent=1)
    print(text)
    if given.out:
        given.out.write_text(text + "\n")


def measured(
    scratch: str, panel: Path, trials: int, *, slots: int, seconds: float
) -> dict[str, float]:
    """What an engine of its own says of such a run."""
    words = (f"{scratch}/of{slots}", str(panel), str(trials), str(slots))
    done = subprocess.run(
        [sys.executable, __file__, "--measure", *words], check=True, stdout=subprocess.PIPE,
        env={**os.environ, "EPOCHS_SLEEP": str(seconds)},
    )  # fmt: skip
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def busy(output: str, panel: str, trials: str, slots: str) -> dict[str, float]:
    """Run an engine here: the seconds in which it did not wait, and those a second of watching."""
    spec = specification(Path(panel), Path(output), int(trials), **{"engine.slots": int(slots)})
    os.environ[EPOCH_SECONDS] = os.environ.pop("EPOCHS_SLEEP")
    sys.stdin = io.StringIO(json.dumps(spec))
    engine._leave_terminal = lambda log: log.close()
    turns: list[tuple[float, float, int]] = []
    wait = pool.__dict__["pause"]

    def noted(workers: Iterable[Worker | None]) -> None:
        waiting = list(workers)
        began = time.perf_counter()
        wait(waiting)
        turns.append((began, time.perf_counter(), len(waiting)))

    pool.__dict__["pause"] = noted
    engine.main(["start"], EMPTY)
    between = [(nxt[0] - turn[1], nxt[2]) for turn, nxt in pairwise(turns)]
    full = [took for took, waiting in between if waiting == int(slots)]
    quiet = sorted(full)[: max(1, len(full) * 3 // 4)]  # without those that begin or end a trial
    return {
        "busy": sum(took for took, _ in between),
        "watching": statistics.mean(quiet) / TICK_SECONDS,
    }


def simulated(recorded: list[float], costs: dict[str, float]) -> list[dict[str, float]]:
    """Every number of slots with every mean."""
    middle = statistics.mean(recorded)
    return [
        {"slots": slots, "trial_seconds": mean,
         **simulate([each * mean / middle for each in recorded], slots, costs)}
        for mean in MEANS for slots in SLOTS
    ]  # fmt: skip


def simulate(times: list[float], slots: int, costs: dict[str, float]) -> dict[str, float]:
    """One engine, first come first served; what it spends on watching slows down all else."""
    draw = random.Random(0)
    watching = slots * costs["per_watched_second"]
    serving = costs["per_trial"] / max(1e-3, 1.0 - watching)
    ready = [0.0] * slots  # when each slot's next trial is due
    free = waited = worked = 0.0
    for _ in range(slots * TRIALS):
        due = heapq.heappop(ready)
        begins = max(due, free)
        free = begins + serving
        waited += free - due
        took = draw.choice(times)
        worked += took
        heapq.heappush(ready, free + took)
    wall = max(ready)
    spent = slots * TRIALS * costs["per_trial"] / wall + watching
    return {"waiting": round(waited / (waited + worked), 5), "busy": round(min(1.0, spent), 5)}


if __name__ == "__main__":
    main()
