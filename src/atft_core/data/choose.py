"""Which feed a panel gets on this machine, and why."""

from __future__ import annotations

import torch

from atft_core.config.schema import DataConfig
from atft_core.data.feeds import Feed, MappedFeed, Market, ResidentFeed
from atft_core.data.memory import free_memory, host_memory
from atft_core.data.panel import Panel
from atft_core.data.ring import RingFeed
from atft_core.errors import DataError
from atft_core.run.wording import size

DEVICE_SHARE = 0.7
"""Share of the free memory of a GPU that a panel may take; the rest is for activations."""
HOST_SHARE = 0.8
"""Share of the free memory of the host up to which a mapped panel stays in it."""


def make_feed(
    panel: Panel, market_TM: Market, lookback: int, device: torch.device, data: DataConfig
) -> Feed:
    """The feed that `data.feed` asks for, or the fastest one that the memory allows."""
    chosen = (str(data.feed), "data.feed asks for it")
    name, reason = fastest(panel, device) if data.feed == "auto" else chosen
    if name == "ring":
        return RingFeed(
            panel, market_TM, lookback, device, reason, workers=data.workers, prefetch=data.prefetch
        )
    if name == "mmap":
        return MappedFeed(panel, market_TM, lookback, device, reason)
    _check_device_memory(panel, device)
    return ResidentFeed(panel, market_TM, lookback, device, reason)


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
    """DataError, rather than CUDA's or the kernel's kill, when the panel cannot fit."""
    needed = panel.x_TNF.nbytes + label_bytes(panel)
    free = free_memory(device)
    if needed > free:
        raise DataError(
            f"The panel needs {size(needed)} on {device}, {size(free)} are free.",
            hint="Use data.feed = auto, fewer features or days, or data.dtype = bfloat16.",
        )
