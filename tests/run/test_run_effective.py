"""Requested, in the trial, in the worker: a real process whose environment deviates."""

import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from worker_run import OBSERVED, PARAMS, make_run, sleeper

from atft_core.engine.local import environment
from atft_core.errors import RunDirectoryError
from atft_core.run.files import write_json
from atft_core.run.processes.facts import facts_of, hidden
from atft_core.run.settings.effective import default_trial, effective
from atft_core.run.settings.environ import GIVEN
from atft_core.run.settings.setting import Mark, same, written


def by_key(found):
    return {each.key: each for each in found.settings}


def look(run, state, number=0):
    return by_key(effective(run, state, number))


def test_a_worker_whose_environment_asks_for_something_else_is_found_out(tmp_path):
    asked = [["NUM_WORKERS", "8", "accepted, inactive", "data.workers"]]
    given = {"NUM_WORKERS": "0", "VAL_DEBUG_LOGGING": "1", "OMP_NUM_THREADS": "7",
             "ATFT_TRAIN_BLOCK_DAYS": "16", "HOME": "/nowhere"}  # fmt: skip
    with sleeper(**given) as pid:
        run, state = make_run(tmp_path / "run", pid, assignments=["data.workers=8"],
                              environment=asked)  # fmt: skip
        found = effective(run, state, 0)
    rows = by_key(found)
    assert (found.seen, found.process) == (True, f"worker of trial 0, pid {pid}")
    workers = rows["NUM_WORKERS"]
    assert (workers.requested, workers.origin) == ("8", "shell at the start")
    assert (workers.trial, workers.worker, workers.mark) == (8, "0", Mark.DIFFERS)
    assert "config.toml decides: data.workers = 8 (--set)" in workers.note
    assert rows["VAL_DEBUG_LOGGING"].mark is Mark.DIFFERS
    assert rows["OMP_NUM_THREADS"].note == "torch computes with threads = 2"
    assert rows["ATFT_TRAIN_BLOCK_DAYS"].mark is Mark.SAME
    assert "HOME" not in rows
    differing = {each.key for each in found.differing}
    assert differing >= {"NUM_WORKERS", "VAL_DEBUG_LOGGING", "OMP_NUM_THREADS"}
    assert found.to_json()["differs"] == len(found.differing)


def test_a_key_goes_from_its_request_over_the_trial_to_the_worker(tmp_path):
    observed = {**OBSERVED, "amp": "bfloat16", "compile": "eager: no C compiler on the PATH"}
    run, state = make_run(tmp_path / "run", observed=observed,
                          assignments=["train.amp=off", "train.compile=on"])  # fmt: skip
    rows = look(run, state)
    hidden_size = rows["model.hidden"]
    assert (hidden_size.origin, hidden_size.trial, hidden_size.mark) == ("search", 64, Mark.SAMPLED)
    assert written(hidden_size.requested) == "[32, 64]"
    assert (rows["loss.rank_ic"].worker, rows["loss.rank_ic"].mark) == (0.4, Mark.SAMPLED)
    assert (rows["loss.cs_ic"].origin, rows["loss.cs_ic"].mark) == ("default", Mark.SAME)
    assert (rows["data.feed"].worker, rows["data.feed"].mark) == ("mmap", Mark.CHOSEN)
    assert rows["data.feed"].note == "it fits"
    assert rows["train.threads"].mark is Mark.CHOSEN
    assert rows["data.workers"].mark is Mark.INACTIVE
    assert (rows["train.amp"].trial, rows["train.amp"].worker) == ("off", "bfloat16")
    assert rows["train.amp"].mark is Mark.DIFFERS
    assert rows["train.compile"].mark is Mark.DIFFERS
    assert rows["train.max_epochs"].worker is None


def test_a_card_with_a_name_is_the_device_that_was_asked_for(tmp_path):
    observed = {**OBSERVED, "device": "cuda (NVIDIA H100)"}
    run, state = make_run(tmp_path / "run", assignments=["train.device=cuda"], observed=observed)
    assert look(run, state)["train.device"].mark is Mark.SAME


