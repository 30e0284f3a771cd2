"""The console where it lives: inside tmux, in a window that changes its size."""

import shutil
import subprocess
import time

import pytest
from pty_console import PATIENCE, console

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
]


class Tmux:
    """A server of its own, with one session."""

    def __init__(self, socket, columns, rows):
        self._socket = socket
        self("-f", "/dev/null", "new-session", "-d", "-s", "tested", "-x", columns, "-y", rows,
             "env -u TMUX sh")  # fmt: skip

    def __call__(self, *args):
        command = ["tmux", "-S", str(self._socket), *map(str, args)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout

    def type(self, text):
        self("send-keys", "-t", "tested", "-l", text)

    def shows(self, *texts):
        give_up = time.monotonic() + PATIENCE
        while True:
            lines = self("capture-pane", "-p", "-t", "tested").splitlines()
            if all(any(text in line for line in lines) for text in texts):
                return lines
            assert time.monotonic() < give_up, "\n".join(lines)
            time.sleep(0.05)


@pytest.fixture
def tmux(tmp_path):
    """A server that ends with the test."""
    server = Tmux(tmp_path / "tmux", 80, 24)
    yield server
    server("kill-server")


def test_in_tmux_it_is_drawn_resized_and_left(book, live, tmux):
    command = " ".join(console("--runbook", book.path, "output/short"))
    tmux.type(f"{command}; echo left with $?\n")
    lines = tmux.shows("RankIC", "4 Checklist", "q leave", ">> runs")
    assert not any("5 Curves" in line for line in lines), "no room for it at 80x24"
    tmux("resize-window", "-t", "tested", "-x", 120, "-y", 34)
    lines = tmux.shows("1 GPU", "2 Verdict", "3 Trials", "4 Checklist", "5 Curves", "6 Log")
    assert max(map(len, lines)) == 120
    tmux("resize-window", "-t", "tested", "-x", 80, "-y", 20)
    tmux.shows("80x20 is too small")
    tmux("resize-window", "-t", "tested", "-x", 80, "-y", 24)
    tmux.shows("RankIC", "q leave")
    tmux.type("?")
    tmux.shows("Keys")
    tmux("send-keys", "-t", "tested", "Escape")
    tmux.shows("3 Trials")
    tmux.type("q")
    tmux.shows("come back   ", "atft-tui output/short", "left with 0")
