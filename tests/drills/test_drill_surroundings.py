"""What goes wrong around a run: descriptors, slow disks, clocks, logs that move, GPUs, time."""

import os
import resource
import shutil
import signal
import subprocess
import time
from pathlib import Path

import empty
import pytest
from drill import ALL, assert_log_equals_study, kill, start, wait_for
from places import ENGINE, WORKER

from atft_core.run.directory import RunDirectory
from atft_core.run.processes.table import descendants, processes
from atft_core.run.status import load, read_status

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
IN_A_TRIAL = [place for place in ENGINE if place.startswith("before")
              and not any(word in place for word in (
                  "run sync", "engine_started", "preflight", "alert", "run_ended", "snapshot"
              ))]  # fmt: skip
"""Where an engine can write again once it could not. (`run sync` is first passed, and refused,
before there is a run.)"""


def begun(panel, home, tmp_path, *, trials=2, epochs=3, env=(), **values):
    given = empty.spec(panel, home / "out", trials=trials, epochs=epochs, **values)
    engine = empty.begin(given, tmp_path / "engine.log", **dict(env))
    run = RunDirectory(home / "out")
    wait_for(run, lambda s: 0 in s.trials and s.trials[0].running)
    return run, engine


def assert_undisturbed(run, trials=2):
    """One engine brought all trials to their end."""
    state = load(run)
    assert (state.end_state, state.engines) == ("FINISHED", 1), run.log.read_text()[-2000:]
    assert [trial.state for trial in state.trials.values()] == ["COMPLETE"] * trials
    assert_log_equals_study(run)
    return state


def warnings(state):
    """But that trials that measure nothing have no conclusion."""
    told = [alert.text for alert in state.alerts if alert.level != "info"]
    return [text for text in told if not text.startswith("no conclusion")]


