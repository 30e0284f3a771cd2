"""A worker without torch: its epochs take as long as ATFT_EMPTY_EPOCH says, in seconds.

What it "measures" is a function of trial and epoch alone, so that every history of kills has to
end with the same numbers.
"""

from __future__ import annotations

import os
import signal
import statistics
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

from atft_core.gpu.visible import VARIABLE as CUDA_NAMES
from atft_core.run.directory import RunDirectory, TrialDirectory
from atft_core.run.events import Json
from atft_core.run.files import read_json, write_json
from atft_core.run.lock import ProcessLock
from atft_core.run.processes.kept import end_with
from atft_core.run.processes.stacks import stacks_on_request
from atft_core.train.report import Interrupted, LastWord, Reporter, log_to_stdout

EPOCH_SECONDS = "ATFT_EMPTY_EPOCH"
DEVICE = "ATFT_EMPTY_DEVICE"
"""What it says that it computes on."""
LOST = "ATFT_EMPTY_LOST"
"""Where it is set, every epoch ends as if the GPU were lost."""
_LAST = 3
"""Epochs whose median is the value: the default of objective.last_epochs."""


def main(argv: list[str]) -> int:
    """RUN_DIR --trial N --attempt K ..., as any worker."""
    run, (trial, attempt) = RunDirectory(Path(argv[0])), (int(argv[2]), int(argv[4]))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if "--kept" in argv:
        end_with(int(argv[argv.index("--kept") + 1]))
    log_to_stdout()
    files = run.trial(trial)
    lock = ProcessLock(files.lock, attempt=attempt)
    try:
        with stacks_on_request(files.stacks), LastWord(files.exit, attempt) as word:
            reporter = Reporter(files, trial, attempt)
            with reporter.journal:
                word.state, word.value, word.epoch = work(run, files, reporter)
    finally:
        lock.release()
    return 0


def work(run: RunDirectory, files: TrialDirectory, reporter: Reporter) -> tuple[str, Any, int]:
    """From the newest checkpoint to the end, or to an order: state, value, last epoch."""
    config = tomllib.loads(run.config.read_text())
    epochs, horizon = config["train"]["max_epochs"], config["objective"]["horizon"]
    rows = _resumed(files)
    for row in rows:
        reporter.epoch_ended(row)
    device, gpu = os.environ.get(DEVICE, "cpu"), os.environ.get(CUDA_NAMES, "")
    reporter.settings({"feed": "none", "device": device, "gpu": gpu})
    pause = float(os.environ.get(EPOCH_SECONDS, "0"))
    try:
        for epoch in range(len(rows) + 1, epochs + 1):
            reporter.epoch = epoch
            reporter.tick("train", 0, 1)
            time.sleep(pause)
            if os.environ.get(LOST):
                raise RuntimeError("CUDA error: unspecified launch failure")
            rows.append(_row(reporter.trial, epoch, horizon))
            write_json(files.checkpoints / f"epoch_{epoch:05d}.json", rows)
            write_json(files.metrics, rows)
            reporter.epoch_ended(rows[-1])
    except Interrupted as order:
        return {"stop": "stopped", "prune": "pruned"}[order.op], None, len(rows)
    values = [row["val"][str(horizon)]["rank_ic"] for row in rows]
    return "complete", statistics.median(values[-_LAST:]), len(rows)


def rank_ic(trial: int, epoch: int) -> float:
    """What a trial "measures": better with every epoch and, by its own amount, than others."""
    return round(0.01 + 0.001 * epoch + 0.0001 * (trial * 37 % 101), 6)


def _row(trial: int, epoch: int, horizon: int) -> Json:
    val = {str(horizon): {"rank_ic": rank_ic(trial, epoch), "rank_ic_se": 0.01, "days": 100}}
    return {"epoch": epoch, "seconds": 0.0, "batches": 1, "batches_available": 1, "val": val}


def _resumed(files: TrialDirectory) -> list[Json]:
    """The rows of the newest checkpoint that is whole."""
    files.checkpoints.mkdir(exist_ok=True)
    for path in sorted(files.checkpoints.glob("epoch_*.json"), reverse=True):
        rows = read_json(path)
        if isinstance(rows, list):
            return rows
    return []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
