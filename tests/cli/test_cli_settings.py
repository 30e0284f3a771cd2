"""`atft settings` and `atft status --verdicts`, as a person and as a program reads them."""

import json
import os
import signal
import subprocess
import sys
from socket import gethostname

import pytest

from atft_core.config.load import resolve
from atft_core.config.render import to_toml
from atft_core.run import events as ev
from atft_core.run.directory import create
from atft_core.run.files import write_json
from atft_core.run.journal import Journal
from atft_core.run.processes.alive import start_time


@pytest.fixture
def worker():
    """A process that was started with another NUM_WORKERS than the run asks for."""
    code = "import time; time.sleep(600)"
    process = subprocess.Popen([sys.executable, "-c", code], env={"NUM_WORKERS": "0"})
    yield process.pid
    process.kill()
    process.wait()


@pytest.fixture
def run(tmp_path, worker):
    """A run with one trial after two epochs, of which the second waited for data."""
    run = create(tmp_path / "out")
    resolved = resolve(assignments=["data.workers=4", "search={}"], environ={})
    run.config.write_text(to_toml(resolved.config, resolved.origins))
    write_json(run.run_json, {"schema": 1})
    with Journal(run.events) as journal:
        journal.append(ev.RunStarted(run="out", n_trials=1, max_epochs=2))
        journal.append(ev.TrialAsked(trial=0))
        started = start_time(worker)
        journal.append(ev.WorkerStarted(trial=0, pid=worker, start_time=started))
        journal.append(ev.Settings(trial=0, worker_seq=1, values={"feed": "mmap", "threads": 2}))
        for epoch, wait in enumerate((0.0, 15.0), start=1):
            journal.append(ev.Epoch(trial=0, worker_seq=1 + epoch, epoch=epoch, seconds=20.0,
                                    time={"wait": wait, "compute": 20.0 - wait}))  # fmt: skip
    return run


def test_settings_show_the_three_values_and_why_they_differ(atft, run, worker):
    done = atft("settings", "out")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[1] == f"process: worker of trial 0, pid {worker}"
    assert lines[3].split() == ["!=", "differs", "NUM_WORKERS", "-", "-", "4", "0"]
    assert lines[4].strip().startswith("config.toml decides: data.workers = 4 (--set)")
    assert any(line.split()[:2] == ["train.ema", "0.98"] for line in lines)
    assert lines[-1].startswith("1 of ")
    few = atft("settings", "out", "0", "--differences").out
    assert "NUM_WORKERS" in few
    assert "train.ema" not in few


def test_settings_for_programs(atft, run, worker):
    found = json.loads(atft("settings", "out", "0", "--json").out)
    assert found.keys() == {"trial", "process", "process_seen", "trouble", "differs", "settings"}
    assert (found["trial"], found["process_seen"], found["differs"]) == (0, True, 1)
    rows = {row["key"]: row for row in found["settings"]}
    assert rows["NUM_WORKERS"]["mark"] == "differs"
    assert rows["data.workers"] == {
        "section": "data", "key": "data.workers", "requested": 4, "origin": "--set", "trial": 4,
        "worker": None, "mark": "inactive", "note": rows["data.workers"]["note"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("settings", "nowhere"), 1, "is not a run directory"),
        (("settings", "out", "7"), 1, "has no trial 7"),
        (("status", ".", "--verdicts"), 2, "is about one run"),
    ],
)
def test_what_is_not_there_is_refused_in_words(atft, run, words, code, said):
    done = atft(*words)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert "Traceback" not in done.err


def test_verdicts_are_listed_from_when_to_when(atft, run):
    done = atft("status", "out", "--verdicts")
    assert done.code == 0
    assert "Verdict: UNKNOWN" in done.out
    table = done.out.splitlines()[-3:]
    assert table[0].split() == ["since", "for", "verdict", "numbers"]
    assert "compute-bound  1 epoch, trial 0: 100 % of the epoch computes" in table[1]
    assert "data-bound     1 epoch, trial 0: 75 % of the train time waits" in table[2]


def test_verdicts_for_programs(atft, run):
    found = json.loads(atft("status", "out", "--verdicts", "--json").out)
    assert found["verdict"].keys() == {"word", "text", "action"}
    first, second = found["verdicts"]
    assert (first["word"], second["word"]) == ("compute-bound", "data-bound")
    assert second["split"]["wait"] == 15.0
    assert second["said"].startswith("1 epoch, trial 0: 75 %")
    assert "verdicts" not in json.loads(atft("status", "out", "--json").out)


def test_the_verdict_of_a_live_run_looks_at_its_process(atft, run, worker):
    me = os.getpid()
    with Journal(run.events) as journal:
        journal.append(ev.RunStarted(run="out", identity={"hung_seconds": 0.001}))
        journal.append(ev.EngineStarted(pid=me, start_time=start_time(me), host=gethostname()))
        journal.append(ev.Progress(trial=0, worker_seq=9, epoch=3, phase="train"))
    os.kill(worker, signal.SIGSTOP)
    found = json.loads(atft("status", "out", "--json").out)
    assert found["state"] == "HUNG"
    said = found["verdict"]
    assert said["text"].startswith(f"worker of trial 0, pid {worker}, is stopped (T); silent since")
    assert said["action"] == f"`kill -CONT {worker}` lets it go on"
