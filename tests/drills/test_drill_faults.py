"""Fail at the n-th step, for every step: then what the log, the study and the files say is one.

Each drill runs the real engine with workers that compute nothing, makes one process fail at one
place, and goes on as a person would: start again, or resume. Every place has its turn with
DRILLS=all (`make drills`); else a part of them.
"""

import os
import random
import signal
import statistics
import subprocess
import sys
import time
from contextlib import suppress

import empty
import pytest
from drill import ALL, assert_log_equals_study, wait_for
from places import ASKING, BESIDE, ENGINE, REQUESTS, START, TRAINING, WORKER

from atft_core.bench.empty.worker import rank_ic
from atft_core.run import events as ev
from atft_core.run.directory import write_request
from atft_core.run.faults import KINDS, SILENT
from atft_core.run.journal import read_events
from atft_core.run.processes.alive import start_time
from atft_core.run.status import load

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]
TRIALS, EPOCHS = 2, 3
RESUMES = 3
"""More than a fault that comes once may cost."""


def cases(places, share):
    """Place and kind; a place after a step can only be killed."""
    every = [
        (place, kind) for place in places for kind in KINDS
        if kind == "kill" or place.startswith("before")
    ]  # fmt: skip
    return every if ALL else random.Random(share).sample(every, len(every) // share)


def came_to_pass(tmp_path, *places, nth=1):
    """Whether each fault happened: a drill that never fails proves nothing."""
    counts = [(tmp_path / f"passes{i}") for i, _ in enumerate(places)]
    return all(path.exists() and len(path.read_text().splitlines()) >= nth for path in counts)


def resume_to_the_end(run):
    """Until it has ended in order."""
    for _ in range(RESUMES):
        if load(run).end_state == "FINISHED":
            return
        _code, answer = empty.engine("resume", run.path)
        assert "error" not in answer, answer
    raise AssertionError(f"never finished:\n{run.log.read_text()[-3000:]}")


def assert_whole(run, *, trials=TRIALS, epochs=EPOCHS):
    """No trial, epoch or value is lost, doubled or made up; nothing half-written is left."""
    state = load(run)
    assert sorted(state.trials) == list(range(trials))
    for number, trial in state.trials.items():
        wanted = [rank_ic(number, epoch) for epoch in range(1, epochs + 1)]
        assert trial.state == "COMPLETE", trial.reason
        assert [row.epoch for row in trial.epochs] == list(range(1, epochs + 1))
        assert [row.metric("rank_ic", state.horizon) for row in trial.epochs] == wanted
        assert trial.value == pytest.approx(statistics.median(wanted[-3:]), abs=1e-12)
    assert_log_equals_study(run)
    assert list(run.path.rglob("*tmp*")) == []


def test_the_list_names_every_place_that_is_passed(panel, home, tmp_path):
    passes = tmp_path / "passes"
    _run, code = empty.start(
        panel, home / "out", trials=TRIALS, epochs=2, ATFT_FAULT=f"*:0:-:{passes}"
    )
    assert code == 0
    found = {line for line in passes.read_text().splitlines() if not line.endswith("hashes.json")}
    assert found == {*START, *ENGINE, *BESIDE, *WORKER}


@pytest.mark.parametrize(("place", "kind"), cases(START, 15))
def test_a_start_that_fails_leaves_nothing_in_the_way_of_the_next(
    panel, home, tmp_path, place, kind
):
    out = home / "out"
    run, code = empty.start(panel, out, trials=TRIALS, epochs=EPOCHS,
                            ATFT_FAULT=empty.fault(tmp_path, place, kind=kind))  # fmt: skip
    assert came_to_pass(tmp_path, place)
    assert code != 0
    if not run.run_json.exists():
        run, code = empty.start(panel, out, trials=TRIALS, epochs=EPOCHS)
        assert code == 0
    resume_to_the_end(run)
    assert_whole(run)


@pytest.mark.parametrize("nth", [1, 2] if ALL else [1])
@pytest.mark.parametrize(("place", "kind"), cases([*ENGINE, *BESIDE], 18))
def test_an_engine_that_fails_loses_nothing(panel, home, tmp_path, place, kind, nth):
    run, _ = empty.start(panel, home / "out", trials=TRIALS, epochs=EPOCHS,
                         ATFT_FAULT=empty.fault(tmp_path, place, nth=nth, kind=kind))  # fmt: skip
    assert came_to_pass(tmp_path, place, nth=nth) or nth > 1
    if not run.run_json.exists():  # of the start, too, there is a step of this name
        run, _ = empty.start(panel, home / "out", trials=TRIALS, epochs=EPOCHS)
    resume_to_the_end(run)
    assert_whole(run)


def test_a_worker_that_is_killed_at_each_of_its_steps_in_turn_loses_nothing(panel, home, tmp_path):
    """Five trials: past the rename of a checkpoint a trial does not come a second time."""
    given = empty.spec(panel, home / "out", trials=5, epochs=EPOCHS, **{"engine.max_retries": 100})
    empty.engine("start", given=given, ATFT_FAULT=empty.fault(tmp_path, *WORKER), timeout=300)
    run = empty.RunDirectory(home / "out")
    assert came_to_pass(tmp_path, *WORKER)
    assert sum(trial.crashes for trial in load(run).trials.values()) >= len(WORKER) - 5
    resume_to_the_end(run)
    assert_whole(run, trials=5)


@pytest.mark.parametrize("kind", SILENT)
@pytest.mark.parametrize("place", ["before open epoch_00002.json", "before trial epoch"])
def test_a_worker_that_hangs_or_is_stopped_is_ended_and_run_again(
    panel, home, tmp_path, place, kind
):
    given = empty.spec(
        panel, home / "out", trials=TRIALS, epochs=EPOCHS, **{"engine.hung_seconds": 3}
    )
    code, _ = empty.engine("start", given=given, ATFT_FAULT=empty.fault(tmp_path, place, kind=kind))
    assert code == 0
    run = empty.RunDirectory(home / "out")
    trial = load(run).trials[0]
    (mishap,) = trial.mishaps
    assert mishap.startswith("HUNG: nothing was heard for 3 s")
    assert ("stacks in trial_0/stacks.txt" in mishap) is (kind == "hang")
    assert trial.crashes == 1 and trial.attempt == 2
    assert [alert.ended for alert in load(run).alerts if alert.key == "hung"] == [False, True]
    assert_whole(run)


TRAINED = {
    "model.hidden": 16, "model.heads": 2, "model.lookback": 10, "train.threads": 1,
    "train.block_days": 8, "engine.max_retries": 100,
}  # fmt: skip


def test_a_worker_that_trains_is_killed_at_each_of_its_writes_in_turn_and_loses_nothing(
    panel, home, tmp_path
):
    places = TRAINING if ALL else TRAINING[::6]
    given = empty.spec(panel, home / "out", trials=3, epochs=3, **TRAINED)
    given["config"]["search"] = {}
    empty.engine("start", given=given, program=empty.TRAINING, timeout=580,
                 ATFT_FAULT=empty.fault(tmp_path, *places))  # fmt: skip
    run = empty.RunDirectory(home / "out")
    assert came_to_pass(tmp_path, *places)
    state = load(run)
    assert state.end_state == "FINISHED"
    assert sum(trial.crashes for trial in state.trials.values()) >= len(places) - 5
    for trial in state.trials.values():
        assert trial.state == "COMPLETE", trial.reason
        assert [row.epoch for row in trial.epochs] == [1, 2, 3]
    assert_log_equals_study(run)
    assert list(run.path.rglob("*tmp*")) == []


@pytest.mark.parametrize(("place", "kind"), cases(REQUESTS, 8))
def test_requests_are_obeyed_once_or_refused_whatever_fails(panel, home, tmp_path, place, kind):
    given = empty.spec(panel, home / "out", trials=TRIALS, epochs=4)
    engine = empty.begin(given, tmp_path / "engine.log", ATFT_EMPTY_EPOCH=0.6,
                         ATFT_FAULT=empty.fault(tmp_path, place, kind=kind))  # fmt: skip
    run = empty.RunDirectory(home / "out")
    state = wait_for(run, lambda s: 0 in s.trials and s.trials[0].running)
    params = state.trials[0].params
    asked = [
        write_request(run, "enqueue", {"params": params}, user="u", host="h", t=time.time()),
        write_request(run, "prune", {"trial": 0}, user="u", host="h", t=time.time()),
    ]
    engine.wait(timeout=120)
    assert came_to_pass(tmp_path, place)
    resume_to_the_end(run)
    state = load(run)
    assert sorted(state.answered) == sorted(asked)
    added = [s.event for s in read_events(run.events) if isinstance(s.event, ev.TrialEnqueued)]
    obeyed, _ = state.answered[asked[0]]
    assert len(added) == len(state.added) == int(obeyed)
    assert sorted(state.trials) == list(range(TRIALS + len(added)))
    assert all(trial.ended for trial in state.trials.values())
    assert_log_equals_study(run)


@pytest.mark.parametrize(("place", "kind"), cases(ASKING, 7))
def test_whoever_asks_fails_and_the_request_is_there_once_or_not_at_all(
    panel, home, tmp_path, place, kind
):
    given = empty.spec(panel, home / "out", trials=TRIALS, epochs=4)
    engine = empty.begin(given, tmp_path / "engine.log", ATFT_EMPTY_EPOCH=0.6)
    run = empty.RunDirectory(home / "out")
    wait_for(run, lambda s: 0 in s.trials and s.trials[0].running)
    done = subprocess.run(
        [sys.executable, "-m", "atft_core", "enqueue", run.path, "--like", "0"],
        capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "ATFT_FAULT": empty.fault(tmp_path, place, kind=kind)},
    )  # fmt: skip
    assert came_to_pass(tmp_path, place)
    assert done.returncode == (-signal.SIGKILL if kind == "kill" else 1)
    assert "Traceback" not in done.stderr
    assert engine.wait(timeout=120) == 0
    state = load(run)
    there = place.startswith(("before sync", "after"))
    assert len(state.added) == there
    assert sorted(state.trials) == list(range(TRIALS + there))
    assert_log_equals_study(run)
    assert list(run.path.rglob("*tmp*")) == []


