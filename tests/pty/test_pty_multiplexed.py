"""The console through other programs: GNU screen, an SSH line, large and poor terminals."""

import os
import shlex
import shutil
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
from pty_console import PATIENCE, console, terminal

pytestmark = pytest.mark.slow
SSHD = shutil.which("sshd") or ("/usr/sbin/sshd" if Path("/usr/sbin/sshd").exists() else None)


def line_of(book, *more):
    return shlex.join(console("--runbook", book.path, "output/short", *more))


@pytest.mark.skipif(shutil.which("screen") is None, reason="GNU screen is not installed")
def test_in_screen_it_is_drawn_and_left(book, live, tmp_path):
    sockets = tmp_path / "sockets"
    sockets.mkdir(mode=0o700)
    command = ["screen", "-c", "/dev/null", "-U", "-S", "tested", "sh", "-c", line_of(book)]
    environ = {"SCREENDIR": str(sockets), "COLORTERM": ""}
    with terminal(command, (120, 34), environ=environ) as shown:
        shown.shows("1 GPU", "4 Checklist", "5 Curves", "6 Log", ">> runs", "q leave")
        shown.resize(80, 24)
        shown.shows("RankIC", "q leave")
        shown.press("q")
        assert shown.ends() == 0


@pytest.fixture
def sshd(tmp_path):
    """A server on the loopback that lets this user in, and how to get there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for name in ("host", "user"):
        make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)]
        subprocess.run(make, check=True)
    (tmp_path / "user.pub").rename(tmp_path / "authorized")
    with suppress(OSError):  # where the server separates its privileges
        Path("/run/sshd").mkdir(exist_ok=True)
    options = [
        f"HostKey={tmp_path}/host", f"AuthorizedKeysFile={tmp_path}/authorized",
        "StrictModes=no", "UsePAM=no", "PidFile=none", "ListenAddress=127.0.0.1",
    ]  # fmt: skip
    words = [part for option in options for part in ("-o", option)]
    process = subprocess.Popen(
        [SSHD, "-D", "-e", "-f", "/dev/null", "-p", str(port), *words],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert any("listening" in line for line in process.stderr)
    yield ["ssh", "-tt", "-F", "none", "-p", str(port), "-i", str(tmp_path / "user"), "-o",
           "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o",
           "LogLevel=ERROR", "127.0.0.1"]  # fmt: skip
    process.terminate()
    process.wait(PATIENCE)
    process.stderr.close()


@pytest.mark.skipif(SSHD is None, reason="openssh-server is not installed")
def test_over_ssh_it_is_drawn_and_a_dropped_line_ends_it(book, live, sshd, home):
    """sshd passes TERM on and COLORTERM not, and nothing of this shell's environment."""
    keep = ("XDG_STATE_HOME", "XDG_CACHE_HOME", "PYTHONPATH")
    given = " ".join(f"{name}={shlex.quote(os.environ.get(name, ''))}" for name in keep)
    there = f"cd {shlex.quote(str(home))} && echo $$ >pid && exec env {given} {line_of(book)}"
    with terminal([*sshd, there], (120, 34)) as shown:
        shown.shows("1 GPU", "4 Checklist", "6 Log", ">> runs", "q leave")
        shown.resize(200, 50)
        shown.fills(200)
        assert b"38;5;" in shown.received, "256 colours, as TERM says"
        assert b"38;2;" not in shown.received
        remote = Path("/proc") / (home / "pid").read_text().strip()
        assert remote.exists()
        shown.process.kill()
        give_up = time.monotonic() + PATIENCE
        while remote.exists():
            assert time.monotonic() < give_up, "the console outlived its line"
            time.sleep(0.05)


@pytest.mark.parametrize("kind", ["linux", "vt100", "xterm", "screen"])
def test_poor_terminals_get_sixteen_colours(book, live, kind):
    environ = {"TERM": kind, "COLORTERM": ""}
    with terminal(console("--runbook", book.path, "output/short"), environ=environ) as shown:
        shown.shows("RankIC", "Checklist", "q leave")
        assert b"38;2;" not in shown.received
        assert b"38;5;" not in shown.received
        shown.press("q")
        assert shown.ends() == 0


def test_a_wall_of_a_screen_is_filled(book, live):
    with terminal(console("--runbook", book.path, "output/short"), (300, 80)) as shown:
        shown.shows("1 GPU", "2 Verdict", "3 Trials", "4 Checklist", "5 Curves", "6 Log")
        shown.fills(300)
        shown.press("q")
        assert shown.ends() == 0


def test_without_unicode_there_is_only_ascii(book, live):
    command = console("--runbook", book.path, "output/short", "--ascii")
    with terminal(command, (120, 34)) as shown:
        shown.shows("1 GPU", "5 Curves", "q leave")
        drawn = shown.received.decode()
        assert drawn.isascii()
        shown.press("q")
        assert shown.ends() == 0


def test_without_colours_there_are_none(book, live):
    command = console("--runbook", book.path, "output/short")
    with terminal(command, environ={"NO_COLOR": "1"}) as shown:
        shown.shows("RankIC", "q leave")
        assert b"38;" not in shown.received
        assert b"48;" not in shown.received
        shown.press("q")
        assert shown.ends() == 0
