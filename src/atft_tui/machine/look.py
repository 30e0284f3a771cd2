"""A look at this machine: its GPUs, and the processes of the run that is shown.

Evidence is what the engine samples and writes down; this is only for the eye. Where a live run
writes its own samples they are shown, since the run may be on another host.
"""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress

import psutil

from atft_core.gpu import Nvml
from atft_core.run.foreign import clean
from atft_tui.gpu_now import HISTORY
from atft_tui.machine.gpu_feed import GpuFeed
from atft_tui.machine_now import Machine, Process
from atft_tui.view import View


class MachineLook:
    """Remembers what the next look is compared with."""

    def __init__(self) -> None:
        self._nvml = Nvml()
        self._view: View | None = None
        self._known: dict[int, psutil.Process] = {}
        self._cpu: deque[float] = deque(maxlen=HISTORY)
        self._io: dict[int, tuple[float, int, int]] = {}
        self._feed = GpuFeed()
        psutil.cpu_percent(None)

    def close(self) -> None:
        """Let go of the driver."""
        self._nvml.close()

    def look(self, view: View | None) -> Machine:
        """One look at everything, and at the processes of a run."""
        self._view = view
        memory = psutil.virtual_memory()
        cpu = psutil.cpu_percent(None)
        self._cpu.append(cpu)
        roles = self._roles()
        processes = self._processes(roles)
        known = roles | {each.pid: each.role for each in processes}
        gpus, of_run = self._feed.look(self._nvml, view, known)
        return Machine(
            gpus=gpus,
            reason="" if of_run else clean(self._nvml.reason),
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
        return view.state.roles

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
