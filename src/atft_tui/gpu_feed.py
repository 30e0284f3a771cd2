"""Two minutes of every GPU: from the samples of a live run, else from this machine's own driver.

A run may be on another host, and what its engine sampled is what its evidence is made of; so its
gpu.jsonl comes first. Of a run that has ended the end of the recording is shown.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from json import loads
from typing import Any

from atft_core.gpu import Nvml
from atft_core.run.foreign import clean
from atft_core.run.journal import Tail
from atft_core.run.wording import finite
from atft_tui.owners import GpuUser, Owners
from atft_tui.view import View

HISTORY = 120
"""Samples that are drawn: two minutes."""
KEPT = 3600
"""Samples that an epoch's percentiles are made of at most."""
FRESH = 5.0
"""Seconds for which a sample of the run's own sampler counts as now."""
_TAIL_BYTES = 1 << 18
_DAMAGE = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
"""How a line of a recording can be wrong."""


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


@dataclass
class GpuFeed:
    """Remembers samples; asked once a second."""

    owners: Owners = field(default_factory=Owners)
    _past: dict[int, deque[Sample]] = field(default_factory=dict)
    _tail: Tail | None = None
    _newest: dict[int, dict[str, Any]] = field(default_factory=dict)

    def look(
        self, nvml: Nvml, view: View | None, roles: Mapping[int, str]
    ) -> tuple[tuple[GpuNow, ...], bool]:
        """All GPUs, and whether the samples are those of the run."""
        found = self._of_run(view, roles)
        if found:
            return found, True
        readings = [reading for gpu in nvml.gpus if (reading := nvml.read(gpu)) is not None]
        return tuple(self._now(_as_line(vars(r)), roles, note=True) for r in readings), False

    def _of_run(self, view: View | None, roles: Mapping[int, str]) -> tuple[GpuNow, ...]:
        """The newest samples of a live run; none where they are old."""
        if view is None or view.run is None:
            self._tail, self._newest = None, {}
            return ()
        if self._tail is None or self._tail.path != view.run.gpu:
            self._tail = Tail(view.run.gpu, _start(view))
            self._newest, self._past = {}, {}
        for text in self._tail.lines():
            with suppress(*_DAMAGE):
                line = loads(text)
                self._newest[int(line["gpu"])] = {**line, "t": float(line["t"])}
                self._note(line)
        now = time.time()
        fresh = [
            line for _, line in sorted(self._newest.items())
            if not view.live or now - line["t"] < FRESH
        ]  # fmt: skip
        return tuple(self._now(line, roles, note=False) for line in fresh)

    def _note(self, line: Mapping[str, Any]) -> None:
        busy = finite(line.get("p50"))
        busy = finite(line.get("sm")) if busy is None else busy
        if busy is not None:
            past = self._past.setdefault(int(line["gpu"]), deque(maxlen=KEPT))
            past.append(Sample(float(line["t"]), busy, clean(str(line.get("stage") or ""), 12)))

    def _now(self, line: Mapping[str, Any], roles: Mapping[int, str], *, note: bool) -> GpuNow:
        if note:
            self._note(line)
        index = int(line["gpu"])
        past = tuple(self._past.get(index, ()))
        busy = finite(line.get("p50"))
        return GpuNow(
            index=index,
            name=clean(str(line.get("name", "")), 40),
            sm=finite(line.get("sm")) if busy is None else busy,
            throttle=tuple(clean(str(each), 24) for each in _list(line.get("throttle"))),
            ecc=_whole(line.get("ecc")),
            xid=_whole(line.get("xid")),
            users=tuple(self._users(line, roles)),
            history=past,
            **{
                key: finite(line.get(key))
                for key in ("mem_used", "mem_total", "power", "temperature", "power_limit",
                            "sm_clock", "mem_util", "pcie_rx", "pcie_tx")
            },
        )  # fmt: skip

    def _users(self, line: Mapping[str, Any], roles: Mapping[int, str]) -> list[GpuUser]:
        found = [each for each in _list(line.get("processes")) if isinstance(each, dict)]
        return [
            self.owners.user(pid, _whole(each.get("mem")), roles)
            for each in found
            if (pid := _whole(each.get("pid"))) is not None
        ]


def _as_line(reading: Mapping[str, Any]) -> dict[str, Any]:
    """A reading as the sampler would have written it."""
    return {**reading, "processes": [vars(each) for each in reading["processes"]]}


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _whole(value: Any) -> int | None:
    number = finite(value)
    return None if number is None else int(number)


def _start(view: View) -> int:
    """Where the last minutes of a recording begin, about; it may be a day long."""
    try:
        return max(0, view.run.gpu.stat().st_size - _TAIL_BYTES) if view.run else 0
    except OSError:
        return 0
