"""Time budgets and queued stages across a stop and a resume."""

import json
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from drill import atft, slowest, start, wait_for, wait_for_end
from small_book import begin, events, run_stage, write_book

from atft_core.config.keys import dump
from atft_core.config.load import with_values
from atft_core.config.schema import Config
from atft_core.run import events as ev
from atft_core.run.directory import RunDirectory, write_request
from atft_core.run.status import read_status

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def in_seconds(seconds: float) -> str:
    moment = datetime.now().astimezone() + timedelta(seconds=seconds)
    return moment.isoformat(timespec="milliseconds")


def queued(run):
    return [event.text for event in events(run, ev.Alert) if "next stage" in event.text]


@slowest
def test_a_stopped_run_starts_nothing_until_it_is_resumed_and_finished(panel, home):
    book = write_book(home)
    dry, short = begin("dry", book, panel, "--then", "short"), RunDirectory(home / "short")
    assert queued(dry) == []
    assert not short.path.exists()
    atft("resume", dry.path)
    wait_for(dry, lambda state: queued(dry))
    assert queued(dry) == [f"next stage short started: {short.path}"]
    wait_for(short, lambda state: state.engines)
    assert short.facts()["argv"][1:] == dry.facts()["argv"][1:], "a console there starts the same"
    assert "--data-path" in short.facts()["argv"]
    atft("stop", short.path, "--now")
    assert wait_for_end(short)[1].name == "STOPPED"


def test_a_stop_during_the_last_trial_ends_the_chain_as_well(panel, home):
    book = write_book(home)
    said = json.loads(run_stage("dry", book, panel, "--then", "short", "--detach", "--json"))
    run = RunDirectory(Path(said["run_dir"]))
    wait_for(run, lambda state: state.trials)
    write_request(run, "stop", {"now": False}, user="u", host="h", t=time.time())
    assert wait_for_end(run)[1].name == "FINISHED"
    wait_for(run, lambda state: queued(run))  # written a moment after the end
    assert queued(run) == [
        "next stage short not started: stopped on request after the running trial"
    ]
    assert not (home / "short").exists()


def test_a_deadline_that_is_still_to_come_holds_after_a_resume(panel, home):
    run = start(panel, home / "out", "--until", in_seconds(30), trials=1, epochs=2000)
    wait_for(run, lambda state: state.engines)
    atft("stop", run.path, "--now")
    state, status = wait_for_end(run)
    assert (status.name, status.reason) == ("STOPPED", "stopped on request")
    atft("resume", run.path, "--detach")
    wait_for(run, lambda state: state.engines == 2)
    state, status = wait_for_end(run)
    assert (status.name, status.reason) == ("STOPPED", "the time budget is used up")
    assert all(trial.value is None for trial in state.trials.values())


def test_a_budget_that_ended_during_the_start_stops_before_the_first_trial(panel, home):
    values = {"data.path": str(panel), "split.warmup": 20, "train.max_epochs": 1, "search": {}}
    spec = {
        "config": dump(with_values(Config(), values)),
        "origins": {},
        "output_dir": str(home / "out"),
        "until": time.time() - 1,
    }
    engine = [sys.executable, "-m", "atft_core.engine", "start"]
    done = subprocess.run(
        engine, input=json.dumps(spec), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    run = RunDirectory(home / "out")
    assert json.loads(done.stdout) == {"run_dir": str(run.path)}
    state, status = read_status(run)
    assert (status.name, status.reason) == ("STOPPED", "the time budget is used up")
    assert state.trials == {}
    assert not run.trial(0).path.exists()
