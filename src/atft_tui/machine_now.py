"""What one look at the machine found, for the screen."""

from __future__ import annotations

from dataclasses import dataclass

from atft_tui.gpu_now import GpuNow


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
