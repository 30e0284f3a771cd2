"""One word, its evidence, and what to do; unknown is said as unknown."""

import math

import pytest
from run_builders import SETTINGS, Log, dry_run

from atft_core.run import events as ev
from atft_core.run.lock import Holder
from atft_core.run.status import Status, status
from atft_core.run.verdict.around import Around, Own, Rival
from atft_core.run.verdict.diagnose import verdict_line
from atft_core.run.wording import clock

RUNNING = Status("RUNNING")
SPINNER = Rival(77, "spinner", cores=3.9)
FULL = Around(cores=4, used=0.1, others=3.9, rival=SPINNER)
TENANT = Rival(78, "jupyter", memory=31 << 30)


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
        (epoch(0, 10, gpu={"p50": 98.0, "memory": 86.0}), "memory-bound", "memory is busy 86 %"),
        (epoch(0, 10, gpu={"p50": 98.0, "memory": 40.0}), "compute-bound", "GPU busy 98 %"),
        (epoch(0, 10, gpu={"p50": 98.0, "memory": math.nan}), "compute-bound", "GPU busy 98 %"),
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
    assert verdict_line(state, Status("STOPPED")).action.startswith("resume")


def on(device, *seconds, wait=0.0):
    log = Log().start().worker(settings={**SETTINGS, "device": device})
    for number, each in enumerate(seconds, start=1):
        times = {"wait": wait * each, "compute": (1 - wait) * each}
        log.epoch(number, time=times, seconds=each)
    return log.state


def test_a_run_without_cores_names_who_has_them():
    found = verdict_line(on("cpu", 9.0), RUNNING, FULL)
    assert found.word == "contended"
    assert found.text == "others use 3.9 of 4 cores, this run 0.1; pid 77 (spinner) alone 3.9"
    assert "ps -fp 77" in found.action


@pytest.mark.parametrize(
    ("device", "wait", "around", "word"),
    [
        ("cpu", 0.0, Around(cores=4, used=2.0, others=0.2, rival=SPINNER), "compute-bound"),
        ("cpu", 0.0, Around(cores=4, used=3.8, others=0.2, rival=SPINNER), "compute-bound"),
        ("cpu", 0.0, Around(), "compute-bound"),
        ("cuda (H100)", 0.0, FULL, "compute-bound"),
        ("cuda (H100)", 0.5, FULL, "contended"),
    ],
)
def test_cores_are_only_missed_by_a_run_that_needs_them(device, wait, around, word):
    assert verdict_line(on(device, 9.0, wait=wait), RUNNING, around).word == word


def test_whoever_cannot_be_seen_is_not_named():
    found = verdict_line(on("cpu", 9.0), RUNNING, Around(cores=4, used=0.1, others=3.9))
    assert (found.word, "pid" in found.text) == ("contended", False)


def test_somebody_on_the_gpu_is_blamed_only_when_epochs_became_slower():
    around = Around(on_gpu=(TENANT,))
    steady = verdict_line(on("cuda (H100)", 30.0, 9.0, 9.0, 10.0), RUNNING, around)
    assert steady.word == "compute-bound"
    assert steady.text.endswith("; pid 78 is on the same GPU")
    slower = verdict_line(on("cuda (H100)", 30.0, 9.0, 9.0, 27.0), RUNNING, around)
    assert slower.word == "contended"
    assert "pid 78 (jupyter) is on the same GPU with 31.0 GiB" in slower.text
    assert "27 s instead of 9 s" in slower.text
    alone = verdict_line(on("cuda (H100)", 30.0, 9.0, 9.0, 27.0), RUNNING, Around())
    assert alone.word == "compute-bound"


def hung(log, *own):
    state = log.state
    return verdict_line(state, status(state, Holder.ENGINE, log.t + 5000), Around(own=own))


@pytest.mark.parametrize(
    ("letter", "waits", "said", "helps"),
    [
        ("T", "", "is stopped (T)", "`kill -CONT 2`"),
        ("D", "nfs_wait", "waits for a disk in nfs_wait (D)", "`dmesg`"),
        ("Z", "", "has ended (Z)", "stop now and resume"),
        ("", "", "is gone;", "stop now and resume"),
        ("S", "futex_wait", "sleeps in futex_wait (S)", "`atft stacks`"),
    ],
)
def test_a_hung_run_names_its_process_since_when_and_what_helps(letter, waits, said, helps):
    log = Log().start().worker()
    engine, worker = Own("engine", 1, "S"), Own("worker of trial 0", 2, letter, waits)
    found = hung(log, engine, worker)
    assert found.word == "HUNG"
    assert found.text.startswith(f"worker of trial 0, pid 2, {said}")
    assert f"silent since {clock(log.t)}" in found.text
    assert helps in found.action


def test_a_stopped_engine_is_why_its_worker_seems_silent():
    found = hung(Log().start().worker(), Own("engine", 1, "T"), Own("worker of trial 0", 2, "S"))
    assert found.text.startswith("engine, pid 1, is stopped (T)")
    assert "kill -CONT 1" in found.action


def test_a_hung_run_elsewhere_still_has_a_pid_and_a_time():
    log = Log().start().worker()
    assert hung(log).text.startswith(f"pid 2, silent since {clock(log.t)}; trial 0, start")
    log = Log().start()
    assert hung(log).text.startswith(f"pid 1, silent since {clock(log.t)}; the engine")
