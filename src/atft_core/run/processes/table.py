"""All processes that may be seen, in one look at /proc: who started them, what they use."""

from __future__ import annotations

import os
import pwd
from collections.abc import Collection, Mapping
from dataclasses import dataclass

_COMMAND = 4096
"""Characters of a command that are read."""


@dataclass(frozen=True)
class Process:
    """A process as the kernel lists it."""

    pid: int
    name: str
    letter: str
    """R runs, S sleeps, D waits for a disk, T is stopped, Z has ended."""
    parent: int
    ticks: int
    """CPU time used, in ticks of the clock."""
    nice: int


def read_process(pid: int) -> Process | None:
    """One process; None where there is none that may be seen."""
    stat = _read(f"/proc/{pid}/stat")
    name, bracket, rest = stat.partition("(")[2].rpartition(")")
    if not bracket:
        return None
    fields = rest.split()
    used = int(fields[11]) + int(fields[12])
    return Process(pid, name, fields[0], int(fields[1]), used, int(fields[16]))


def owner_of(pid: int) -> str:
    """The user whose process it is; empty where that cannot be seen."""
    try:
        uid = os.stat(f"/proc/{pid}").st_uid  # noqa: PTH116 -- as everywhere here
    except OSError:
        return ""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # a user of another container
        return str(uid)


def processes() -> dict[int, Process]:
    """Every process that may be seen, by pid."""
    pids = (int(name) for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208 -- fast
    found = (read_process(pid) for pid in pids)
    return {process.pid: process for process in found if process is not None}


def descendants(table: Mapping[int, Process], roots: Collection[int]) -> set[int]:
    """The roots that are there, and everything that they started."""
    children: dict[int, list[int]] = {}
    for process in table.values():
        children.setdefault(process.parent, []).append(process.pid)
    found: set[int] = set()
    left = [pid for pid in roots if pid in table]
    while left:
        pid = left.pop()
        if pid not in found:
            found.add(pid)
            left += children.get(pid, [])
    return found


def command(pid: int) -> list[str]:
    """The words that started it; none where that may not be seen."""
    return _read(f"/proc/{pid}/cmdline").split("\0")[:-1]


def busy_ticks(cores: Collection[int]) -> int:
    """Ticks of the clock in which these cores worked, for whomever, since the boot."""
    total = 0
    for line in _read("/proc/stat", 1 << 20).splitlines():
        name, *counts = line.split()
        if name.startswith("cpu") and name[3:].isdigit() and int(name[3:]) in cores:
            user, nice, system, _, _, irq, softirq, steal = map(int, counts[:8])
            total += user + nice + system + irq + softirq + steal
    return total


def _read(path: str, limit: int = _COMMAND) -> str:
    """The beginning of a file of /proc; empty where it may not be read."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 -- a Path costs as much as the reading
            return file.read(limit).decode(errors="replace")
    except OSError:
        return ""
