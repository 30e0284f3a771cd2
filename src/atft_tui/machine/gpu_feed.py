"""Two minutes of every GPU: from the samples of a live run, else from this machine's own driver.

A run may be on another host, and what its engine sampled is what its evidence is made of; so its
gpu.jsonl comes first. When the driver loses a card, what was known last stays, and since when.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from json import loads
from typing import Any

from atft_core.gpu import Nvml
from atft_core.run.foreign import DAMAGE
from atft_core.run.journal import Tail
from atft_tui.gpu_now import FRESH, KEPT, GpuNow, Sample, gpu_now, processes, sample_of
from atft_tui.machine.owners import Owners
from atft_tui.view import View

_TAIL_BYTES = 1 << 18

Line = dict[str, Any]


@dataclass
class GpuFeed:
    """Remembers samples; asked once a second."""

    owners: Owners = field(default_factory=Owners)
    _past: dict[int, deque[Sample]] = field(default_factory=dict)
    _tail: Tail | None = None
    _newest: dict[int, Line] = field(default_factory=dict)
    _own: dict[int, Line] = field(default_factory=dict)
    """What this machine's driver said last."""

    def look(
        self, nvml: Nvml, view: View | None, roles: Mapping[int, str]
    ) -> tuple[tuple[GpuNow, ...], bool]:
        """All GPUs, and whether the samples are those of the run."""
        recorded = self._of_run(view)
        if any(_fresh(line) for line in recorded):
            return self._shown(recorded, roles), True
        for gpu in nvml.gpus:
            reading = nvml.read(gpu)
            if reading is not None:
                self._own[reading.gpu] = _as_line(vars(reading))
                self._note(self._own[reading.gpu])
        if any(_fresh(line) for line in self._own.values()) or not recorded:
            return self._shown(_in_order(self._own), roles), False
        return self._shown(recorded, roles), True

    def _of_run(self, view: View | None) -> list[Line]:
        """The newest lines of what the engine records; of an ended run the view has them."""
        if view is None or view.run is None or view.gpus is not None:
            self._tail, self._newest = None, {}
            return []
        if self._tail is None or self._tail.path != view.run.gpu:
            self._tail = Tail(view.run.gpu, _start(view))
            self._newest, self._past = {}, {}
        for text in self._tail.lines():
            with suppress(*DAMAGE):
                line = loads(text)
                self._newest[int(line["gpu"])] = {**line, "t": float(line["t"])}
                self._note(line)
        return _in_order(self._newest)

    def _note(self, line: Mapping[str, Any]) -> None:
        sample = sample_of(line)
        if sample is not None:
            self._past.setdefault(int(line["gpu"]), deque(maxlen=KEPT)).append(sample)

    def _shown(self, lines: Iterable[Line], roles: Mapping[int, str]) -> tuple[GpuNow, ...]:
        """As they are drawn; a card that fell silent is lost."""
        return tuple(
            gpu_now(
                line,
                self._past.get(int(line["gpu"]), ()),
                [self.owners.user(pid, mem, roles) for pid, mem in processes(line)],
                None if _fresh(line) else line["t"],
            )
            for line in lines
        )


def _fresh(line: Line) -> bool:
    return bool(time.time() - line["t"] < FRESH)


def _in_order(lines: Mapping[int, Line]) -> list[Line]:
    return [line for _, line in sorted(lines.items())]


def _as_line(reading: Mapping[str, Any]) -> Line:
    """A reading as the sampler would have written it."""
    return {**reading, "processes": [vars(each) for each in reading["processes"]]}


def _start(view: View) -> int:
    """Where the last minutes of a recording begin, about; it may be a day long."""
    try:
        return max(0, view.run.gpu.stat().st_size - _TAIL_BYTES) if view.run else 0
    except OSError:
        return 0
