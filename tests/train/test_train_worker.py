"""The worker as the engine starts it: a process of its own, with files as its only company."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from train_panels import make_config, make_panel, make_run

from atft_core.run.lock import Holder, owner, probe

pytestmark = pytest.mark.slow  # every test imports torch in a fresh interpreter
COMMAND = [sys.executable, "-m", "atft_core.train"]
LONG = make_config(train__max_epochs=6, train__block_days=2, loss__sharpe=0.0)


def start(run, attempt=1, **environment):
    with run.trial(0).log.open("ab") as log:
        return subprocess.Popen(
            [*COMMAND, str(run.path), "--trial", "0", "--attempt", str(attempt)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            start_new_session=True, env={**os.environ, **environment},
        )  # fmt: skip


def finish(run, attempt=1, **environment):
    code = start(run, attempt, **environment).wait(60)
    path = run.trial(0).exit
    return code, json.loads(path.read_text()) if path.exists() else None


def wait_for(run, text):
    for _ in range(3000):
        if text in (run.trial(0).log.read_text() if run.trial(0).log.exists() else ""):
            return
        time.sleep(0.01)
    raise AssertionError(f"{text!r} never appeared in {run.trial(0).log.read_text()}")


def learnt(run):
    found = json.loads(run.trial(0).metrics.read_text())
    return [(row["epoch"], row["train"], row["val"]) for row in found["epochs"]]


def test_a_trial_ends_with_exit_code_0_and_lines_to_grep(tmp_path):
    run = make_run(tmp_path, make_panel(), make_config())
    code, word = finish(run)
    log = run.trial(0).log.read_text()
    assert (code, word["state"], word["epoch"]) == (0, "complete", 2)
    for text in (
        "Phase 1: Training, epochs 1 to 2",
        "Epoch 1: train",
        "Epoch 1/2 train",
        "Val Metrics h=1 RankIC",
        "Val Metrics h=5",
    ):
        assert text in log
    assert probe(run.trial(0).lock) is Holder.NOBODY


def test_a_worker_imports_neither_polars_nor_optuna_and_never_forks(tmp_path):
    run = make_run(tmp_path, make_panel(), make_config(train__max_epochs=1))
    code = (
        "import multiprocessing, sys\n"
        "from atft_core.train.worker import main\n"
        f"assert main([{str(run.path)!r}, '--trial', '0', '--attempt', '1']) == 0\n"
        "print({'polars', 'optuna', 'textual', 'lightgbm'} & set(sys.modules))\n"
        "print(multiprocessing.get_start_method())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2:] == ["set()", "spawn"]


def test_the_environment_changes_nothing(tmp_path):
    results = []
    for name, environment in (("a", {}), ("b", {"ATFT_TRAIN__SEED": "9", "RANKIC_WEIGHT": "0"})):
        run = make_run(tmp_path / name, make_panel(), make_config(train__max_epochs=1))
        finish(run, **environment)
        results.append(learnt(run))
    assert results[0] == results[1]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    run = make_run(tmp_path_factory.mktemp("whole"), make_panel(), LONG)
    finish(run)
    return run


@pytest.mark.parametrize("when", ["Epoch 1: train", "Epoch 1/6", "Epoch 4/6"])
def test_a_killed_worker_leaves_no_verdict_and_the_next_attempt_ends_the_same(
    whole, tmp_path, when
):
    run = make_run(tmp_path, make_panel(), LONG)
    process = start(run)
    wait_for(run, when)
    process.kill()
    process.wait()
    assert not run.trial(0).exit.exists()
    code, word = finish(run, attempt=2)
    assert (code, word["state"], word["attempt"]) == (0, "complete", 2)
    assert learnt(run) == learnt(whole)


def test_a_hangup_does_not_end_it_and_a_stop_does(tmp_path):
    run = make_run(tmp_path, make_panel(), make_config(train__max_epochs=5000))
    process = start(run)
    wait_for(run, "Epoch 1/5000")
    process.send_signal(signal.SIGHUP)
    wait_for(run, "Epoch 3/5000")
    run.trial(0).control.write_text('{"op": "stop"}')
    assert process.wait(30) == 0
    word = json.loads(run.trial(0).exit.read_text())
    assert (word["state"], word["value"]) == ("stopped", None)
    assert word["epoch"] >= 3


def test_a_signal_makes_it_write_the_stacks_of_all_threads(tmp_path):
    run = make_run(tmp_path, make_panel(), make_config(train__max_epochs=5000))
    process = start(run)
    wait_for(run, "Epoch 1/5000")
    process.send_signal(signal.SIGUSR1)
    wait_for(run, "Epoch 3/5000")
    process.kill()
    process.wait()
    before = run.trial(0).stacks.read_text()
    assert "run_epoch" in before
    again = start(run, attempt=2)
    wait_for(run, "Epoch 4/5000")
    again.kill()
    again.wait()
    after = run.trial(0).stacks.read_text()
    assert after == f"{before}\n== a later start, pid {again.pid}\n", "an alert points there"


def test_a_second_worker_of_the_same_trial_is_refused(tmp_path):
    run = make_run(tmp_path, make_panel(), make_config(train__max_epochs=5000))
    first = start(run)
    wait_for(run, "Epoch 1/5000")
    assert probe(run.trial(0).lock) is Holder.ENGINE
    about = owner(run.trial(0).lock)
    assert (about["pid"], about["attempt"]) == (first.pid, 1)
    assert finish(run, attempt=2) == (1, None)
    assert first.poll() is None
    first.kill()
    first.wait()


@pytest.mark.parametrize("byte", [b"\x80\x3f", b"\xff\xff"])
def test_a_cache_that_is_damaged_while_it_is_used_is_named_and_nothing_is_believed(tmp_path, byte):
    run = make_run(tmp_path, make_panel(), make_config(train__max_epochs=500))
    process = start(run, 1)
    wait_for(run, "Epoch 2/")
    with Path(run.facts()["cache"]).open("r+b") as file:
        file.seek(4096)
        file.write(byte * 8000)
    assert process.wait(60) == 1
    word = json.loads(run.trial(0).exit.read_text())
    assert word["state"] == "blocked"
    assert "is damaged: its content is not what was written" in word["reason"]
    told = json.loads(run.trial(0).metrics.read_text())["epochs"][-1]["epoch"]
    _, again = finish(run, 2)
    assert (again["state"], again["epoch"]) == ("blocked", 0)  # nor by the next attempt
    assert told < 500


def test_metrics_and_verdict_agree_that_a_disk_is_no_fault_of_the_trial(tmp_path):
    run = make_run(tmp_path, make_panel(), make_config())
    run.trial(0).checkpoints.parent.mkdir(parents=True, exist_ok=True)
    run.trial(0).checkpoints.write_text("a file where a directory belongs")
    _, word = finish(run)
    found = json.loads(run.trial(0).metrics.read_text())
    assert (word["state"], found["state"]) == ("blocked", "blocked")


@pytest.mark.parametrize(
    ("break_it", "state", "reason"),
    [
        (lambda run: None, "failed", "NAN: the loss is nan at epoch 1"),
        (lambda run: run.trial(0).params.unlink(), "blocked", "RunDirectoryError: "),
        (lambda run: run.config.write_text("[model]\nhidden = 1"), "failed", "ConfigError: "),
    ],
)
def test_a_failure_has_a_reason_of_one_line_and_a_traceback_in_the_log(
    tmp_path, break_it, state, reason
):
    panel = make_panel()
    panel.x_TNF[:, 3, 2] = 0x7F80  # +inf as bfloat16
    run = make_run(tmp_path, panel, make_config())
    break_it(run)
    code, word = finish(run)
    assert code == 1
    assert (word["state"], word["value"]) == (state, None)
    assert word["reason"].startswith(reason)
    assert "\n" not in word["reason"]
    assert "Traceback" in run.trial(0).log.read_text()
