"""Where the time of an epoch goes: by the host's clock, or by the GPU's own.

A GPU works behind the host's back, so its parts are timed by events on every few blocks and scaled
up; waiting for an event of each block would be a stall of its own.
"""

from __future__ import annotations

import time
from typing import Protocol

import torch

PARTS = ("forward", "backward", "optimiser")
"""The parts of a step, in order."""
SAMPLED = 8
"""Blocks of an epoch that are timed on a GPU."""


class Clock(Protocol):
    """Told when a step begins and when each of its parts is over."""

    def begin(self, step: int) -> None:
        """Step `step` of the epoch begins."""
        ...

    def ended(self, part: str) -> None:
        """That part is over."""
        ...

    def seconds(self) -> dict[str, float]:
        """Seconds of each part in the whole epoch."""
        ...


class NoClock:
    """Nobody asks."""

    def begin(self, step: int) -> None:
        """Nothing."""

    def ended(self, part: str) -> None:
        """Nothing."""

    def seconds(self) -> dict[str, float]:
        """Nothing."""
        return {}


class HostClock:
    """The host computes: its own clock, every step."""

    def __init__(self) -> None:
        self._seconds = dict.fromkeys(PARTS, 0.0)
        self._since = 0.0

    def begin(self, step: int) -> None:
        """Start counting."""
        self._since = time.perf_counter()

    def ended(self, part: str) -> None:
        """Count to the part; the next one begins."""
        now = time.perf_counter()
        self._seconds[part] += now - self._since
        self._since = now

    def seconds(self) -> dict[str, float]:
        """Seconds of each part."""
        return dict(self._seconds)


class DeviceClock:
    """A GPU computes: events on every few steps, read when the epoch is over."""

    def __init__(self, steps: int) -> None:
        self._steps, self._every = steps, max(1, steps // SAMPLED)
        self._marks: list[list[torch.cuda.Event]] = []
        self._sampled = False

    def begin(self, step: int) -> None:
        """A first event, when this step is one of those."""
        self._sampled = step % self._every == 0
        if self._sampled:
            self._marks.append([])
            self._mark()

    def ended(self, part: str) -> None:
        """An event behind what was launched so far."""
        if self._sampled:
            self._mark()

    def _mark(self) -> None:
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        self._marks[-1].append(event)

    def seconds(self) -> dict[str, float]:
        """Seconds of each part; waits for the device."""
        torch.cuda.synchronize()
        whole = [marks for marks in self._marks if len(marks) == len(PARTS) + 1]
        sums = dict.fromkeys(PARTS, 0.0)
        for marks in whole:
            for part, before, after in zip(PARTS, marks, marks[1:], strict=False):
                sums[part] += before.elapsed_time(after) / 1000.0
        return {part: total * self._steps / max(len(whole), 1) for part, total in sums.items()}


def clock_for(device: torch.device, steps: int) -> Clock:
    """The clock of the device that computes."""
    return DeviceClock(steps) if device.type == "cuda" else HostClock()
