"""What the engine notices beside its trials, told once, also by the engine after it."""

import json
import sys
import time
from types import SimpleNamespace

import pytest

from atft_core.config.schema import Config
from atft_core.engine import watch
from atft_core.engine.judged import judged
from atft_core.engine.reserve import Reserve
from atft_core.engine.session import Session
from atft_core.run import events as ev
from atft_core.run.directory import create
from atft_core.run.files import write_json
from atft_core.run.journal import read_events
from atft_core.run.lock import EngineLock
from atft_core.run.status import load
from clock import Clock

GIB = 2**30


class Disk(Reserve):
    """A disk with as much room as the test says."""

    free = 100 * GIB


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("ATFT_NOTIFY", raising=False)
    found = tmp_path / "config" / "atft"
    found.mkdir(parents=True)
    return found


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(watch, "time", made)
    return made


@pytest.fixture
def opened(tmp_path):
    """Open a session on the run directory, as an engine does; a second one resumes it."""
    sessions = []

    def open_(**started):
        run = create(tmp_path / "run") if not sessions else sessions[0].run
        if sessions:
            sessions[-1].journal.close()
            sessions[-1].lock.release()
        else:
            write_json(run.run_json, {"runbook": str(tmp_path / "book.toml")})
        session = Session(run, Config(), EngineLock(run.lock))
        if not sessions:
            session.record(ev.RunStarted(run="run", n_trials=1, max_epochs=9, **started))
        session.record(ev.EngineStarted(pid=1, host="h"))
        session.reserve = Disk(run.path)
        sessions.append(session)
        return session

    yield open_
    sessions[-1].journal.close()
    sessions[-1].lock.release()
    for process in [process for session in sessions for process in session.outbox.left]:
        with process.stdout:
            process.wait(60)


def trains(session, device="cuda (H100)"):
    """A trial in the middle of its training."""
    session.record(ev.WorkerStarted(trial=0, attempt=1, pid=2))
    session.record(ev.Settings(trial=0, worker_seq=1, values={"device": device}))
    session.record(ev.Progress(trial=0, worker_seq=2, epoch=1, phase="train"))


