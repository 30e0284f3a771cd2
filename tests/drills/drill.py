"""Real runs on a small panel: real engine, real workers, real kills."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest

from atft_core.run.directory import RunDirectory
from atft_core.run.status import load, read_status

ALL = os.environ.get("DRILLS") == "all"
"""Whether each drill has its turn at every place and moment (`make drills`): hours, not minutes."""
slowest = pytest.mark.skipif(not ALL, reason="half a minute and more; with DRILLS=all")
"""For what a shorter drill beside it shows nearly as well."""
FAST = [
    "model.hidden=16", "model.heads=2", "model.lookback=10", "train.threads=1",
    "train.block_days=8", "search={}", "split.warmup=20", 'objective.lightgbm="off"',
]  # fmt: skip


def atft(*args: object, code: int | None = 0, timeout: float = 240) -> str:
    """Run a command to its end; its standard output."""
    command = [sys.executable, "-m", "atft_core", *(str(arg) for arg in args)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    if code is not None:
        assert done.returncode == code, f"{args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def refused(*args: object, code: int = 1, module: str = "atft_core") -> str:
    """What a command that is refused says: nothing on standard output, no traceback."""
    command = [sys.executable, "-m", module, *(str(arg) for arg in args)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code, f"{args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert module != "atft_core" or not done.stdout
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def start(
    panel: Path, output: Path, *extra: object, epochs: int = 6, trials: int = 2
) -> RunDirectory:
    """A detached ad hoc run."""
    sets = [word for text in FAST for word in ("--set", text)]
    atft(
        "hpo", "--data-path", panel, "--n-trials", trials, "--max-epochs", epochs,
        "--study-name", "drill", "--output-dir", output, "--detach", *sets, *extra,
    )  # fmt: skip
    return RunDirectory(output)


def wait_for(run: RunDirectory, condition, seconds: float = 120):
    """The state, once `condition(state)` holds."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        state = load(run)
        if condition(state):
            return state
        time.sleep(0.05)
    raise AssertionError(f"never happened; log:\n{run.log.read_text()[-3000:]}")


def wait_for_end(run: RunDirectory, seconds: float = 240):
    """The state and status after the engine has let go."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        state, status = read_status(run)
        if state.engines and not status.live:
            return state, status
        time.sleep(0.1)
    raise AssertionError(f"never ended; log:\n{run.log.read_text()[-3000:]}")


def kill(pid: int) -> None:
    """kill -9."""
    assert pid > 0
    os.kill(pid, signal.SIGKILL)


def assert_log_equals_study(run: RunDirectory) -> None:
    """fold(events) and study.trials tell the same story, trial by trial and epoch by epoch."""
    state = load(run)
    storage = optuna.storages.RDBStorage(f"sqlite:///{run.study}")
    (study,) = optuna.get_all_study_summaries(storage)
    trials = optuna.load_study(study_name=study.study_name, storage=storage).trials
    asked = [trial for trial in trials if trial.state != optuna.trial.TrialState.WAITING]
    assert [trial.number for trial in asked] == sorted(state.trials)
    for trial in asked:
        known = state.trials[trial.number]
        mine = known.state if known.ended else "RUNNING"
        assert trial.state.name == mine
        if known.value is not None:
            assert trial.value == pytest.approx(known.value, abs=1e-12)
        told = {row.epoch: row.objective(state.objective, state.horizon) for row in known.epochs}
        assert trial.intermediate_values == {k: v for k, v in told.items() if v is not None}
    seqs = [json.loads(line)["seq"] for line in run.events.read_text().splitlines()]
    assert seqs == list(range(1, len(seqs) + 1))
