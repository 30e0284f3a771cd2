"""What goes on around a run: real processes, and the recording of its own sampler."""

import getpass
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from run_builders import Log, written

from atft_core.run import events as ev
from atft_core.run.processes.alive import start_time, state_of, waits_in
from atft_core.run.processes.table import descendants, processes
from atft_core.run.verdict.around import Around, Surroundings

SLEEP = "import time; time.sleep(600)"
SPIN = "while True: pass"
FAMILY = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SLEEP!r}])"


@pytest.fixture
def start():
    """Start a program; at the end it and its children are gone."""
    started = []

    def run(code):
        process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
        started.append(process)
        return process.pid

    yield run
    for process in started:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(condition):
    give_up = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def run_with(tmp_path, engine, worker, host=""):
    log = Log().add(
        ev.RunStarted(run="r"),
        ev.EngineStarted(pid=engine, start_time=start_time(engine), host=host),
        ev.WorkerStarted(trial=0, pid=worker, start_time=start_time(worker)),
    )
    return written(log, tmp_path / "run"), log.state


def test_engine_and_worker_are_seen_and_who_was_stopped(start, tmp_path):
    engine, worker = start(SLEEP), start(SLEEP)
    run, state = run_with(tmp_path, engine, worker)
    os.kill(worker, signal.SIGSTOP)
    wait_for(lambda: state_of(worker) == "T")
    found = Surroundings().look(run, state)
    assert [(own.role, own.pid) for own in found.own] == [
        ("engine", engine), ("worker of trial 0", worker),
    ]  # fmt: skip
    assert found.own[1].letter == "T"
    assert found.cores == 0, "one look says nothing about a span of time"


def test_a_stopped_child_of_a_worker_is_named_by_its_worker(start, tmp_path):
    engine, worker = start(SLEEP), start(FAMILY)
    run, state = run_with(tmp_path, engine, worker)
    wait_for(lambda: len(descendants(processes(), [worker])) == 2)
    (child,) = descendants(processes(), [worker]) - {worker}
    os.kill(child, signal.SIGSTOP)
    wait_for(lambda: state_of(child) == "T")
    found = Surroundings().look(run, state)
    assert [(own.role, own.letter) for own in found.own if own.pid == child] == [
        ("started by the worker of trial 0", "T")
    ]


def test_a_busy_stranger_is_told_from_a_busy_worker(start, tmp_path):
    engine, worker, stranger = start(SLEEP), start(SPIN), start(SPIN)
    run, state = run_with(tmp_path, engine, worker)
    surroundings = Surroundings(period=0.0)
    surroundings.look(run, state)
    time.sleep(0.4)
    found = surroundings.look(run, state)
    assert found.cores == len(os.sched_getaffinity(worker))
    assert found.used > 0
    assert found.others > 0
    assert found.rival.cores > 0
    assert found.rival.pid != worker
    assert stranger in processes()


def test_between_two_looks_the_last_one_is_repeated(start, tmp_path):
    run, state = run_with(tmp_path, start(SLEEP), start(SLEEP))
    surroundings = Surroundings()
    assert surroundings.look(run, state) is surroundings.look(run, state)


def test_nothing_is_said_of_a_run_on_another_host_or_without_processes(start, tmp_path):
    pid = start(SLEEP)
    run, state = run_with(tmp_path, pid, pid, host="elsewhere")
    assert Surroundings().look(run, state) == Around()
    assert Surroundings().look(run, Log().start().state) == Around()


def sample(gpu, *pids, age=0.0):
    users = [{"pid": pid, "mem": 1 << 30} for pid in pids]
    return json.dumps({"t": time.time() - age, "gpu": gpu, "processes": users})


def test_strangers_count_on_the_gpu_where_the_run_is(start, tmp_path):
    worker, stranger = start(SLEEP), start(SLEEP)
    run, state = run_with(tmp_path, start(SLEEP), worker)
    lines = [sample(0, worker, stranger), "{damaged", sample(1, stranger, 999_999_999), "[]"]
    run.gpu.write_text("\n".join(lines) + "\n")
    (rival,) = Surroundings().look(run, state).on_gpu
    assert (rival.pid, rival.memory) == (stranger, 1 << 30)
    assert rival.name == f"{processes()[stranger].name} of {getpass.getuser()}"


@pytest.mark.parametrize("text", ["", "\n", "null\n", "no newline"])
def test_a_recording_without_lines_names_nobody(start, tmp_path, text):
    run, state = run_with(tmp_path, start(SLEEP), start(SLEEP))
    run.gpu.write_text(text)
    assert Surroundings().look(run, state).on_gpu == ()


def test_an_old_sample_says_nothing_about_now(start, tmp_path):
    worker = start(SLEEP)
    run, state = run_with(tmp_path, start(SLEEP), worker)
    run.gpu.write_text(sample(0, worker, 1, age=60.0) + "\n")
    assert Surroundings().look(run, state).on_gpu == ()


def test_a_process_that_is_gone_waits_nowhere():
    assert waits_in(999_999_999) == ""