def passes(session, clock, seconds):
    """The engine looks several times in so many seconds; what was told since the start."""
    for _ in range(int(seconds // 5)):
        clock.now += 5
        watch.look(session)
    return [(a.key, a.ended) for a in session.state.alerts]


def test_an_engine_that_resumes_does_not_tell_again_what_stands(opened, clock):
    session = opened()
    session.reserve.free = GIB // 2
    assert passes(session, clock, 60) == [("disk_low", False)]
    again = opened()
    again.reserve.free = GIB // 2
    assert passes(again, clock, 600) == [("disk_low", False)]
    again.reserve.free = 3 * GIB
    assert passes(again, clock, 600) == [("disk_low", False), ("disk_low", True)]


def test_a_disk_between_the_bars_changes_nothing(opened, clock):
    session = opened()
    for free in (1.5, 0.5, 1.5, 0.9, 1.9):
        session.reserve.free = free * GIB
        passes(session, clock, 100)
    assert [a.key for a in session.state.alerts] == ["disk_low"]
    assert "512.0 MiB left" in session.state.alerts[0].text


def test_a_disk_is_not_watched_where_the_bar_is_zero(opened, clock, folder):
    (folder / "notify.toml").write_text("disk_low_gib = 0")
    session = opened()
    session.reserve.free = 0
    assert passes(session, clock, 600) == []


def idle(session, mean):
    """Each card's utilisation in percent, in the order of the trials; None: it is not known."""

    def window(start, end, gpu):
        return mean and {"n": 9, "mean": mean[int(gpu or 0)]}

    session.sampler = SimpleNamespace(window=window)


def hears(session, clock, seq):
    """A sign of life, so that only the GPU is idle."""
    session.record(ev.Progress(trial=0, worker_seq=seq, epoch=1, phase="train", said=clock.now))


def minutes(session, clock, count):
    for _ in range(count):
        hears(session, clock, session.state.trials[0].worker_seq + 1)
        passes(session, clock, 60)
    return [(a.key, a.ended) for a in session.state.alerts]


def test_a_gpu_that_idles_is_told_and_that_it_works_again(opened, clock):
    session = opened()
    trains(session)
    idle(session, [2.0])
    assert minutes(session, clock, 10) == []
    assert minutes(session, clock, 30) == [("gpu_idle", False)]
    idle(session, [20.0])
    assert minutes(session, clock, 30) == [("gpu_idle", False)]
    idle(session, [90.0])
    assert minutes(session, clock, 5) == [("gpu_idle", False), ("gpu_idle", True)]
    assert "GPU idle for 10 minutes: 2 % in the last minute" in session.state.alerts[0].text


@pytest.mark.parametrize(("device", "mean"), [("cpu", [0.0]), ("cuda (H100)", None)])
def test_a_gpu_that_nobody_uses_or_measures_is_not_idle(opened, clock, device, mean):
    session = opened()
    trains(session, device)
    idle(session, mean)
    assert minutes(session, clock, 40) == []


def test_of_several_gpus_the_one_that_idles_is_told(opened, clock):
    session = opened()
    trains(session)
    session.record(ev.WorkerStarted(trial=1, attempt=1, pid=3, slot=1))
    settings = {"device": "cuda (H100)", "gpu": "1"}
    session.record(ev.Settings(trial=1, worker_seq=1, values=settings))
    session.record(ev.Progress(trial=1, worker_seq=2, epoch=1, phase="train"))
    idle(session, [95.0, 3.0])
    minutes(session, clock, 40)
    assert "3 % in the last minute of trial 1" in session.state.alerts[0].text


def test_phases_that_need_no_gpu_are_not_held_against_it(opened, clock):
    session = opened()
    trains(session)
    idle(session, [0.0])
    session.record(ev.Progress(trial=0, worker_seq=9, phase="compile", said=clock.now + 400))
    assert passes(session, clock, 800) == []


def test_what_is_told_reaches_the_hook_once_and_a_bad_file_is_told(opened, clock, folder, tmp_path):
    log = tmp_path / "told"
    hook = tmp_path / "hook"
    hook.write_text(f"#!{sys.executable}\nimport sys\nopen({str(log)!r}, 'a')"
                    ".write(sys.stdin.read())\n")  # fmt: skip
    hook.chmod(0o755)
    (folder / "notify.toml").write_text(f'hook = ["{hook}"]')
    session = opened()
    session.record(ev.Alert(text="one"))
    session.outbox.close()
    again = opened()
    again.record(ev.Alert(text="two"))
    again.outbox.close()
    give_up = time.monotonic() + 30
    while not log.exists() or log.read_text().count("\n") < 2:
        assert time.monotonic() < give_up
        time.sleep(0.02)
    told = [json.loads(line) for line in log.read_text().splitlines()]
    assert [each["text"] for each in told] == ["one", "two"]
    assert {each["run"] for each in told} == {str(session.run.path)}
    (folder / "notify.toml").write_text("hok = []")
    for _ in range(3):
        clock.now += 5
        watch.look(again)
    complaints = [a for a in again.state.alerts if a.key == "notify"]
    assert len(complaints) == 1
    assert "did you mean hook?" in complaints[0].text


BOOK = """
name = "b"
demo = true
[profile]
gpu = "nvml"
[[stage]]
key = "dry"
title = "dry run"
hotkey = "d"
study_name = "s"
output_dir = "out"
n_trials = 1
max_epochs = 1
criteria = [ { name = "no_crash", minimum = 0 } ]
[[stage]]
key = "short"
title = "short sweep"
hotkey = "s"
study_name = "t"
output_dir = "out2"
n_trials = 1
max_epochs = 1
requires = "dry"
criteria = [ { name = "no_crash", minimum = 0 } ]
"""
SPEC = {"key": "dry", "title": "dry run", "hotkey": "d", "study_name": "s", "output_dir": "out",
        "n_trials": 1, "max_epochs": 1,
        "criteria": [{"name": "no_crash", "title": "no crash", "section": "infrastructure",
                      "minimum": 0}]}  # fmt: skip


def test_an_end_says_what_its_criteria_say_and_which_gate_is_open(opened, tmp_path):
    (tmp_path / "book.toml").write_text(BOOK)
    session = opened(stage="dry", stage_spec=SPEC)
    trains(session)
    session.record(ev.TrialEnded(trial=0, value=0.1))
    end, opened_gate = judged(session, ev.RunEnded())
    assert end.verdict == "PASS, 1 of 1 criteria"
    assert opened_gate.key == "gate_opened"
    assert opened_gate.text == "dry run passed: short sweep may start"
    session.record(end)
    assert "Criteria: PASS, 1 of 1 criteria" in session.run.log.read_text()
    assert load(session.run).alerts[-1].text == "dry run FINISHED: PASS, 1 of 1 criteria"


def test_an_end_with_open_criteria_opens_nothing(opened, tmp_path):
    (tmp_path / "book.toml").write_text(BOOK)
    session = opened(stage="dry", stage_spec=SPEC)
    trains(session)
    session.record(ev.WorkerExited(trial=0, ok=False, reason="killed"))
    end, opened_gate = judged(session, ev.RunEnded())
    assert end.verdict == "FAIL, 0 of 1 criteria"
    assert opened_gate is None


@pytest.mark.parametrize("state", ["STOPPED", "FAILED"])
def test_a_run_that_did_not_finish_is_not_judged(opened, state):
    session = opened(stage="dry", stage_spec=SPEC)
    end = ev.RunEnded(state=state, reason="why")
    assert judged(session, end) == (end, None)


def test_without_its_runbook_an_end_is_judged_all_the_same(opened):
    session = opened(stage="dry", stage_spec=SPEC)
    trains(session)
    session.record(ev.TrialEnded(trial=0, value=0.1))
    end, opened_gate = judged(session, ev.RunEnded())
    assert end.verdict.startswith("PASS")
    assert opened_gate is None


def test_begin_and_end_are_in_the_log_for_every_reader(opened, clock):
    session = opened()
    session.reserve.free = 0
    passes(session, clock, 60)
    alerts = [s.event for s in read_events(session.run.events) if isinstance(s.event, ev.Alert)]
    assert [(a.key, a.level, a.ended) for a in alerts] == [("disk_low", "error", False)]
