"""Worker processes are ended for certain, with all that they started, and their fate is told."""

import json
import os
import subprocess
import sys
import time

from atft_core.engine.local import Local, LocalWorker, adopt, environment, spawn
from atft_core.engine.slots import Slot, Slots
from atft_core.engine.steps import pause, see_through
from atft_core.engine.workers import end, tell
from atft_core.run.directory import create
from atft_core.run.files import read_json
from atft_core.run.lock import ProcessLock
from atft_core.run.processes.alive import start_time


def started(*command, **options):
    process = subprocess.Popen(command, start_new_session=True, text=True, **options)
    return LocalWorker(0, 1, process.pid, start_time(process.pid), process)


def gone(pid, seconds=20):
    give_up = time.monotonic() + seconds
    while start_time(pid) and time.monotonic() < give_up:
        time.sleep(0.02)
    return not start_time(pid)


def paced(steps):
    for waited in steps:
        pause([waited])
        yield waited


def test_a_worker_that_does_not_end_is_ended_with_its_children():
    worker = started("sh", "-c", "sleep 600 & echo $!; wait", stdout=subprocess.PIPE)
    child = int(worker.process.stdout.readline())
    worker.process.stdout.close()
    assert start_time(child)
    waits = list(paced(end(worker, patience=0.1)))
    assert not worker.running()
    assert worker.fate().reason == "CRASHED: the worker was killed by SIGTERM"
    assert set(waits) == {worker}, "others have their turns meanwhile"
    assert gone(child)


def test_a_worker_that_ends_by_itself_is_left_in_peace():
    worker = started("sh", "-c", "exit 7")
    see_through(end(worker, patience=20))
    assert worker.fate().reason == "CRASHED: the worker ended with exit code 7 and no last word"


def test_a_worker_of_an_earlier_engine_is_known_by_pid_and_start_time():
    worker = started("sleep", "600")
    known = LocalWorker(0, 1, worker.pid, worker.start_time)
    other = LocalWorker(0, 1, worker.pid, worker.start_time + 1)
    assert known.running()
    assert not other.running(), "the same pid, another process"
    see_through(end(other, patience=0.0))
    assert known.running(), "a process that is not ours is never signalled"
    worker.process.kill()
    worker.process.wait()
    assert not known.running()
    assert known.fate().reason == "CRASHED: the worker of an earlier engine vanished"


def test_a_trial_whose_worker_is_on_another_host_is_neither_adopted_nor_started(tmp_path):
    run = create(tmp_path / "out")
    run.trial(3).path.mkdir()
    local = Local(run, "none", Slots([Slot(0)], None))
    assert local.held_elsewhere(3) == ""
    lock = ProcessLock(run.trial(3).lock, attempt=2, host="gpu7")  # NFS shows it as held
    assert adopt(run, 3) is None
    assert local.held_elsewhere(3) == (
        f"its worker (pid {os.getpid()}) is at work on gpu7: end it there, or wait"
    )
    lock.release()
    assert local.held_elsewhere(3) == ""


def test_a_trial_that_a_process_holds_is_adopted_with_its_attempt(tmp_path):
    run = create(tmp_path / "out")
    run.trial(3).path.mkdir()
    assert adopt(run, 3) is None
    code = (
        "import sys; from pathlib import Path; from atft_core.run.lock import ProcessLock; "
        "lock = ProcessLock(Path(sys.argv[1]), attempt=2); print('held', flush=True); "
        "sys.stdin.read()"
    )
    holder = started(
        sys.executable, "-c", code, str(run.trial(3).lock),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert holder.process.stdout.readline() == "held\n"
    found = adopt(run, 3)
    assert (found.trial, found.attempt, found.pid) == (3, 2, holder.pid)
    assert found.start_time == holder.start_time
    holder.process.communicate()
    assert adopt(run, 3) is None, "a lock whose holder is gone is nobody's"


def test_a_worker_on_another_host_is_nobody_that_could_be_signalled(tmp_path, monkeypatch):
    run = create(tmp_path / "out")
    run.trial(0).path.mkdir()
    monkeypatch.setattr("socket.gethostname", lambda: "elsewhere")  # NFS shows locks of all hosts
    lock = ProcessLock(run.trial(0).lock, attempt=1)
    assert adopt(run, 0).pid == os.getpid()
    monkeypatch.undo()
    assert adopt(run, 0) is None
    lock.release()


def test_an_order_to_a_worker_is_a_file_that_it_can_read(tmp_path):
    run = create(tmp_path / "out")
    run.trial(0).path.mkdir()
    tell(run, 0, "prune")
    assert read_json(run.trial(0).control) == {"op": "prune"}


def test_waiting_threads_do_not_spin_in_the_way_of_others_unless_told_to(monkeypatch):
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    assert environment()["GOMP_SPINCOUNT"] == "3000"
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    assert environment()["GOMP_SPINCOUNT"] == "7"


def test_several_are_ended_together_and_not_one_after_the_other():
    several = [started("sleep", "600") for _ in range(3)]
    turns = []

    def noted(worker):
        for waited in end(worker, patience=0.3):
            turns.append(worker.pid)
            yield waited

    see_through(*map(noted, several))
    assert not any(worker.running() for worker in several)
    assert turns[:3] == [worker.pid for worker in several]


SHOWS = """
import json, os, sys
json.dump([sys.argv[1:], os.environ.get("CUDA_VISIBLE_DEVICES")], sys.stdout)
"""


def test_a_worker_is_told_its_share_and_sees_one_card(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "shows.py").write_text(SHOWS)
    run = create(tmp_path / "out")
    for number, slot, share, seen in (
        (0, Slot(0), [], "0,1"),
        (1, Slot(1, gpu="1", threads=3), ["--threads", "3"], "1"),
    ):
        run.trial(number).path.mkdir()
        spawn(run, number, 2, "shows", slot).process.wait()
        words = [str(run.path), "--trial", str(number), "--attempt", "2", *share]
        assert json.loads(run.trial(number).log.read_text()) == [words, seen]
