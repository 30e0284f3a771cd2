"""One GPU as it is drawn, made of a line as the sampler writes it; whatever is in the line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from atft_core.run.foreign import clean
from atft_core.run.wording import finite

HISTORY = 120
"""Samples that are drawn: two minutes."""
KEPT = 3600
"""Samples that an epoch's percentiles are made of at most."""
FRESH = 5.0
"""Seconds for which a sample counts as now."""
"""How a line of a recording can be wrong."""


@dataclass(frozen=True)
class GpuUser:
    """A process on a GPU."""

    pid: int
    mem: int | None
    who: str
    ours: bool
    """Whether it belongs to the run that is shown."""


@dataclass(frozen=True)
class Sample:
    """One second of one GPU."""

    t: float
    busy: float
    stage: str = ""
    """What the run was doing: train, validate, checkpoint."""


@dataclass(frozen=True)
class GpuNow:
    """One GPU; None where it does not tell. Bytes, W, degrees C, MHz, %, bytes a second."""

    index: int
    name: str
    sm: float | None
    mem_used: float | None
    mem_total: float | None
    power: float | None
    temperature: float | None
    power_limit: float | None = None
    sm_clock: float | None = None
    mem_util: float | None = None
    pcie_rx: float | None = None
    pcie_tx: float | None = None
    throttle: tuple[str, ...] = ()
    ecc: int | None = None
    xid: int | None = None
    users: tuple[GpuUser, ...] = ()
    history: tuple[Sample, ...] = ()
    """Oldest first."""
    node: str = ""
    """The machine of a cluster that it is in; empty for one of this machine."""
    lost: float | None = None
    """Since when nothing more is known of it; all else is then what was known last."""


def sample_of(line: Mapping[str, Any]) -> Sample | None:
    """How busy the GPU was: the median of the second, else the one reading."""
    busy = finite(line.get("p50"))
    busy = finite(line.get("sm")) if busy is None else busy
    if busy is None:
        return None
    return Sample(float(line["t"]), busy, clean(str(line.get("stage") or ""), 12))


def gpu_now(
    line: Mapping[str, Any],
    history: Sequence[Sample],
    users: Sequence[GpuUser],
    lost: float | None = None,
) -> GpuNow:
    """A line with the samples before it and the processes that it names."""
    busy = finite(line.get("p50"))
    return GpuNow(
        index=int(line["gpu"]),
        name=clean(str(line.get("name", "")), 40),
        sm=finite(line.get("sm")) if busy is None else busy,
        throttle=tuple(clean(str(each), 24) for each in _list(line.get("throttle"))),
        ecc=_whole(line.get("ecc")),
        xid=_whole(line.get("xid")),
        users=tuple(users),
        history=tuple(history),
        node=clean(str(line.get("node", "")), 24),
        lost=lost,
        **{
            key: finite(line.get(key))
            for key in ("mem_used", "mem_total", "power", "temperature", "power_limit",
                        "sm_clock", "mem_util", "pcie_rx", "pcie_tx")
        },
    )  # fmt: skip


def processes(line: Mapping[str, Any]) -> list[tuple[int, int | None]]:
    """Process and bytes of each that computes on the GPU."""
    found = [each for each in _list(line.get("processes")) if isinstance(each, dict)]
    pairs = [(_whole(each.get("pid")), _whole(each.get("mem"))) for each in found]
    return [(pid, mem) for pid, mem in pairs if pid is not None]


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _whole(value: Any) -> int | None:
    number = finite(value)
    return None if number is None else int(number)
