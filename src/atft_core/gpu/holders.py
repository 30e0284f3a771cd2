"""Who holds memory of the GPUs that a run is about to use: processes left over, mostly."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass

from atft_core.gpu.nvml import Nvml
from atft_core.gpu.visible import card_of, names
from atft_core.run.foreign import clean
from atft_core.run.processes.table import owner_of, read_process
from atft_core.run.wording import size


@dataclass(frozen=True)
class Holder:
    """A process that holds memory of a GPU."""

    pid: int
    text: str
    """Who it is, and how much of what it holds."""


def holders(own: Collection[int] = ()) -> list[Holder]:
    """The processes on the GPUs that CUDA sees, without those of this run."""
    nvml = Nvml()
    visible = {card_of(nvml.gpus, name) for name in names(nvml.gpus, os.environ)}
    found = [nvml.read(gpu) for gpu in nvml.gpus if gpu.index in visible]
    nvml.close()
    return [
        Holder(
            process.pid,
            f"pid {process.pid} ({_who(process.pid)}) holds {_held(process.mem)} of "
            f"GPU {reading.gpu} ({reading.name})",
        )
        for reading in found if reading is not None
        for process in reading.processes if process.pid not in own
    ]  # fmt: skip


def _held(memory: int | None) -> str:
    return "memory" if memory is None else size(memory)


def _who(pid: int) -> str:
    known, owner = read_process(pid), owner_of(pid)
    name = clean(known.name, 40) if known else "in another container"
    return f"{name} of {owner}" if owner else name
