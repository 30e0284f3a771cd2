"""CPU, memory and IO of a run's processes, for a box whose GPU cannot be asked."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import psutil


@dataclass(frozen=True)
class TreeReading:
    """A process and its descendants at one moment. Bytes; CPU in % of one core."""

    t: float
    processes: int
    rss: int
    read_bytes: int
    write_bytes: int
    cpu_percent: float | None = None
    """Since the reading before; None for the first."""
    cpu_seconds: dict[int, float] = field(default_factory=dict)
    """CPU time so far by pid."""


def cpu_tree(pid: int, before: TreeReading | None = None) -> TreeReading | None:
    """CPU, memory and IO of a process tree; None when the process is gone or not ours to see.

    Pages that processes share are counted once for each of them.
    """
    try:
        root = psutil.Process(pid)
        members = [root, *root.children(recursive=True)]
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None
    found = [usage for process in members if (usage := _usage(process)) is not None]
    if not found:
        return None
    now = time.time()
    seconds = {usage.pid: usage.cpu for usage in found}
    return TreeReading(
        t=now,
        processes=len(found),
        rss=sum(usage.rss for usage in found),
        read_bytes=sum(usage.read for usage in found),
        write_bytes=sum(usage.written for usage in found),
        cpu_percent=_percent(before, seconds, now) if before else None,
        cpu_seconds=seconds,
    )


@dataclass(frozen=True)
class _Usage:
    pid: int
    cpu: float
    rss: int
    read: int
    written: int


def _usage(process: psutil.Process) -> _Usage | None:
    """One process; None when it ended meanwhile. IO is 0 where the kernel does not show it."""
    try:
        with process.oneshot():
            times, memory = process.cpu_times(), process.memory_info()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None
    try:
        io = process.io_counters()
        read, written = io.read_bytes, io.write_bytes
    except (psutil.NoSuchProcess, psutil.AccessDenied, NotImplementedError):
        read = written = 0
    return _Usage(process.pid, times.user + times.system, memory.rss, read, written)


def _percent(before: TreeReading, seconds: Mapping[int, float], now: float) -> float | None:
    """CPU of those that were there before or came since; what has ended is not counted."""
    elapsed = now - before.t
    if elapsed <= 0:
        return None
    used = sum(max(0.0, cpu - before.cpu_seconds.get(pid, 0.0)) for pid, cpu in seconds.items())
    return 100.0 * used / elapsed
