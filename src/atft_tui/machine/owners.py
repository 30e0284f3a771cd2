"""Who a process on a GPU belongs to: this run, another one, or somebody else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import psutil

from atft_core.run.foreign import clean
from atft_tui.gpu_now import GpuUser

WORKER = "atft_core.train"
"""The module that a worker runs; its first argument is the run directory."""


class Owners:
    """Remembers what it found out: processes stay who they are."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, float], str] = {}

    def user(self, pid: int, mem: int | None, roles: Mapping[int, str]) -> GpuUser:
        """Whose process this is; `roles` names those of the run."""
        if pid in roles:
            return GpuUser(pid, mem, roles[pid], ours=True)
        try:
            process = psutil.Process(pid)
            key = (pid, process.create_time())
            if key not in self._known:
                self._known[key] = _described(process)
            return GpuUser(pid, mem, self._known[key], ours=False)
        except psutil.NoSuchProcess:
            return GpuUser(pid, mem, "not visible here (a container?)", ours=False)
        except psutil.Error:
            return GpuUser(pid, mem, "somebody else", ours=False)


def _described(process: psutil.Process) -> str:
    words = process.cmdline()
    if WORKER in words[:-1]:
        run = Path(words[words.index(WORKER) + 1])
        return clean(f"another run: {run.name}", 40)
    user = process.username()
    whose = "you" if process.uids().real == os.getuid() else f"someone else ({user})"
    return clean(f"{whose}: {process.name()}", 40)