@pytest.fixture
def library(tmp_path):
    """Compile a source that stands beside this file into a library."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler (cc)")

    def compiled(name):
        made, source = tmp_path / f"{name}.so", Path(__file__).with_name(name)
        subprocess.run([compiler, "-shared", "-fPIC", "-o", made, source], check=True)
        return made

    return compiled


@pytest.mark.parametrize("kind", ["full", "io"])
@pytest.mark.parametrize("place", IN_A_TRIAL if ALL else IN_A_TRIAL[::9])
def test_an_engine_that_cannot_write_for_a_moment_goes_on_by_itself(
    panel, home, tmp_path, place, kind
):
    run, _ = empty.start(
        panel, home / "out", trials=2, epochs=3, ATFT_FAULT=empty.fault(tmp_path, place, kind=kind)
    )
    assert (tmp_path / "passes0").exists()
    assert_undisturbed(run)


@pytest.mark.parametrize("place", ["before open metrics.json", "before trial epoch"])
def test_a_worker_that_finds_no_room_is_run_again_by_the_same_engine(panel, home, tmp_path, place):
    run, _ = empty.start(panel, home / "out", trials=2, epochs=3,
                         ATFT_FAULT=empty.fault(tmp_path, place, kind="full"))  # fmt: skip
    state = assert_undisturbed(run)
    assert [alert.key for alert in state.alerts if alert.key == "paused"] == ["paused"] * 2
    assert state.trials[0].crashes == 0


def test_an_engine_without_descriptors_waits_until_it_gets_some(panel, home, tmp_path):
    run, engine = begun(panel, home, tmp_path, epochs=8, env={"ATFT_EMPTY_EPOCH": 0.5})
    used = len(list(Path(f"/proc/{engine.pid}/fd").iterdir()))
    before = resource.prlimit(engine.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(engine.pid, resource.RLIMIT_NOFILE, (used, before[1]))
    state = wait_for(run, lambda s: s.waits_since)
    assert "Too many open files" in state.waits_for
    resource.prlimit(engine.pid, resource.RLIMIT_NOFILE, before)
    assert engine.wait(timeout=120) == 0
    assert_undisturbed(run)


def test_a_disk_that_answers_late_is_waited_for(panel, home, tmp_path):
    """As a network drive in the evening: each step takes a third of a second more."""
    places = [place for place in (*ENGINE, *WORKER) if place.startswith("before")]
    run, code = empty.start(panel, home / "out", trials=2, epochs=3,
                            ATFT_FAULT=empty.fault(tmp_path, *places, kind="slow"))  # fmt: skip
    assert code == 0
    state = assert_undisturbed(run)
    assert warnings(state) == []


@pytest.mark.parametrize("hours", [2, -2])
def test_a_clock_that_jumps_ends_nothing(panel, home, tmp_path, library, hours):
    wrong = tmp_path / "wrong"
    wrong.write_text("0")
    clock = {"LD_PRELOAD": library("jump.c"), "CLOCK_WRONG": wrong, "ATFT_EMPTY_EPOCH": 0.5}
    run, engine = begun(panel, home, tmp_path, epochs=12, env=clock)
    told = wait_for(run, lambda s: s.trials[0].epochs).t
    wrong.write_text(str(hours * 3600))
    wait_for(run, lambda s: abs(s.t - told) > 3600)
    assert engine.wait(timeout=120) == 0
    state = assert_undisturbed(run)
    assert warnings(state) == []
    assert all(trial.crashes == 0 for trial in state.trials.values())


def test_a_log_that_is_moved_or_emptied_under_it_goes_on(panel, home, tmp_path):
    run, engine = begun(panel, home, tmp_path, epochs=8, env={"ATFT_EMPTY_EPOCH": 0.4})
    run.log.rename(run.log.with_suffix(".1"))  # as logrotate does
    wait_for(run, lambda s: 1 in s.trials)
    assert "Trial 1" in run.log.read_text()
    os.truncate(run.log, 0)  # as it does with copytruncate
    assert engine.wait(timeout=120) == 0
    assert "\0" not in run.log.read_text()
    assert_undisturbed(run)


def test_a_trial_that_takes_too_long_fails_and_the_next_one_begins(panel, home, tmp_path):
    given = empty.spec(panel, home / "out", trials=2, epochs=30,
                       **{"engine.trial_hours": 1.5 / 3600})  # fmt: skip
    empty.engine("start", given=given, ATFT_EMPTY_EPOCH=0.3)
    state = load(RunDirectory(home / "out"))
    assert [trial.state for trial in state.trials.values()] == ["FAIL", "FAIL"]
    for trial in state.trials.values():
        assert trial.reason.startswith("TIMED_OUT: it took longer than engine.trial_hours = 0.000")
        assert trial.value is None and trial.crashes == 0 and len(trial.epochs) > 1
    assert_log_equals_study(RunDirectory(home / "out"))


def test_a_trial_whose_gpu_fell_off_the_bus_is_not_tried_again_on_it(panel, home, tmp_path, driver):
    orders = tmp_path / "orders"
    orders.write_text("pid 4121\n")
    gpu = {
        "LD_LIBRARY_PATH": driver, "STUB_ORDERS": orders, "CUDA_VISIBLE_DEVICES": 1,
        "ATFT_EMPTY_DEVICE": "cuda (Stub B)", "ATFT_EMPTY_EPOCH": 2,
    }  # fmt: skip
    run, engine = begun(panel, home, tmp_path, env=gpu)
    orders.write_text("xid\n")
    time.sleep(2.5)  # the sampler writes once a second
    kill(load(run).trials[0].pid)
    engine.wait(timeout=60)
    state, status = read_status(run)
    assert status.name == "STOPPED"
    assert status.reason == ("trial 0 cannot go on: LOST_GPU: GPU 1 (Stub B): "
                             "it has fallen off the bus (Xid 79)")  # fmt: skip
    assert (state.trials[0].attempt, state.trials[0].state) == (1, "WAITING")
    orders.write_text("")
    code, _ = empty.engine("resume", run.path, **gpu)
    assert code == 0
    assert load(run).end_state == "FINISHED"


def test_who_is_on_the_gpu_is_named_before_the_first_trial(panel, home, tmp_path, driver):
    orders = tmp_path / "orders"
    orders.write_text(f"pid {os.getpid()}\n")
    run, code = empty.start(panel, home / "out", trials=1, epochs=1, LD_LIBRARY_PATH=driver,
                            STUB_ORDERS=orders, CUDA_VISIBLE_DEVICES=0)  # fmt: skip
    assert code == 0
    first = load(run).alerts[0].text
    name = Path(f"/proc/{os.getpid()}/comm").read_text().strip()
    assert first.startswith(f"pid {os.getpid()} ({name} of root) holds 300 B of GPU 0 (Stub A)")


@pytest.mark.parametrize("signal_number", [signal.SIGSTOP, signal.SIGKILL][: 2 if ALL else 1])
def test_a_producer_of_the_ring_feed_that_hangs_or_dies_costs_an_attempt(
    panel, home, signal_number
):
    run = start(panel, home / "out", "--set", "data.feed=ring", trials=1, epochs=60)
    state = wait_for(run, lambda s: s.trials and len(s.trials[0].epochs) > 1)
    worker = state.trials[0].pid
    (producer, *_) = descendants(processes(), [worker]) - {worker}
    os.kill(producer, signal_number)
    began = time.monotonic()
    state = wait_for(run, lambda s: s.trials[0].attempt == 2 and s.trials[0].running)
    assert time.monotonic() - began < 15 + 20 + 10  # noticed; blocked, waited out; begun
    word = "hangs" if signal_number == signal.SIGSTOP else "ended"
    assert any(f"producer {producer} of the ring feed {word}" in a.text for a in state.alerts)
    wait_for(run, lambda s: len(s.trials[0].epochs) > len(state.trials[0].epochs))
    assert not Path(f"/proc/{producer}").exists()
    kill(load(run).engine_pid)
