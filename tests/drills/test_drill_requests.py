"""Time budgets, queued stages and requests: what is asked of an engine, now or for later."""

import json
import os
import signal
import time
from datetime import datetime, timedelta

import optuna
import pytest
from drill import (
    FAST,
    assert_log_equals_study,
    atft,
    kill,
    refused,
    slowest,
    start,
    wait_for,
    wait_for_end,
)
from small_book import events, run_stage, write_book

from atft_core.run import events as ev
from atft_core.run.directory import RunDirectory, write_request
from atft_core.run.lock import Holder, ProcessLock, probe
from atft_core.run.processes.alive import alive
from atft_core.run.status import load, read_status

SEARCH = 'search={"model.dropout" = { low = 0.0, high = 0.5 }}'
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def live(tmp_path_factory, panel):
    """A run that goes on until the tests of this module are done."""
    root = tmp_path_factory.mktemp("live")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(root / "state"))
        run = start(panel, root / "out", trials=2, epochs=5000)
        wait_for(run, lambda state: state.engines)
        yield run
        atft("stop", run.path, "--now")
        assert wait_for_end(run)[1].name == "STOPPED"


def soon(seconds):
    return (datetime.now() + timedelta(seconds=seconds)).isoformat(timespec="seconds")


def ask(run, op, **args):
    return write_request(run, op, args, user="tester", host="here", t=time.time())


def test_a_queued_stage_starts_when_the_gate_opens_and_inherits_the_time_budget(panel, home):
    book = write_book(home / "book")
    run_stage("dry", book, panel, "--then", "short", "--until", soon(3600))
    dry, short = RunDirectory(book.parent / "dry"), RunDirectory(book.parent / "short")
    state = wait_for(dry, lambda s: any("next stage" in alert.text for alert in s.alerts))
    assert f"next stage short started: {short.path}" in [alert.text for alert in state.alerts]
    wait_for(short, lambda s: s.engines)
    (first,), (second,) = (events(run, ev.RunStarted) for run in (dry, short))
    assert second.until == first.until is not None
    assert (second.stage, second.then, second.override) == ("short", "", "")
    assert (second.n_trials, second.max_epochs, second.study_name) == (1, 2, "book_short")
    assert short.facts()["evidence"] == str(dry.path)
    assert short.facts()["config_hash"] == dry.facts()["config_hash"]
    atft("stop", short.path, "--now")
    assert read_status(dry)[1].name == "FINISHED"


def test_a_queued_stage_does_not_start_when_the_gate_stays_closed(panel, home):
    book = write_book(home / "book", bar=0.9)
    run_stage("dry", book, panel, "--then", "short", code=3)
    dry = RunDirectory(book.parent / "dry")
    state = wait_for(dry, lambda s: any("next stage" in alert.text for alert in s.alerts))
    (said,) = [alert.text for alert in state.alerts if "next stage" in alert.text]
    assert said.startswith("next stage short not started: Stage short is locked: dry stage in")
    assert "FAIL val RankIC h1" in said
    assert not (book.parent / "short").exists()
    wait_for_end(dry)


@slowest
def test_a_used_up_time_budget_stops_the_run_and_resuming_goes_on(panel, home):
    run = start(panel, home / "out", "--until", soon(15), trials=1, epochs=120)
    state, status = wait_for_end(run)
    assert (status.name, status.reason) == ("STOPPED", "the time budget is used up")
    assert state.until is not None
    left = ask(run, "stop", now=True)
    (run.requests / "junk.json").write_text("[1, 2")
    atft("resume", run.path)
    state, status = wait_for_end(run)
    assert status.name == "FINISHED", "neither the old budget nor the old request stops it again"
    assert (state.trials[0].state, state.stop) == ("COMPLETE", "")
    late = (False, "left before this engine started")
    assert state.answered == {left: late, "junk": late}
    assert_log_equals_study(run)
    before = run.events.read_bytes()
    assert "is finished; there is nothing to resume" in refused("resume", run.path, code=2)
    assert "is not running: FINISHED" in refused("stop", run.path)
    assert run.events.read_bytes() == before


def test_a_request_that_no_engine_knows_is_answered_and_harmless(live):
    known = {ask(live, "dance"): (False, "unknown request 'dance'")}
    (live.requests / "junk.json").write_text("[1, 2")
    known["junk"] = (False, "unknown request 'None'")
    state = wait_for(live, lambda s: s.answered.keys() >= known.keys())
    assert {key: state.answered[key] for key in known} == known
    asked = {event.id: event for event in events(live, ev.Requested)}
    assert [event.user for event in asked.values() if event.op == "dance"] == ["tester"]
    assert (state.stop, state.end_state) == ("", "")


def test_a_run_that_is_worked_on_cannot_be_resumed(live):
    pid = load(live).engine_pid
    assert "belongs to a running engine" in refused("resume", live.path)
    assert "belongs to a running engine" in refused("resume", live.path, module="atft_core.engine")
    state, status = read_status(live)
    assert (status.name, state.engines, state.engine_pid) == ("RUNNING", 1, pid)


def test_a_second_run_beside_one_that_is_worked_on_is_refused(live, panel):
    sets = [word for text in FAST for word in ("--set", text)]
    said = refused(
        "hpo", "--data-path", panel, "--output-dir", live.path, "--study-name", "s",
        "--n-trials", 1, "--max-epochs", 1, *sets,
    )  # fmt: skip
    assert f"{live.path} is being worked on by another engine" in said
    assert f"atft stop {live.path}" in said
    assert not live.path.with_name("out.2").exists()


