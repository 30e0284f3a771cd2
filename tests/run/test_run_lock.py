"""The engine's lock: seen without being taken, freed by any death, never guessed across hosts."""

import json
import signal
import socket
import subprocess
import sys

import pytest

from atft_core.errors import RunBusyError
from atft_core.run.lock import EngineLock, Holder, owner, probe

HOLD = """
import sys, time
from pathlib import Path
from atft_core.run.lock import EngineLock
lock = EngineLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "engine.lock"


@pytest.fixture
def holder(path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_lock_that_was_never_taken_is_nobodys(path):
    assert probe(path) is Holder.NOBODY
    assert not path.exists()


def test_probing_does_not_take_the_lock(path):
    EngineLock(path).release()
    for _ in range(3):
        assert probe(path) is Holder.NOBODY
    EngineLock(path).release()


def test_a_second_engine_is_refused_and_told_who_is_first(path, holder):
    assert probe(path) is Holder.ENGINE
    with pytest.raises(RunBusyError) as error:
        EngineLock(path)
    assert str(holder.pid) in error.value.message
    assert socket.gethostname() in error.value.message
    assert "atft stop" in error.value.hint


def test_kill_9_frees_the_lock(path, holder):
    assert probe(path) is Holder.ENGINE
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert probe(path) is Holder.NOBODY
    lock = EngineLock(path)
    assert probe(path) is Holder.ENGINE
    lock.release()


def test_probing_from_the_engine_itself_does_not_drop_its_lock(path):
    lock = EngineLock(path)
    assert probe(path) is Holder.ENGINE
    path.read_text()  # closes another descriptor of the same file, which would end a POSIX lock
    with pytest.raises(RunBusyError):
        EngineLock(path)
    lock.release()
    assert probe(path) is Holder.NOBODY


def test_a_lock_that_another_host_left_is_unknown_never_dead(path):
    path.write_text(json.dumps({"pid": 1, "host": "another-host"}))
    assert probe(path) is Holder.UNKNOWN


def test_an_engine_that_left_in_order_leaves_no_owner(path):
    lock = EngineLock(path)
    assert owner(path)["host"] == socket.gethostname()
    lock.release()
    lock.release()
    assert owner(path) == {}


@pytest.mark.parametrize("text", ["", "{", "[1]", "\x00"])
def test_a_lock_file_without_sense_has_no_owner(path, text):
    path.write_text(text)
    assert owner(path) == {}
    assert probe(path) is Holder.NOBODY


def test_an_engine_of_another_host_is_not_taken_for_dead(path):
    path.write_text(json.dumps({"pid": 1, "host": "a-host-far-away"}))
    with pytest.raises(RunBusyError, match="a-host-far-away"):
        EngineLock(path)
    path.unlink()
    EngineLock(path).release()
