"""Is that process still the one we started? A pid alone is not enough: pids are used again."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

_BOOT_TICKS_FIELD = 19  # starttime, counted from the field after the command name
_DOING = {
    "R": "runs", "S": "sleeps", "D": "waits for a disk", "T": "is stopped", "t": "is stopped",
    "Z": "has ended", "X": "has ended", "I": "idles",
}  # fmt: skip


def start_time(pid: int) -> float:
    """Clock ticks after boot at which `pid` started; 0.0 when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    fields = stat.rpartition(")")[2].split()
    return 0.0 if fields[0] in ("Z", "X") else float(fields[_BOOT_TICKS_FIELD])


def state_of(pid: int) -> str:
    """The kernel's letter for what `pid` does: D waits for a disk, T is stopped; "" = gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def waits_in(pid: int) -> str:
    """The function of the kernel that `pid` waits in; empty where that is not told."""
    try:
        return Path(f"/proc/{pid}/wchan").read_text().strip("\x000 \n")
    except OSError:
        return ""


def doing(letter: str) -> str:
    """A state of the kernel in words."""
    return _DOING.get(letter, "does something unknown") if letter else "is gone"


def alive(pid: int, started: float) -> bool:
    """Whether `pid` is a live process (no zombie) that started at `started`."""
    return pid > 0 and started > 0 and start_time(pid) == started


def signal_listener(pid: int, started: float, signal_number: int) -> bool:
    """Signal `pid` alone, if it listens: others would die of it. False when it does not."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
        if not alive(pid, started) or not int(caught[7:], 16) >> (signal_number - 1) & 1:
            return False
        os.kill(pid, signal_number)
    except (FileNotFoundError, ProcessLookupError):
        return False
    return True


def clear_group(pid: int) -> None:
    """Kill what is left of a session that a process now gone had begun.

    No process gets a number again while a group is called by it: what has this one is of that one,
    unless a new process has the number.
    """
    if start_time(pid):
        return
    for path in Path("/proc").iterdir():
        if path.name.isdecimal():
            with suppress(OSError):
                of_it = os.getpgid(int(path.name)) == pid == os.getsid(int(path.name))
                if of_it and int(path.name) != pid:
                    os.kill(int(path.name), signal.SIGKILL)


JOB_DIR = "ATFT_JOB_DIR"
"""The variable that tells a program, and all that it starts, the directory of its trial."""


def clear_job(directory: Path) -> None:
    """Kill what a trial's program had started, wherever it has gone: a daemon, too, was told."""
    mark = f"{JOB_DIR}={directory}".encode()
    for path in Path("/proc").iterdir():
        if path.name.isdecimal() and int(path.name) != os.getpid():
            with suppress(OSError):
                if mark in (path / "environ").read_bytes().split(b"\0"):
                    os.kill(int(path.name), signal.SIGKILL)


def signal_group(pid: int, started: float, signal_number: int) -> bool:
    """Signal the process group that `pid` leads; False when it is no longer ours."""
    if not alive(pid, started):
        return False
    try:
        os.killpg(pid, signal_number)
    except ProcessLookupError:
        return False
    return True
