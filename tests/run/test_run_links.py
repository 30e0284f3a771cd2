"""A link in a run directory leads nobody to a file that is not of the run."""

import os

import pytest

from atft_core.engine.reserve import Reserve
from atft_core.gpu.sampler import GpuSampler
from atft_core.run.directory import create
from atft_core.run.files import open_to_write, write_atomically
from atft_core.run.journal import Journal, cut_torn_line
from atft_core.run.processes.stacks import stacks_on_request


@pytest.fixture
def victim(tmp_path):
    path = tmp_path / "victim"
    path.write_text("precious")
    yield path
    assert path.read_text() == "precious"


@pytest.mark.parametrize("append", [True, False])
def test_a_file_is_not_written_through_a_link(tmp_path, victim, append):
    (tmp_path / "log").symlink_to(victim)
    with pytest.raises(OSError, match=r"symbolic links"):
        open_to_write(tmp_path / "log", append=append)


def test_what_an_engine_writes_follows_no_link(tmp_path, victim, monkeypatch):
    run = create(tmp_path / "run")
    for name in (".reserve", ".room", "gpu.jsonl", "events.jsonl", f".x.{7}.tmp", "stacks.txt"):
        (run.path / name).symlink_to(victim)
    Reserve(run.path).keep()
    assert not Reserve(run.path).regain()
    GpuSampler(run.gpu)._write_lines(None, [], 0.0)
    for write in (Journal, cut_torn_line):
        with pytest.raises(OSError, match=r"symbolic links"):
            write(run.events)
    monkeypatch.setattr("os.getpid", lambda: 7)
    with pytest.raises(OSError, match=r"symbolic links"):
        write_atomically(run.path / "x", b"new")
    with stacks_on_request(run.path / "stacks.txt"):
        pass


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "log")
    with pytest.raises(OSError, match=r"No such device"):
        open_to_write(tmp_path / "log", append=True)
