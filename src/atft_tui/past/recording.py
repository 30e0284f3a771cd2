"""What a run's sampler wrote down of the GPUs, up to a moment: for what has ended, and the past."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping
from contextlib import suppress
from json import loads
from pathlib import Path
from typing import Any

from atft_core.gpu.lines import time_of
from atft_core.run.cut import before
from atft_core.run.foreign import DAMAGE
from atft_tui.gpu_now import (
    FRESH,
    KEPT,
    GpuNow,
    GpuUser,
    Sample,
    gpu_now,
    processes,
    sample_of,
)

_BYTES = 1 << 18
"""About the last minutes of eight cards, or of one the last quarter of an hour."""


def recorded(path: Path, t: float, roles: Mapping[int, str]) -> tuple[GpuNow, ...]:
    """Every GPU as it was at `t`; `roles` names the run's processes then. Without any, nothing can
    be said about whose processes they were.
    """
    newest: dict[int, dict[str, Any]] = {}
    past: dict[int, deque[Sample]] = defaultdict(lambda: deque(maxlen=KEPT))
    for text in before(path, t, time_of, _BYTES)[0]:
        with suppress(*DAMAGE):
            line = loads(text)
            index = int(line["gpu"])
            newest[index] = {**line, "t": float(line["t"])}
            sample = sample_of(line)
            if sample is not None:
                past[index].append(sample)
    return tuple(
        gpu_now(
            line,
            past[index],
            [_user(pid, mem, roles) for pid, mem in processes(line) if roles],
            line["t"] if t - line["t"] > FRESH else None,
        )
        for index, line in sorted(newest.items())
    )


def _user(pid: int, mem: int | None, roles: Mapping[int, str]) -> GpuUser:
    """Of another process only its number was written down."""
    return GpuUser(pid, mem, roles.get(pid, "another process"), ours=pid in roles)
