"""Several trials at once: as many as there are slots, each by itself, and none in another's way."""

import os
import random
import re
import signal
import time

import empty
import pytest
from drill import ALL, assert_log_equals_study, kill, refused, wait_for
from places import ENGINE
from test_drill_faults import assert_whole, came_to_pass, resume_to_the_end

from atft_core.run import events as ev
from atft_core.run.directory import RunDirectory, write_request
from atft_core.run.fold import apply
from atft_core.run.journal import read_events
from atft_core.run.lock import Holder, ProcessLock, probe
from atft_core.run.state import State
from atft_core.run.status import load

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def begun(panel, home, tmp_path, *, slots, trials, epochs=3, env=(), **values):
    values = {"engine.slots": slots, "engine.prune_startup": trials, **values}
    given = empty.spec(panel, home / "out", trials=trials, epochs=epochs, **values)
    engine = empty.begin(given, tmp_path / "engine.log", **dict(env))
    return RunDirectory(home / "out"), engine


def at_work(run):
    """How many trials were at work at once, after each event, and the slots that they were in."""
    state, counts, places = State(), [], []
    for stamped in read_events(run.events):
        apply(state, stamped)
        running = [trial.slot for trial in state.trials.values() if trial.running]
        counts.append(len(running))
        places.append(sorted(running))
    return counts, places


def test_as_many_trials_are_at_work_as_there_are_slots_each_in_its_own(panel, home, tmp_path):
    run, engine = begun(panel, home, tmp_path, slots=3, trials=7, env={"ATFT_EMPTY_EPOCH": 0.3})
    assert engine.wait(timeout=120) == 0
    counts, places = at_work(run)
    assert max(counts) == 3
    assert all(len(set(each)) == len(each) for each in places)
    assert_whole(run, trials=7)
    assert load(run).end_state == "FINISHED"


def test_a_killed_engine_is_followed_by_one_that_finds_all_its_workers(panel, home, tmp_path):
    slow = {"ATFT_EMPTY_EPOCH": 0.8}
    run, engine = begun(panel, home, tmp_path, slots=3, trials=5, epochs=6, env=slow)
    state = wait_for(run, lambda s: sum(t.running for t in s.trials.values()) == 3)
    pids = {trial.pid for trial in state.trials.values() if trial.running}
    engine.kill()
    engine.wait()
    again = empty.resume(run, tmp_path / "engine.log", **slow)
    assert again.wait(timeout=120) == 0
    state = load(run)
    assert [trial.attempt for trial in state.trials.values()] == [1] * 5, "nobody began again"
    started = [s.event for s in read_events(run.events) if isinstance(s.event, ev.WorkerStarted)]
    assert pids <= {each.pid for each in started}
    assert max(at_work(run)[0]) == 3
    assert_whole(run, trials=5, epochs=6)


@pytest.mark.parametrize("place", random.Random(3).sample(ENGINE, len(ENGINE) if ALL else 5))
def test_an_engine_killed_with_several_at_work_loses_nothing(panel, home, tmp_path, place):
    run, engine = begun(panel, home, tmp_path, slots=2, trials=4,
                        env={"ATFT_FAULT": empty.fault(tmp_path, place, nth=2)})  # fmt: skip
    engine.wait(timeout=120)
    came_to_pass(tmp_path, place)
    if not run.run_json.exists():
        run, engine = begun(panel, home, tmp_path, slots=2, trials=4)
        engine.wait(timeout=120)
    resume_to_the_end(run)
    assert_whole(run, trials=4)


def test_a_worker_that_is_stopped_is_ended_and_its_neighbour_goes_on(panel, home, tmp_path):
    run, engine = begun(panel, home, tmp_path, slots=2, trials=2, epochs=12,
                        env={"ATFT_EMPTY_EPOCH": 1}, **{"engine.hung_seconds": 3})  # fmt: skip
    state = wait_for(run, lambda s: len(s.trials) == 2 and all(t.epochs for t in s.trials.values()))
    os.kill(state.trials[0].pid, signal.SIGSTOP)
    assert engine.wait(timeout=120) == 0
    state = load(run)
    assert (state.trials[0].attempt, state.trials[1].attempt) == (2, 1)
    assert state.trials[0].mishaps[0].startswith("HUNG")
    assert state.trials[1].hangs == 0
    assert_whole(run, trials=2, epochs=12)


