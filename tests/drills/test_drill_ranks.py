"""Two processes at one trial: the result of one, and no rank outlives the other."""

import json
import os
import resource
import signal
import time

import psutil
import pytest
from drill import ALL, assert_log_equals_study, atft, kill, start, wait_for, wait_for_end

from atft_core.run.status import load

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
STILL = {
    "model.dropout": 0, "model.graph_dropout": 0, "model.market_noise": 0, "train.threads": 2,
    "search": "{}", "engine.hung_seconds": 20,
}  # fmt: skip


def begun(panel, output, *, devices=2, epochs=6, **values):
    words = []
    for key, value in {**STILL, "train.devices_per_trial": devices, **values}.items():
        words += ["--set", f"{key}={value}"]
    return start(panel, output, *words, epochs=epochs, trials=1)


def rank_of(run):
    """The process of the second rank."""
    worker = psutil.Process(load(run).trials[0].pid)
    (rank,) = [p for p in worker.children() if "atft_core.train.rank" in p.cmdline()]
    return rank


def trains(state):
    return 0 in state.trials and len(state.trials[0].epochs) >= 2


def values_of(run):
    return [row.metric("rank_ic", 1) for row in load(run).trials[0].epochs]


def test_two_ranks_come_to_the_result_of_one(panel, home):
    runs = []
    for devices in (1, 2):
        run = begun(panel, home / f"of{devices}", devices=devices)
        _state, status = wait_for_end(run)
        assert status.name == "FINISHED"
        runs.append(run)
    one, two = map(values_of, runs)
    assert two == pytest.approx(one, abs=2e-4)
    assert load(runs[1]).trials[0].settings["devices"] == 2
    assert not list(runs[1].trial(0).path.glob(".rank*"))
    assert_log_equals_study(runs[1])


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP][: 2 if ALL else 1])
def test_a_rank_that_is_lost_or_hangs_costs_an_attempt_and_no_more(panel, home, how):
    whole = begun(panel, home / "whole", epochs=12)
    wait_for_end(whole)
    run = begun(panel, home / "out", epochs=12)
    wait_for(run, trains)
    rank = rank_of(run)
    os.kill(rank.pid, how)
    state, status = wait_for_end(run)
    assert status.name == "FINISHED"
    trial = state.trials[0]
    assert (trial.state, trial.attempt, trial.crashes) == ("COMPLETE", 2, 1)
    assert [row.epoch for row in trial.epochs] == list(range(1, 13))
    assert values_of(run) == pytest.approx(values_of(whole), abs=2e-4)
    assert not rank.is_running()
    assert_log_equals_study(run)


def test_a_rank_that_is_lost_while_they_meet_costs_an_attempt_and_no_more(panel, home):
    run = begun(panel, home / "out", epochs=3)
    wait_for(run, lambda s: 0 in s.trials and s.trials[0].phase == "ranks", seconds=60)
    kill(rank_of(run).pid)
    state, status = wait_for_end(run)
    trial = state.trials[0]
    assert (trial.state, trial.attempt, trial.crashes) == ("COMPLETE", 2, 1), trial.reason
    assert status.name == "FINISHED"
    assert not list(run.trial(0).path.glob(".rank*"))


def test_a_loss_that_is_no_number_fails_the_trial_as_on_one_device(panel, home):
    search = {"search": '{"loss.huber" = {choices = [1e39, 0.05]}}', "engine.sampler": "grid"}
    run = begun(panel, home / "out", **search)
    state, status = wait_for_end(run)
    trial = state.trials[0]
    assert (trial.state, trial.attempt, trial.crashes) == ("FAIL", 1, 0), trial.reason
    assert trial.reason.startswith("NAN: ")
    assert status.name == "FAILED"


def test_what_one_rank_alone_knows_is_the_verdict(panel, home):
    run = begun(panel, home / "out", epochs=30)
    wait_for(run, trains)
    rank = rank_of(run)
    used = rank.memory_info().vms
    resource.prlimit(rank.pid, resource.RLIMIT_AS, (used, used))
    state, _status = wait_for_end(run)
    trial = state.trials[0]
    assert (trial.state, trial.attempt, trial.crashes) == ("FAIL", 1, 0), trial.reason
    assert trial.reason.startswith("OOM: ")


def test_no_rank_outlives_a_killed_worker_or_one_that_is_told_to_stop(panel, home):
    run = begun(panel, home / "out", epochs=30)
    wait_for(run, trains)
    rank = rank_of(run)
    kill(load(run).trials[0].pid)
    gone(rank)
    wait_for(run, lambda s: s.trials[0].attempt == 2 and len(s.trials[0].epochs) >= 4)
    rank = rank_of(run)
    atft("stop", run.path, "--now")
    wait_for_end(run)
    gone(rank)
    assert json.loads(atft("status", run.path, "--json"))["state"] == "STOPPED"


def gone(process):
    give_up = time.monotonic() + 20
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < give_up
        time.sleep(0.05)