@pytest.mark.parametrize(
    ("params", "key", "said"),
    [
        ({**PARAMS, "model.hidden": 48}, "model.hidden", "outside of the search space"),
        ({**PARAMS, "loss.rank_ic": 0.9}, "loss.rank_ic", "outside of the search space"),
        ({**PARAMS, "loss.rank_ic": 0.5}, "loss.rank_ic", "params.json was changed, it was 0.4"),
        ({**PARAMS, "train.ema": 0.5}, "train.ema", "not searched"),
    ],
)
def test_parameters_that_nobody_drew_stand_out(tmp_path, params, key, said):
    run, state = make_run(tmp_path / "run", params=params)
    row = look(run, state)[key]
    assert row.mark is Mark.DIFFERS
    assert said in row.note
    assert row.trial == params[key]


def test_other_code_and_an_edited_configuration_stand_out(tmp_path):
    with sleeper() as pid:
        run, state = make_run(tmp_path / "run", pid, observed={**OBSERVED, "code": "v2"})
        assert "config.toml" not in look(run, state)
        later = run.config.stat().st_mtime + 60
        os.utime(run.config, (later, later))
        rows = look(run, state)
    assert (rows["code"].requested, rows["code"].worker) == ("v1", "v2")
    assert rows["code"].mark is Mark.DIFFERS
    assert rows["config.toml"].mark is Mark.DIFFERS
    assert rows["torch"].mark is Mark.SAME
    assert rows["start method"].mark is Mark.SAME


@pytest.mark.parametrize(
    ("told", "mark"),
    [("2.13.0+cu130", Mark.SAME), ("2.13.0+cpu", Mark.SAME), ("2.12.0+cu130", Mark.DIFFERS)],
)
def test_the_build_of_torch_is_no_other_version(tmp_path, told, mark):
    run, state = make_run(tmp_path / "run", observed={**OBSERVED, "torch": told})
    assert look(run, state)["torch"].mark is mark


def test_place_and_limits_are_those_of_the_process(tmp_path):
    with sleeper(PYTHONHASHSEED="0") as pid:
        os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, 0) + 3)
        os.sched_setaffinity(pid, {min(os.sched_getaffinity(0))})
        run, state = make_run(tmp_path / "run", pid)
        rows = look(run, state)
        os.kill(pid, signal.SIGSTOP)
        give_up = time.monotonic() + 30
        while not str(look(run, state)["state"].worker).startswith("T, is stopped"):
            assert time.monotonic() < give_up
    assert rows["nice"].worker == rows["nice"].requested + 3
    assert rows["nice"].mark is Mark.DIFFERS
    assert rows["cores allowed"].worker == 1
    assert rows["threads, all"].worker == 1
    assert rows["PYTHONHASHSEED"].worker == "0"
    assert rows["python"].mark is Mark.SAME


def test_producers_of_a_ring_are_counted(tmp_path):
    producer = tmp_path / "producer.py"
    producer.write_text("import time; time.sleep(600)")
    start = f"subprocess.Popen([sys.executable, '-I', '-S', {str(producer)!r}])"
    code = f"import subprocess, sys, time\none = {start}\nprint('there', flush=True)\ntry:\n    "
    code += "time.sleep(600)\nfinally:\n    one.kill()"
    ring = {**OBSERVED, "feed": "ring"}
    with sleeper(f"import signal; signal.signal(15, lambda *_: sys.exit())\n{code}") as pid:
        run, state = make_run(tmp_path / "run", pid, observed=ring,
                              assignments=["data.workers=2"])  # fmt: skip
        give_up = time.monotonic() + 30
        while (row := look(run, state)["data.workers"]).worker != 1:
            assert time.monotonic() < give_up
        os.kill(pid, signal.SIGTERM)
    assert (row.trial, row.worker, row.mark) == (2, 1, Mark.DIFFERS)


def test_nothing_is_guessed_about_a_worker_that_cannot_be_seen(tmp_path):
    cases = {
        "ended": ({"end": "COMPLETE"}, "trial 0 has no worker: done"),
        "host": ({"host": "elsewhere"}, "the run is on host elsewhere"),
        "gone": ({"pid": 999_999_999}, "(pid 999999999) is gone"),
    }
    for name, (given, said) in cases.items():
        run, state = make_run(tmp_path / name, **given)
        found = effective(run, state, 0)
        assert (found.seen, said in found.process) == (False, True)
        rows = by_key(found)
        assert "nice" not in rows
        environ = [each for each in found.settings if each.section == "environment"]
        assert {(each.worker, each.mark) for each in environ} <= {(None, Mark.SAME)}
        assert rows["data.feed"].worker == "mmap", "what it told is still known"