def test_a_trial_at_work_is_not_scored_on_the_holdout(live, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    wait_for(live, lambda s: 0 in s.trials)
    assert "only a complete trial" in refused("holdout", live.path, "--trial", 0, "--yes", code=2)
    assert not (tmp_path / "atft" / "holdout.jsonl").exists()


# One more trial, and one less.


def test_a_running_trial_is_given_up_and_one_with_other_parameters_comes_next(panel, home):
    run = start(panel, home / "out", "--set", SEARCH, trials=2, epochs=5000)
    wait_for(run, lambda state: state.trials and state.trials[0].epochs)
    assert "not running" in refused("prune", run.path, "1")
    said = refused("enqueue", run.path, "--set", "model.dropout=0.9")
    assert "model.dropout = 0.9 lies outside" in said
    said = refused("enqueue", run.path, "--set", "train.seed=1", code=2)
    assert "train.seed is not searched" in said
    out = atft("enqueue", run.path, "--like", "0", "--set", "model.dropout=0.3")
    assert "the next trial that starts" in out
    atft("prune", run.path, "0")
    state = wait_for(run, lambda s: s.trials.get(1) and s.trials[1].running)
    assert state.trials[0].state == "PRUNED" and state.trials[0].reason.startswith("given up by")
    assert state.trials[1].params == {"model.dropout": 0.3}
    assert state.n_trials == 3
    atft("stop", run.path, "--now")
    wait_for_end(run)
    assert_log_equals_study(run)


def test_an_enqueued_trial_survives_the_engine_and_is_asked_for_once(panel, home):
    run = start(panel, home / "out", "--set", SEARCH, trials=1, epochs=5000)
    wait_for(run, lambda state: state.trials and state.trials[0].epochs)
    atft("enqueue", run.path, "--set", "model.dropout=0.25")
    kill(load(run).engine_pid)
    atft("resume", run.path, "--detach")
    wait_for(run, lambda s: s.engines == 2 and s.trials[0].running)
    atft("prune", run.path, "0")
    state = wait_for(run, lambda s: s.trials.get(1) and s.trials[1].running)
    assert state.trials[1].params == {"model.dropout": 0.25}
    assert state.n_trials == 2
    atft("prune", run.path, "1")
    state, status = wait_for_end(run)
    assert status.name == "FINISHED" and len(state.trials) == 2
    assert_log_equals_study(run)


@slowest
def test_a_trial_that_only_the_study_heard_of_is_completed_by_the_next_engine(panel, home):
    run = start(panel, home / "out", "--set", SEARCH, trials=1, epochs=5000)
    wait_for(run, lambda state: state.trials and state.trials[0].epochs)
    atft("stop", run.path, "--now")
    wait_for_end(run)
    asked = ask(run, "enqueue", params={"model.dropout": 0.2})
    lost = ask(run, "enqueue", params={"model.dropout": 0.3})
    study = optuna.load_study(study_name="drill", storage=f"sqlite:///{run.study}")
    study.enqueue_trial({"model.dropout": 0.2}, user_attrs={"request": asked})
    atft("resume", run.path, "--detach")
    state = wait_for(run, lambda s: asked in s.answered and lost in s.answered)
    assert state.answered[asked][0] and not state.answered[lost][0]
    assert (state.n_trials, len(state.added)) == (2, 1)
    atft("stop", run.path, "--now")
    wait_for_end(run)


def test_a_stop_while_the_worker_of_another_host_is_waited_for_takes_it_for_no_crash(panel, home):
    run = start(panel, home / "out", trials=1, epochs=5000)
    state = wait_for(run, lambda s: s.trials and s.trials[0].epochs)
    kill(state.engine_pid)
    kill(state.trials[0].pid)
    while probe(run.trial(0).lock) is not Holder.NOBODY:
        time.sleep(0.05)
    lock = ProcessLock(run.trial(0).lock, attempt=1, host="gpu7")  # NFS shows it as held
    atft("resume", run.path, "--detach")
    wait_for(run, lambda s: any("at work on gpu7" in alert.text for alert in s.alerts))
    atft("stop", run.path, "--now")
    state, status = wait_for_end(run)
    assert (status.name, state.trials[0].mishaps, state.trials[0].crashes) == ("STOPPED", [], 0)
    assert state.trials[0].running, "as far as this host knows"
    lock.release()


# Where everything is.


def test_the_stacks_of_engine_and_worker_are_told_and_kept(live):
    wait_for(live, lambda state: state.trials and state.trials[0].epochs)
    said = atft("stacks", live.path)
    state = load(live)
    # What either does at that instant is the scheduler's affair: see the stopped worker below.
    assert f"== engine, pid {state.engine_pid}, " in said
    assert f"== trial 0, pid {state.trials[0].pid}, " in said
    of_engine, _, of_worker = said.partition("== trial 0")
    assert "engine/pool.py" in of_engine, "the engine watches its worker"
    assert "run_trial" in of_worker, of_worker
    (kept,) = live.stacks.iterdir()
    assert said.startswith(kept.read_text())
    assert load(live).trials[0].pid == state.trials[0].pid, "asking harms nobody"


def test_a_stopped_worker_is_said_to_be_stopped(live):
    worker = wait_for(live, lambda s: 0 in s.trials and s.trials[0].pid).trials[0].pid
    os.kill(worker, signal.SIGSTOP)
    try:
        told = json.loads(atft("stacks", live.path, "--json"))
        (found,) = [each for each in told["processes"] if each["pid"] == worker]
        assert found["doing"] == "T (is stopped)"
    finally:
        os.kill(worker, signal.SIGCONT)


@slowest
def test_a_run_without_a_process_has_no_stacks(panel, home):
    run = start(panel, home / "out", trials=1, epochs=1)
    wait_for_end(run)
    wait_for(run, lambda state: not alive(state.engine_pid, state.engine_start_time))
    assert "has no process on this host: FINISHED" in refused("stacks", run.path)