@pytest.mark.parametrize("now", [True, False])
def test_a_stop_reaches_all_that_are_at_work(panel, home, tmp_path, now):
    run, engine = begun(panel, home, tmp_path, slots=3, trials=9, epochs=12,
                        env={"ATFT_EMPTY_EPOCH": 0.5})  # fmt: skip
    wait_for(run, lambda s: sum(t.running for t in s.trials.values()) == 3)
    write_request(run, "stop", {"now": now}, user="u", host="h", t=time.time())
    if not now:
        wait_for(run, lambda s: s.stop)
        said = refused("resume", run.path)
        assert re.search(r"stopping: it waits for trials? [012, ]+ to come to the end\.", said)
        assert "`atft stop --now` does not wait" in said
    engine.wait(timeout=60)
    state = load(run)
    assert state.end_state == "STOPPED"
    assert [t.state for t in state.trials.values()] == ["WAITING" if now else "COMPLETE"] * 3
    assert empty.resume(run, tmp_path / "engine.log").wait(timeout=120) == 0
    assert_whole(run, trials=9, epochs=12)


def test_a_full_disk_makes_all_of_them_wait_and_go_on(panel, home, tmp_path):
    fault = empty.fault(tmp_path, "before run epoch", nth=3, kind="full")
    run, engine = begun(panel, home, tmp_path, slots=3, trials=5, epochs=3,
                        env={"ATFT_EMPTY_EPOCH": 0.3, "ATFT_FAULT": fault})  # fmt: skip
    assert engine.wait(timeout=120) == 0
    state = load(run)
    assert state.engines == 1
    assert [alert.key for alert in state.alerts if alert.key == "paused"] == ["paused"] * 2
    assert all(trial.crashes == 0 for trial in state.trials.values())
    assert_whole(run, trials=5)


def test_a_lost_gpu_costs_its_slot_and_its_trial_goes_on_elsewhere(panel, home, tmp_path, driver):
    orders = tmp_path / "orders"
    orders.write_text("")
    gpus = {
        "LD_LIBRARY_PATH": driver, "STUB_ORDERS": orders, "ATFT_EMPTY_DEVICE": "cuda (Stub)",
        "ATFT_EMPTY_EPOCH": 1,
    }  # fmt: skip
    run, engine = begun(panel, home, tmp_path, slots="auto", trials=3, epochs=9, env=gpus)
    state = wait_for(run, lambda s: len(s.trials) == 2 and all(t.epochs for t in s.trials.values()))
    seen = {n: trial.settings["gpu"] for n, trial in state.trials.items()}
    assert seen == {0: "GPU-00-stub", 1: "GPU-11-stub"}
    orders.write_text("xid\n")  # of GPU 1
    time.sleep(2.5)  # the sampler writes once a second
    kill(load(run).trials[1].pid)
    assert engine.wait(timeout=120) == 0
    state = load(run)
    assert {trial.settings["gpu"] for trial in state.trials.values()} == {"GPU-00-stub"}
    told = [alert.text for alert in state.alerts if "out of service" in alert.text]
    assert told == ["slot 1 is out of service: GPU 1 (Stub B): it has fallen off the bus (Xid 79); "
                    "its trials go on in the others"]  # fmt: skip
    assert_whole(run, trials=3, epochs=9)


def test_a_trial_that_cannot_go_on_lets_the_others_end_first(panel, home, tmp_path):
    run, engine = begun(panel, home, tmp_path, slots=2, trials=6, epochs=8,
                        env={"ATFT_EMPTY_EPOCH": 0.6}, **{"engine.max_retries": 0})  # fmt: skip
    wait_for(run, lambda s: len(s.trials) == 2 and all(t.epochs for t in s.trials.values()))
    kill(load(run).trials[0].pid)
    assert engine.wait(timeout=120) == 0, "a trial that was lost too often has failed, no more"
    state = load(run)
    assert [trial.state for trial in state.trials.values()] == ["FAIL"] + ["COMPLETE"] * 5
    assert_log_equals_study(run)


def test_a_trial_whose_worker_is_on_another_host_waits_for_it(panel, home, tmp_path):
    slow = {"ATFT_EMPTY_EPOCH": 0.5}
    run, engine = begun(panel, home, tmp_path, slots=2, trials=2, epochs=12, env=slow)
    state = wait_for(run, lambda s: sum(bool(trial.epochs) for trial in s.trials.values()) == 2)
    kill(engine.pid)
    engine.wait()
    for trial in state.trials.values():
        kill(trial.pid)
    wait_for(run, lambda s: probe(run.trial(1).lock) is Holder.NOBODY)
    lock = ProcessLock(run.trial(1).lock, attempt=1, host="gpu7")  # NFS shows it as held
    engine = empty.resume(run, tmp_path / "engine.log")
    said = f"trial 1 waits: its worker (pid {os.getpid()}) is at work on gpu7"
    wait_for(run, lambda s: any(alert.text.startswith(said) for alert in s.alerts))
    lock.release()
    assert engine.wait(timeout=120) == 0
    waited = load(run).trials[1]
    assert (waited.attempt, waited.crashes) == (2, 1), "nothing was started in its way"
    assert_whole(run, trials=2, epochs=12)
