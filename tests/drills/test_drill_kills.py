"""kill -9 of worker, engine and console: nothing is lost, and status tells the truth."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from drill import (
    ALL,
    assert_log_equals_study,
    atft,
    kill,
    refused,
    slowest,
    start,
    wait_for,
    wait_for_end,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
EPOCHS = 25
"""So many that a busy machine, which sees several at once, is not too late for a moment."""
MOMENTS = {
    "first": lambda t: t.pid > 0 and not t.epochs,
    "middle": lambda t: t.pid > 0 and len(t.epochs) >= 2,
    "late": lambda t: t.pid > 0 and len(t.epochs) >= 15,
}
every_moment = pytest.mark.parametrize("moment", MOMENTS if ALL else ["middle"])


def at(moment, number=0):
    return lambda state: number in state.trials and MOMENTS[moment](state.trials[number])


@every_moment
def test_a_killed_worker_is_run_again_as_the_same_trial(panel, home, moment):
    run = start(panel, home / "out", trials=1, epochs=EPOCHS)
    state = wait_for(run, at(moment))
    kill(state.trials[0].pid)
    state, status = wait_for_end(run)
    assert status.name == "FINISHED"
    trial = state.trials[0]
    assert (trial.state, trial.crashes) == ("COMPLETE", 1)
    assert [row.epoch for row in trial.epochs] == list(range(1, EPOCHS + 1))
    assert all(row.batches == row.batches_available for row in trial.epochs)
    assert_log_equals_study(run)


@every_moment
def test_a_killed_engine_leaves_its_worker_at_work_and_is_resumed(panel, home, moment):
    run = start(panel, home / "out", epochs=EPOCHS)
    state = wait_for(run, at(moment))
    worker = state.trials[0].pid
    kill(state.engine_pid)
    time.sleep(0.3)
    assert json.loads(atft("status", run.path, "--json"))["state"] == "DIED"
    assert_same_process(worker)
    atft("resume", run.path, "--detach")
    state, status = wait_for_end(run)
    assert status.name == "FINISHED"
    assert [t.state for t in state.trials.values()] == ["COMPLETE", "COMPLETE"]
    assert state.trials[0].attempt == 1, "the worker that was alive is adopted, not started again"
    assert [row.epoch for row in state.trials[0].epochs] == list(range(1, EPOCHS + 1))
    assert_log_equals_study(run)


@slowest
def test_a_trial_that_was_computed_by_hand_is_taken_up_by_the_next_engine(panel, home):
    run = start(panel, home / "out", epochs=EPOCHS)
    state = wait_for(run, at("middle"))
    busy = refused("worker", run.path, "--trial", 0)
    assert f"has a worker already (pid {state.trials[0].pid} on " in busy
    for pid in (state.engine_pid, state.trials[0].pid):
        kill(pid)
    assert "has not asked for trial 7 yet" in refused("worker", run.path, "--trial", 7, code=2)
    said = atft("worker", run.path, "--trial", 0)
    assert f"Trial 0 complete after epoch {EPOCHS}" in said
    atft("resume", run.path, "--detach")
    state, status = wait_for_end(run)
    assert status.name == "FINISHED"
    first = state.trials[0]
    assert (first.state, first.attempt, first.crashes) == ("COMPLETE", 1, 0)
    assert [row.epoch for row in first.epochs] == list(range(1, EPOCHS + 1))
    assert_log_equals_study(run)
    assert "is through (COMPLETE)" in refused("worker", run.path, "--trial", 0, code=2)


def assert_same_process(pid):
    os.kill(pid, 0)


@every_moment
def test_engine_and_worker_killed_together_resume_from_the_checkpoint(panel, home, moment):
    run = start(panel, home / "out", trials=1, epochs=EPOCHS)
    state = wait_for(run, at(moment))
    kill(state.engine_pid)
    kill(state.trials[0].pid)
    atft("resume", run.path)
    state, status = wait_for_end(run)
    assert status.name == "FINISHED"
    assert state.trials[0].attempt == 2
    assert [row.epoch for row in state.trials[0].epochs] == list(range(1, EPOCHS + 1))
    assert_log_equals_study(run)


@every_moment
def test_a_killed_console_changes_nothing(panel, home, moment):
    run = start(panel, home / "out", trials=1, epochs=EPOCHS)
    leader, follower = pty.openpty()
    console = subprocess.Popen(
        [str(Path(sys.executable).parent / "atft-tui"), str(run.path)],
        stdin=follower, stdout=follower, stderr=follower, start_new_session=True,
        env={**os.environ, "TERM": "xterm-256color"},
    )  # fmt: skip
    os.close(follower)
    wait_for(run, at(moment))
    console.send_signal(signal.SIGKILL)
    console.wait()
    os.close(leader)
    state, status = wait_for_end(run)
    assert status.name == "FINISHED"
    assert state.trials[0].crashes == 0
    assert_log_equals_study(run)


def test_a_worker_that_is_killed_again_and_again_fails_its_trial_without_a_value(panel, home):
    run = start(panel, home / "out", "--set", "engine.max_retries=1", trials=1, epochs=40)
    for attempt in (1, 2):
        state = wait_for(run, lambda s, a=attempt: s.trials and s.trials[0].attempt == a
                         and s.trials[0].pid > 0 and s.trials[0].phase == "train")  # fmt: skip
        kill(state.trials[0].pid)
    state, status = wait_for_end(run)
    assert (state.trials[0].state, state.trials[0].value) == ("FAIL", None)
    assert "SIGKILL" in state.trials[0].reason
    assert status.name == "FAILED"
    assert_log_equals_study(run)


def test_stopping_now_keeps_the_checkpoint_and_resuming_goes_on(panel, home):
    run = start(panel, home / "out", trials=1, epochs=EPOCHS)
    wait_for(run, at("middle"))
    atft("stop", run.path, "--now")
    state, status = wait_for_end(run)
    assert status.name == "STOPPED"
    assert json.loads(atft("status", run.path, "--json"))["state"] == "STOPPED"
    assert_log_equals_study(run)
    atft("resume", run.path)
    state, status = wait_for_end(run)
    assert status.name == "FINISHED"
    assert state.trials[0].crashes == 0
    assert [row.epoch for row in state.trials[0].epochs] == list(range(1, EPOCHS + 1))
    assert_log_equals_study(run)


def test_stopping_after_the_trial_finishes_it_first(panel, home):
    run = start(panel, home / "out", trials=3, epochs=EPOCHS)
    wait_for(run, at("first"))
    atft("stop", run.path)
    state, status = wait_for_end(run)
    assert status.name == "STOPPED"
    assert [t.state for t in state.trials.values()] == ["COMPLETE"]
    assert_log_equals_study(run)
