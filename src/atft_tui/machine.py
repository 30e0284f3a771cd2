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
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from json import loads
from pathlib import Path
from typing import Any

import psutil

from atft_core.gpu import Nvml
from atft_core.run.foreign import clean
from atft_core.run.journal import Tail
from atft_core.run.wording import finite
from atft_tui.view import View

PERIOD = 1.0
IDLE_PERIOD = 2.0
"""Seconds between two looks while nothing runs."""
HISTORY = 60
FRESH = 5.0
"""Seconds for which a sample of the run's own sampler counts as now."""
_TAIL_BYTES = 16384


@dataclass(frozen=True)
class GpuNow:
    """One GPU; None where it does not tell."""

    index: int
    name: str
    sm: float | None
    mem_used: float | None
    mem_total: float | None
    power: float | None
    temperature: float | None
    history: tuple[float, ...] = ()
    """Utilisation in %, oldest first."""


@dataclass(frozen=True)
class Process:
    """One process of the run; CPU in % of one core."""

    pid: int
    role: str
    cpu: float
    rss: int
    threads: int


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
        self._sm: dict[int, deque[float]] = {}
        self._samples: Tail | None = None
        self._from_run: dict[int, dict[str, Any]] = {}

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
        gpus, of_run = self._gpus_of_run(), True
        if not gpus:
            gpus, of_run = self._gpus_here(nvml), False
        return Machine(
            gpus=gpus,
            reason="" if of_run else clean(nvml.reason),
            of_run=of_run,
            cpu=cpu,
            cores=len(os.sched_getaffinity(0)),
            load=os.getloadavg()[0],
            mem_used=memory.total - memory.available,
            mem_total=memory.total,
            processes=self._processes(),
            history=tuple(self._cpu),
        )

    def _gpus_here(self, nvml: Nvml) -> tuple[GpuNow, ...]:
        readings = [reading for gpu in nvml.gpus if (reading := nvml.read(gpu)) is not None]
        return tuple(self._gpu(vars(reading)) for reading in readings)

    def _gpus_of_run(self) -> tuple[GpuNow, ...]:
        """The newest samples of a live run, none where they are old."""
        view = self._view
        if view is None or view.run is None or not view.live:
            self._samples, self._from_run = None, {}
            return ()
        if self._samples is None or self._samples.path != view.run.gpu:
            self._samples, self._from_run = Tail(view.run.gpu, _end(view.run.gpu)), {}
        for text in self._samples.lines():
            with suppress(ValueError, KeyError, TypeError):
                sample = loads(text)
                self._from_run[int(sample["gpu"])] = {**sample, "t": float(sample["t"])}
        now = time.time()
        fresh = [s for _, s in sorted(self._from_run.items()) if now - s["t"] < FRESH]
        return tuple(self._gpu(sample) for sample in fresh)

    def _gpu(self, sample: dict[str, Any]) -> GpuNow:
        index = int(sample["gpu"])
        history = self._sm.setdefault(index, deque(maxlen=HISTORY))
        busy = finite(sample.get("p50"))
        busy = finite(sample.get("sm")) if busy is None else busy
        if busy is not None:
            history.append(busy)
        return GpuNow(
            index=index,
            name=clean(str(sample.get("name", "")), 40),
            sm=busy,
            mem_used=finite(sample.get("mem_used")),
            mem_total=finite(sample.get("mem_total")),
            power=finite(sample.get("power")),
            temperature=finite(sample.get("temperature")),
            history=tuple(history),
        )

    def _processes(self) -> tuple[Process, ...]:
        """The engine, its workers and what they started; only when the run is on this host."""
        view = self._view
        if view is None or not view.live or view.state.host not in ("", socket.gethostname()):
            self._known.clear()
            return ()
        roles = {view.state.engine_pid: "engine"}
        roles |= {t.pid: f"trial {t.number}" for t in view.state.trials.values() if t.pid}
        alive: dict[int, psutil.Process] = {}
        for pid in roles:
            with suppress(psutil.Error, ValueError):
                root = self._known.get(pid) or psutil.Process(pid)
                alive |= {pid: root}
                alive |= {p.pid: self._known.get(p.pid, p) for p in root.children(recursive=True)}
        self._known = alive
        found = (_usage(process, roles.get(pid, "")) for pid, process in alive.items())
        return tuple(process for process in found if process is not None)


def _usage(process: psutil.Process, role: str) -> Process | None:
    try:
        with process.oneshot():
            return Process(
                pid=process.pid,
                role=role or _named(process),
                cpu=process.cpu_percent(None),
                rss=process.memory_info().rss,
                threads=process.num_threads(),
            )
    except psutil.Error:
        return None


def _named(process: psutil.Process) -> str:
    """The module that it runs, else its name."""
    words = process.cmdline()
    if "-m" in words[:-1]:
        return clean(words[words.index("-m") + 1].rpartition(".")[2], 20)
    return clean(process.name(), 20)


def _end(path: Path) -> int:
    try:
        return max(0, path.stat().st_size - _TAIL_BYTES)
    except OSError:
        return 0
