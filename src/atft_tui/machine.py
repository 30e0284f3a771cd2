"""Look at this machine once a second: its GPUs, and the processes of the run that is shown.

Evidence is what the engine samples and writes down; this is only for the eye. Where a live run
writes its own samples they are shown, since the run may be on another host.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import psutil

from atft_core.gpu import Nvml
from atft_core.run.foreign import clean
from atft_tui.gpu_feed import GpuFeed
from atft_tui.gpu_now import HISTORY, GpuNow
from atft_tui.view import View

PERIOD = 1.0
IDLE_PERIOD = 2.0
"""Seconds between two looks while nothing runs."""


@dataclass(frozen=True)
class Process:
    """One process of the run; CPU in % of one core."""

    pid: int
    role: str
    cpu: float
    rss: int
    threads: int
    read: float | None = None
    """Bytes a second from disk; None where it is not known yet."""
    written: float | None = None
    depth: int = 0
    """Generations below the engine."""


@dataclass(frozen=True)
class Machine:
    """One look."""

    gpus: tuple[GpuNow, ...] = ()
    reason: str = ""
    """Why a GPU, or all, cannot be read."""
    of_run: bool = False
    """Whether the samples are those of the run's own sampler."""
    cpu: float = 0.0
    cores: int = 1
    load: float = 0.0
    mem_used: int = 0
    mem_total: int = 0
    processes: tuple[Process, ...] = ()
    history: tuple[float, ...] = ()
    """CPU of the whole machine in %, oldest first."""


class MachineWatch(threading.Thread):
    """Posts a Machine every second, every two while nothing runs."""

    def __init__(self, post: Callable[[Machine], object]) -> None:
        super().__init__(name="atft-machine", daemon=True)
        self._post = post
        self._ended = threading.Event()
        self._view: View | None = None
        self._known: dict[int, psutil.Process] = {}
        self._cpu: deque[float] = deque(maxlen=HISTORY)
        self._io: dict[int, tuple[float, int, int]] = {}
        self._feed = GpuFeed()

    def watch(self, view: View) -> None:
        """Whose processes to look for."""
        self._view = view

    def stop(self) -> None:
        """Let the thread end."""
        self._ended.set()

    def run(self) -> None:
        """Look, post, sleep."""
        nvml = Nvml()
        psutil.cpu_percent(None)
        pause = 0.2
        while not self._ended.wait(pause):
            self._post(self.look(nvml))
            pause = PERIOD if self._view and self._view.live else IDLE_PERIOD
        nvml.close()

    def look(self, nvml: Nvml) -> Machine:
        """One look at everything."""
        memory = psutil.virtual_memory()
        cpu = psutil.cpu_percent(None)
        self._cpu.append(cpu)
        roles = self._roles()
        processes = self._processes(roles)
        known = roles | {each.pid: each.role for each in processes}
        gpus, of_run = self._feed.look(nvml, self._view, known)
        return Machine(
            gpus=gpus,
            reason="" if of_run else clean(nvml.reason),
            of_run=of_run,
            cpu=cpu,
            cores=len(os.sched_getaffinity(0)),
            load=os.getloadavg()[0],
            mem_used=memory.total - memory.available,
            mem_total=memory.total,
            processes=processes,
            history=tuple(self._cpu),
        )

    def _roles(self) -> dict[int, str]:
        """The engine and its workers; none when the run is on another host."""
        view = self._view
        if view is None or not view.live or view.state.host not in ("", socket.gethostname()):
            return {}
        workers = {t.pid: f"trial {t.number}" for t in view.state.trials.values() if t.pid}
        return {view.state.engine_pid: "engine"} | workers

    def _processes(self, roles: Mapping[int, str]) -> tuple[Process, ...]:
        """The engine, its workers and what they started."""
        alive: dict[int, psutil.Process] = {}
        for pid in roles:
            with suppress(psutil.Error, ValueError):
                root = self._known.get(pid) or psutil.Process(pid)
                alive |= {pid: root}
                alive |= {p.pid: self._known.get(p.pid, p) for p in root.children(recursive=True)}
        self._known = alive
        self._io = {pid: known for pid, known in self._io.items() if pid in alive}
        found = (self._usage(process, roles.get(pid, "")) for pid, process in alive.items())
        return tuple(process for process in found if process is not None)

    def _usage(self, process: psutil.Process, role: str) -> Process | None:
        try:
            with process.oneshot():
                read, written = self._traffic(process)
                return Process(
                    pid=process.pid,
                    role=role or _named(process),
                    cpu=process.cpu_percent(None),
                    rss=process.memory_info().rss,
                    threads=process.num_threads(),
                    read=read,
                    written=written,
                    depth=0 if role == "engine" else 1 if role else 2,
                )
        except psutil.Error:
            return None

    def _traffic(self, process: psutil.Process) -> tuple[float | None, float | None]:
        """Bytes a second since the last look; only the owner may know."""
        try:
            counters = process.io_counters()
        except (psutil.Error, OSError):
            return None, None
        now = (time.monotonic(), int(counters.read_bytes), int(counters.write_bytes))
        before = self._io.get(process.pid)
        self._io[process.pid] = now
        if before is None or now[0] <= before[0]:
            return None, None
        span = now[0] - before[0]
        return (now[1] - before[1]) / span, (now[2] - before[2]) / span


def _named(process: psutil.Process) -> str:
    """The module that it runs, else its name."""
    words = process.cmdline()
    if "-m" in words[:-1]:
        return clean(words[words.index("-m") + 1].rpartition(".")[2], 20)
    return clean(process.name(), 20)
