"""One word, its evidence, and what to do; unknown is said as unknown."""

import math

import pytest
from run_builders import SETTINGS, Log, dry_run

from atft_core.run import events as ev
from atft_core.run.diagnose import verdict_line
from atft_core.run.status import Status

RUNNING = Status("RUNNING")


def epoch(wait, compute, validate=0.0, seconds=None, gpu=None):
    total = wait + compute + validate if seconds is None else seconds
    times = {"wait": wait, "compute": compute, "validate": validate}
    return Log().start().worker().epoch(1, time=times, seconds=total, gpu=gpu)


@pytest.mark.parametrize(
    ("log", "word", "text"),
    [
        (epoch(0.4, 97, 2.6), "compute-bound", "97 % of the epoch computes, wait 0.4 %"),
        (epoch(0, 10), "compute-bound", "GPU not measured"),
        (epoch(0, 10, gpu={"p50": 94.0}), "compute-bound", "GPU busy 94 %"),
        (epoch(83, 17, gpu={"p50": 4.0}), "data-bound", "83 % of the train time waits"),
        (epoch(0.1, 4, 6), "validation-bound", "59 % of the epoch validates"),
        (epoch(0.1, 4, 0.5, seconds=20), "overhead-bound", "77 % of the epoch is neither"),
        (epoch(0.01, 10, gpu={"p50": 22.0}), "launch-bound", "GPU busy 22 %"),
        (epoch(0.01, 10, gpu={"p50": math.nan}), "compute-bound", "GPU not measured"),
        (epoch(0, 0), "unknown", "reported no times"),
        (Log().start().worker().epoch(1, time={}), "unknown", "trial 0, epoch 1"),
        (Log().start().worker(), "unknown", "no epoch has ended yet"),
    ],
)  # fmt: skip
def test_the_time_of_the_newest_epoch_decides(log, word, text):
    found = verdict_line(log.state, RUNNING)
    assert found.word == word
    assert text in found.text
    assert found.action


def test_a_data_bound_run_names_its_feed():
    log = Log().start().worker(settings={**SETTINGS, "feed": "ring"})
    log.epoch(1, time={"wait": 5.0, "compute": 5.0})
    assert "the feed is ring" in verdict_line(log.state, RUNNING).action


def test_the_newest_epoch_of_any_trial_counts():
    log = epoch(9, 1).trial_end().worker(1)
    log.epoch(1, trial=1, time={"wait": 0.0, "compute": 9.0}, seconds=9.0)
    assert verdict_line(log.state, RUNNING).word == "compute-bound"


@pytest.mark.parametrize("name", ["HUNG", "DIED", "FAILED", "UNKNOWN"])
def test_trouble_comes_before_speed(name):
    found = verdict_line(dry_run().state, Status(name, "because"))
    assert (found.word, found.text) == (name, "because")
    assert found.action


def test_a_run_without_an_epoch_says_what_to_wait_for():
    log = Log().start()
    assert verdict_line(log.state, RUNNING).word == "preflight"
    state = log.add(ev.Preflight(checks=[{"name": "c", "ok": True}])).state
    assert verdict_line(state, RUNNING).action == "wait for the first epoch"
    assert verdict_line(state, Status("STOPPED")).action == "start a run"
