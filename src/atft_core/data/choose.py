"""Which feed a panel gets on this machine, and why."""

from __future__ import annotations

import resource
from contextlib import suppress
from pathlib import Path

import torch

from atft_core.config.schema import DataConfig
from atft_core.data.feeds import Feed, MappedFeed, ResidentFeed
from atft_core.data.panel import Panel
from atft_core.data.ring import RingFeed
from atft_core.data.splits import Split
from atft_core.errors import DataError
from atft_core.run.wording import size

DEVICE_SHARE = 0.7
"""Share of the free memory of a GPU that a panel may take; the rest is for activations."""
HOST_SHARE = 0.8
"""Share of the free memory of the host up to which a mapped panel stays in it."""
MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")
"""Where a container's own limit is."""


def make_feed(
    panel: Panel, split: Split, lookback: int, device: torch.device, data: DataConfig
) -> Feed:
    """The feed that `data.feed` asks for, or the fastest one that the memory allows."""
    chosen = (str(data.feed), "data.feed asks for it")
    name, reason = fastest(panel, device) if data.feed == "auto" else chosen
    if name == "ring":
        return RingFeed(
            panel, split, lookback, device, reason, workers=data.workers, prefetch=data.prefetch
        )
    if name == "mmap":
        return MappedFeed(panel, split, lookback, device, reason)
    _check_device_memory(panel, device)
    return ResidentFeed(panel, split, lookback, device, reason)


def fastest(panel: Panel, device: torch.device) -> tuple[str, str]:
    """Name of the fastest feed for which there is memory, and why it is that one."""
    needed, host = panel.x_TNF.nbytes, host_memory()
    if device.type == "cuda":
        free = free_memory(device)
        if needed + label_bytes(panel) < DEVICE_SHARE * free:
            return "resident", f"{size(needed)} fit into {size(free)} of free memory on {device}"
        why = f"{size(needed)} do not fit into {size(free)} of free memory on {device}"
    else:
        why = "the device is the CPU"
    if needed < HOST_SHARE * host:
        return "mmap", f"{why}; {size(needed)} fit into {size(host)} of free memory of the host"
    return "ring", f"{why}; {size(needed)} do not fit into {size(host)} of free memory of the host"


def label_bytes(panel: Panel) -> int:
    """What every feed keeps on the device beside the features: labels, masks and graphs."""
    labels = panel.y_TNH.nbytes + panel.rank_TNH.nbytes + panel.gauss_TNH.nbytes
    return labels + panel.valid_TN.nbytes + 2 * panel.neighbours_RNK.nbytes


def _check_device_memory(panel: Panel, device: torch.device) -> None:
    """DataError, rather than CUDA's, when the panel cannot fit."""
    if device.type != "cuda":
        return
    needed = panel.x_TNF.nbytes + label_bytes(panel)
    free = free_memory(device)
    if needed > free:
        raise DataError(
            f"The panel needs {size(needed)} on {device}, {size(free)} are free.",
            hint="Use data.feed = auto, fewer features or days, or data.dtype = bfloat16.",
        )


def free_memory(device: torch.device) -> int:
    """Bytes that may still be used where the model is."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else host_memory()


def host_memory() -> int:
    """Bytes that may still be used: of the machine, or less where container or process may less."""
    available = _bytes_of(MEMINFO, "MemAvailable:")
    with suppress(OSError, ValueError):  # no limit is the word "max"
        limit = int((CGROUP / "memory.max").read_text())
        # The page cache counts as used there, but is given back to whoever needs it.
        cached = _bytes_of(CGROUP / "memory.stat", "file ", unit=1)
        used = int((CGROUP / "memory.current").read_text()) - cached
        available = min(available, max(limit - used, 0))
    limit, _ = resource.getrlimit(resource.RLIMIT_DATA)
    if limit != resource.RLIM_INFINITY:
        used = _bytes_of(Path("/proc/self/status"), "VmData:")
        available = min(available, max(limit - used, 0))
    return available


def _bytes_of(path: Path, name: str, unit: int = 1024) -> int:
    """The number in the line of a kernel's file that begins with `name`, in bytes."""
    lines = path.read_text().splitlines()
    return next(int(line[len(name) :].split()[0]) for line in lines if line.startswith(name)) * unit
