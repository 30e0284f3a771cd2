"""How much memory may still be used: of the machine, and of what its process was given of it."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import torch

from atft_core.run.processes.cgroups import MOUNT, groups

MEMINFO = Path("/proc/meminfo")
CGROUPS = MOUNT
OWN_CGROUPS = Path("/proc/self/cgroup")
"""Which of them this process is in."""

CGROUP_FILES = (
    ("memory.max", "memory.current", "file "),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_cache "),
)
"""Limit, use, and the line of memory.stat with the page cache: of version 2 and of version 1."""


def free_memory(device: torch.device) -> int:
    """Bytes that may still be used where the model is."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else host_memory()


def host_memory() -> int:
    """Bytes that may still be used: of the machine, or less where any limit allows less."""
    return max(min([_bytes_of(MEMINFO, "MemAvailable:"), *_left_of_limits()]), 0)


def _left_of_limits() -> Iterator[int]:
    """What is left of each limit that there is."""
    limit, _ = resource.getrlimit(resource.RLIMIT_DATA)
    if limit != resource.RLIM_INFINITY:
        yield limit - _bytes_of(Path("/proc/self/status"), "VmData:")
    for group in groups(OWN_CGROUPS, CGROUPS, "memory"):
        for names in CGROUP_FILES:
            with suppress(OSError, ValueError):  # of the other version, or without limit ("max")
                yield _left_of_group(group, *names)


def _left_of_group(group: Path, limit: str, used: str, cached: str) -> int:
    # The page cache counts as used there, but is given back to whoever needs it.
    page_cache = _bytes_of(group / "memory.stat", cached, unit=1)
    in_use = int((group / used).read_text()) - page_cache
    return int((group / limit).read_text()) - in_use


def _bytes_of(path: Path, name: str, unit: int = 1024) -> int:
    """The number in the line of a kernel's file that begins with `name`, in bytes; ValueError."""
    for line in path.read_text().splitlines():
        if line.startswith(name):
            return int(line[len(name) :].split()[0]) * unit
    raise ValueError(f"{path} has no line {name!r}")