@pytest.mark.parametrize("slots", [1, 3])
def test_a_night_of_random_kills_ends_as_a_quiet_one(panel, home, tmp_path, slots):
    """Engine and workers, whoever is there, every second or so."""
    trials, dice = (200 if ALL else 12 * slots), random.Random(7)
    given = empty.spec(panel, home / "out", trials=trials, epochs=3, **{
        "engine.max_retries": 100, "engine.prune_startup": trials, "engine.slots": slots,
    })  # fmt: skip
    engine = empty.begin(given, tmp_path / "engine.log", ATFT_EMPTY_EPOCH=0.2)
    run = empty.RunDirectory(home / "out")
    wait_for(run, lambda s: 0 in s.trials and s.trials[0].running)
    kills = {"engine": 0, "worker": 0}
    while load(run).end_state != "FINISHED":
        time.sleep(dice.uniform(0.5, 2.5))
        if engine.poll() is not None:
            engine = empty.resume(run, tmp_path / "engine.log", ATFT_EMPTY_EPOCH=0.2)
            continue
        if dice.random() < 0.15 or kills["worker"] > 2 > kills["engine"]:
            kills["engine"] += 1
            engine.kill()
            engine.wait()
            continue
        running = [t.pid for t in load(run).trials.values() if t.running and start_time(t.pid)]
        if running:
            with suppress(ProcessLookupError):
                os.kill(dice.choice(running), signal.SIGKILL)
                kills["worker"] += 1
    engine.wait(timeout=60)
    assert min(kills.values()) > 0, kills
    assert_whole(run, trials=trials)
