"""What goes on around a run on its machine: its processes, and who else uses cores and GPU.

Only what can be seen from here and now: nothing of it is in the events, and nothing is evidence.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from atft_core.run.directory import RunDirectory
from atft_core.run.files import open_regular
from atft_core.run.foreign import DAMAGE
from atft_core.run.processes.alive import alive, waits_in
from atft_core.run.processes.table import Process, busy_ticks, descendants, owner_of, processes
from atft_core.run.state import State

PERIOD = 5.0
"""Seconds between two looks, over which the use of the cores is averaged."""
FRESH = 10.0
"""Seconds for which a sample of the run's own sampler says who is on the GPU."""
_TAIL_BYTES = 1 << 15
_HELD_UP = ("D", "T", "t")
_TICKS = os.sysconf("SC_CLK_TCK")
"""Of the clock in which the system counts what a process has used, in a second."""


@dataclass(frozen=True)
class Own:
    """A process of the run."""

    role: str
    pid: int
    letter: str
    """The kernel's letter for what it does; empty: it is gone."""
    waits: str = ""
    """The function of the kernel that it waits in, where that is told."""


@dataclass(frozen=True)
class Rival:
    """A process that is not of the run."""

    pid: int
    name: str
    cores: float = 0.0
    """Cores that it keeps busy."""
    memory: int | None = None
    """Bytes of GPU memory that it holds."""


@dataclass(frozen=True)
class Around:
    """One look; empty when the run is on another host."""

    own: tuple[Own, ...] = ()
    cores: int = 0
    """Cores that the run may use; 0: not known yet."""
    used: float = 0.0
    """How many of them it keeps busy."""
    others: float = 0.0
    """How many everybody else keeps busy."""
    rival: Rival | None = None
    """Who of them uses most."""
    on_gpu: tuple[Rival, ...] = ()
    """Who else has memory on a GPU that the run is on."""


@dataclass(frozen=True)
class _Sample:
    t: float
    cores: Collection[int]
    busy: int
    table: Mapping[int, Process]


class Surroundings:
    """Looks every few seconds, and compares with the look before."""

    def __init__(self, period: float = PERIOD) -> None:
        self._period = period
        self._sample: _Sample | None = None
        self._last = Around()
        self._key: object = None

    def look(self, run: RunDirectory, state: State) -> Around:
        """What there is to see now, or was a moment ago."""
        known = _own(state)
        if state.host not in ("", socket.gethostname()) or not known:
            return Around()
        key = (run.path, tuple(known))
        now = time.monotonic()
        if key == self._key and self._sample and now - self._sample.t < self._period:
            return self._last
        before, self._key = self._sample, key
        cores = _cores(known)
        self._sample = _Sample(now, cores, busy_ticks(cores), processes())
        same = before if before and before.cores == cores else None
        self._last = _around(run, known, same, self._sample)
        return self._last


def _own(state: State) -> dict[int, str]:
    """Engine and workers, by pid."""
    found = {}
    if alive(state.engine_pid, state.engine_start_time):
        found[state.engine_pid] = "engine"
    for trial in state.trials.values():
        if trial.running and trial.pid:
            found[trial.pid] = f"worker of trial {trial.number}"
    return found


def _cores(pids: Collection[int]) -> set[int]:
    """Those on which any of the processes may run."""
    found: set[int] = set()
    for pid in pids:
        with suppress(OSError):
            found |= os.sched_getaffinity(pid)
    return found


def _around(
    run: RunDirectory, known: Mapping[int, str], before: _Sample | None, now: _Sample
) -> Around:
    table = now.table
    ours = descendants(table, known)
    own = _own_processes(known, table)
    on_gpu = _on_gpu(run, ours, table)
    if before is None:
        return Around(own, on_gpu=on_gpu)
    span = (now.t - before.t) * _TICKS
    used = {
        pid: max(0, process.ticks - (before.table[pid].ticks if pid in before.table else 0)) / span
        for pid, process in table.items()
    }
    mine = sum(used[pid] for pid in ours)
    rivals = [(cpu, pid) for pid, cpu in used.items() if pid not in ours and pid in before.table]
    most, pid = max(rivals, default=(0.0, 0))
    rival = Rival(pid, _named(table[pid]), cores=most) if most else None
    others = max(0.0, (now.busy - before.busy) / span - mine)
    return Around(own, len(now.cores), mine, others, rival, on_gpu)


def _own_processes(known: Mapping[int, str], table: Mapping[int, Process]) -> tuple[Own, ...]:
    """Engine and workers; of what they started those that are held up."""
    found = [
        Own(role, pid, table[pid].letter if pid in table else "", waits_in(pid))
        for pid, role in known.items()
    ]
    told = set(known)
    for root, role in reversed(list(known.items())):  # the engine started everybody: it comes last
        started = descendants(table, [root]) - told
        told |= started
        found += [
            Own(f"started by the {role}", pid, table[pid].letter, waits_in(pid))
            for pid in sorted(started)
            if table[pid].letter in _HELD_UP
        ]
    return tuple(found)


def _named(process: Process) -> str:
    """What it is called, and whose it is."""
    owner = owner_of(process.pid)
    return f"{process.name} of {owner}" if owner else process.name


def _on_gpu(
    run: RunDirectory, ours: Collection[int], table: Mapping[int, Process]
) -> tuple[Rival, ...]:
    """Strangers on the GPUs where a process of the run is seen, by its own newest samples."""
    found: dict[int, Rival] = {}
    for line in _newest_samples(run).values():
        users = {int(each["pid"]): each.get("mem") for each in line["processes"]}
        if not ours & users.keys():
            continue  # it is not on this one, or its pids are not those of the driver
        for pid in users.keys() - ours:
            name = _named(table[pid]) if pid in table else "not visible here"
            found[pid] = Rival(pid, name, memory=users[pid])
    return tuple(found.values())


def _newest_samples(run: RunDirectory) -> dict[int, dict[str, Any]]:
    """The newest line of each GPU, if it is fresh."""
    try:
        with open_regular(run.gpu) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
            lines = file.read(_TAIL_BYTES).split(b"\n")[:-1]
    except OSError:
        return {}
    found: dict[int, dict[str, Any]] = {}
    for text in lines:
        with suppress(*DAMAGE):
            line = json.loads(text)
            users = [each for each in line["processes"] if isinstance(each["pid"], int)]
            if time.time() - float(line["t"]) < FRESH:
                found[int(line["gpu"])] = {**line, "processes": users}
    return found
