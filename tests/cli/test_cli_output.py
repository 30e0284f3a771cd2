"""What a person names as a place to write to stays what it is."""

import os
import subprocess
import sys
import threading

import pytest

from atft_core.cli.output import write_out
from atft_core.errors import UsageError


def test_a_file_is_replaced_and_a_link_is_followed(tmp_path):
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_text("old")
    link.symlink_to(file)
    write_out(link, b"new")
    assert link.is_symlink() and file.read_bytes() == b"new"


def test_a_pipe_is_written_to_and_stays_one(tmp_path):
    pipe, heard = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: heard.append(pipe.read_bytes()))
    reader.start()
    write_out(pipe, b"said")
    reader.join(timeout=20)
    assert heard == [b"said"] and pipe.is_fifo()


@pytest.mark.parametrize("words", [["status", ".", "--json"], ["status", "none"], ["config"]])
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_change_no_exit_code(tmp_path, words, closed):
    atft = f"{sys.executable} -m atft_core {' '.join(words)}"
    whole, done = (
        subprocess.run(
            ["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        for line in (atft, f"{atft} {closed}")
    )
    assert done.returncode == whole.returncode
    assert done.stdout == ("" if " >&-" in f" {closed}" else whole.stdout)
    assert done.stderr == ("" if "2>&-" in closed else whole.stderr)


def test_what_cannot_be_written_is_said(tmp_path):
    with pytest.raises(UsageError, match="cannot be written: Is a directory"):
        write_out(tmp_path, b"x")
    with pytest.raises(UsageError, match="cannot be written: No such file"):
        write_out(tmp_path / "none" / "file", b"x")
