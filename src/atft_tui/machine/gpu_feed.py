"""Two minutes of every GPU: from the samples of a live run, else from this machine's own driver.

A run may be on another host, and what its engine sampled is what its evidence is made of; so its
gpu.jsonl comes first, and on a cluster those of the trials at work. When the driver loses a card,
what was known last stays, and since when.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from json import loads
from pathlib import Path
from typing import Any

from atft_core.gpu import Nvml
from atft_core.run.directory import TrialDirectory
from atft_core.run.files import read_json
from atft_core.run.foreign import DAMAGE
from atft_core.run.journal import Tail
from atft_tui.gpu_now import FRESH, KEPT, GpuNow, GpuUser, Sample, gpu_now, processes, sample_of
from atft_tui.machine.owners import Owners
from atft_tui.view import View

_TAIL_BYTES = 1 << 18

Line = dict[str, Any]
Key = tuple[str, int]
"""A card: its node, empty for the engine's own machine, and its number there."""


@dataclass
class GpuFeed:
    """Remembers samples; asked once a second."""

    owners: Owners = field(default_factory=Owners)
    _past: dict[Key, deque[Sample]] = field(default_factory=dict)
    _tails: dict[Path, Tail] = field(default_factory=dict)
    _newest: dict[Key, Line] = field(default_factory=dict)
    _own: dict[Key, Line] = field(default_factory=dict)
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
                line = _as_line(vars(reading))
                self._own[_key(line)] = line
                self._note(line)
        if any(_fresh(line) for line in self._own.values()) or not recorded:
            return self._shown(_in_order(self._own), roles), False
        return self._shown(recorded, roles), True

    def _of_run(self, view: View | None) -> list[Line]:
        """The newest lines of what the engine records; of an ended run the view has them."""
        sources = _sources(view) if view is not None and view.gpus is None else {}
        if not sources or next(iter(sources)) not in self._tails:  # another run, or none
            self._tails, self._newest, self._past = {}, {}, {}
        self._tails = {p: self._tails.get(p) or Tail(p, _start(p)) for p in sources}
        for path, node in sources.items():
            since = _placed(path).get("t", 0.0) if node else 0.0  # before that on another one
            for text in self._tails[path].lines():
                with suppress(*DAMAGE):
                    line = loads(text)
                    line = {**line, "node": node, "source": path, "t": float(line["t"])}
                    if line["t"] >= since and not self._is_told(line):
                        self._newest[_key(line)] = line
                        self._note(line)
        left = {key: line for key, line in self._newest.items()
                if sources.get(line["source"]) == line["node"] or _fresh(line)}  # fmt: skip
        self._newest = left  # no trial uses the others any more
        return _in_order(left)

    def _is_told(self, line: Line) -> bool:
        """Whether another trial that shares the card records it, too."""
        known = self._newest.get(_key(line))
        if known is None or known["source"] == line["source"]:
            return False
        return known["source"] in self._tails and line["t"] - known["t"] < FRESH

    def _note(self, line: Mapping[str, Any]) -> None:
        sample = sample_of(line)
        if sample is not None:
            self._past.setdefault(_key(line), deque(maxlen=KEPT)).append(sample)

    def _shown(self, lines: Iterable[Line], roles: Mapping[int, str]) -> tuple[GpuNow, ...]:
        """As they are drawn; a card that fell silent is lost."""
        return tuple(
            gpu_now(
                line,
                self._past.get(_key(line), ()),
                [self._user(line, pid, mem, roles) for pid, mem in processes(line)],
                None if _fresh(line) else line["t"],
            )
            for line in lines
        )

    def _user(self, line: Line, pid: int, mem: int | None, roles: Mapping[int, str]) -> GpuUser:
        """A number is that of a process here only where the card is."""
        if not line.get("node"):
            return self.owners.user(pid, mem, roles)
        ours = _placed(line["source"]).get("pid") == pid
        return GpuUser(pid, mem, "the trial's worker" if ours else "another process", ours=ours)


def _placed(recording: Path) -> Line:
    """What a node said when it began with the trial whose cards it records."""
    said = read_json(TrialDirectory(recording.parent).placed)
    return said if isinstance(said, dict) else {}


def _fresh(line: Line) -> bool:
    return bool(time.time() - line["t"] < FRESH)


def _in_order(lines: Mapping[Key, Line]) -> list[Line]:
    return [line for _, line in sorted(lines.items())]


def _as_line(reading: Mapping[str, Any]) -> Line:
    """A reading as the sampler would have written it."""
    return {**reading, "processes": [vars(each) for each in reading["processes"]]}


def _key(line: Mapping[str, Any]) -> Key:
    return str(line.get("node", "")), int(line["gpu"])


def _sources(view: View) -> dict[Path, str]:
    """The recordings of a run, each with the node that it speaks of: the engine's, then others'."""
    run = view.run
    if run is None:
        return {}
    return {run.gpu: ""} | {
        run.trial(trial.number).gpu: trial.node for trial in view.state.at_work if trial.node
    }


def _start(path: Path) -> int:
    """Where the last minutes of a recording begin, about; it may be a day long."""
    try:
        return max(0, path.stat().st_size - _TAIL_BYTES)
    except OSError:
        return 0