def test_a_reused_pid_is_not_taken_for_the_worker(tmp_path):
    with sleeper(NUM_WORKERS="0") as pid:
        run, state = make_run(tmp_path / "run", pid)
        state.trials[0].start_time -= 1
        found = effective(run, state, 0)
    assert not found.seen
    assert "NUM_WORKERS" not in by_key(found)


def test_a_process_of_somebody_else_is_a_reason_with_a_name():
    with sleeper(NUM_WORKERS="0") as pid:
        if os.geteuid() == 0:
            mine = facts_of(pid)
            os.seteuid(65534)
            try:
                other = facts_of(pid)
            finally:
                os.seteuid(0)
        else:
            mine, other = facts_of(pid), facts_of(1)
    assert mine.environ["NUM_WORKERS"] == "0"
    assert other.environ == {}
    assert "may not be read: the process belongs to root" in other.trouble
    assert other.nice is not None, "what everybody may see is still known"


def test_secrets_are_not_shown(tmp_path):
    with sleeper(ATFT_API_TOKEN="hunter2", TORCH_URL="https://me:hunter2@host/x") as pid:
        run, state = make_run(tmp_path / "run", pid)
        found = effective(run, state, 0)
    rows = by_key(found)
    assert "hunter2" not in str(found)
    assert rows["ATFT_API_TOKEN"].worker == "(hidden, 7 characters)"
    assert rows["TORCH_URL"].worker == "https://***@host/x"
    assert hidden("OMP_NUM_THREADS", "2") == "2"


def test_a_run_without_a_trial_shows_what_it_asks_for(tmp_path):
    run, state = make_run(tmp_path / "run")
    found = effective(run, replace(state, trials={}), None)
    rows = by_key(found)
    assert found.process == "no trial has begun: there is no worker"
    assert (rows["train.ema"].requested, rows["train.ema"].origin) == (0.98, "default")
    assert rows["model.hidden"].trial is None
    assert default_trial(replace(state, trials={})) is None
    assert default_trial(state) == 0


def test_what_is_missing_or_damaged_is_said(tmp_path):
    run, state = make_run(tmp_path / "run")
    run.config.unlink()
    run.trial(0).params.write_text("[")
    found = effective(run, state, 0)
    assert found.trouble == ("config.toml cannot be read: No such file or directory",)
    assert by_key(found)["model.hidden"].trial == 64
    with pytest.raises(RunDirectoryError, match="no trial 7") as refused:
        effective(run, state, 7)
    assert refused.value.hint == "Its trials: 0."
    write_json(run.run_json, {"environment": [3, ["A"], ["B", 1, 2]], "versions": "x"})
    assert effective(run, state, 0).trial == 0


def test_every_name_that_the_engine_gives_is_known_as_its_own():
    assert set(environment()) - set(os.environ) <= set(GIVEN)


@pytest.mark.parametrize(
    ("a", "b", "alike"),
    [
        (1, 1.0, True), (0.1 + 0.2, 0.3, True), (1, True, False), (True, True, True),
        ("a", Path("a"), True), ([1, 2], (1.0, 2), True), ([1], [1, 2], False), ("", "", True),
        ({"1": 1.0}, {"1": 1.0}, True), ("1", 1, True), (False, 0, False),
    ],
)  # fmt: skip
def test_values_are_compared_by_what_they_mean(a, b, alike):
    assert same(a, b) is alike


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""), (True, "true"), (1e-3, "0.001"), (3, "3"), ("x", "x"), ([], "[]"),
        ({"low": 0.1, "high": 0.6}, "0.1 .. 0.6"),
        ({"low": 3e-4, "high": 5e-3, "log": True}, "0.0003 .. 0.005 log"),
        ({"choices": [8, 16]}, "[8, 16]"), ({"1": 0.5}, '{"1": 0.5}'),
    ],
)  # fmt: skip
def test_values_are_written_on_one_line(value, text):
    assert written(value) == text


def test_the_python_of_these_tests_runs():
    assert facts_of(os.getpid()).executable == str(Path(sys.executable).resolve())
