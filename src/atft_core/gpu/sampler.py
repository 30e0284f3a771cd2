"""A thread that samples the GPUs, and percentiles of a span of time.

NVML averages its utilisation over 1/6 to 1 s by itself, so a single reading says little: fast
readings are kept, and a span of training time is described by their percentiles.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from atft_core.gpu.nvml import Fast, Gpu, Nvml
from atft_core.gpu.visible import card_of, first_visible, names
from atft_core.run.files import open_to_write

FAST_SECONDS = 0.08
"""Between two readings of the utilisation."""
LINE_SECONDS = 1.0
"""Between two lines of gpu.jsonl."""
DRIVER_SECONDS = 60.0
"""After which a driver that does not answer is taken for one that will not."""
RING_SECONDS = 3600.0
"""How far back the fast readings go."""

GpuSpan = dict[str, float]
"""n, mean, p10, p50, p90 of the utilisation in %, the median of that of the memory, and the mean
power in W where the card tells it."""


class GpuSampler:
    """Samples every GPU in a thread from `start` to `stop`, into memory and into gpu.jsonl."""

    def __init__(self, path: Path, *, period: float = FAST_SECONDS, own_only: bool = False) -> None:
        """`own_only`: just those that a CUDA process with this environment sees."""
        self.path = path
        self._doing: dict[int, tuple[str, str]] = {}
        """The cards of each trial at work, and its phase."""
        self._period = period
        self._own_only = own_only
        self._nvml: Nvml | None = None
        self._file_reason = ""
        self._read = 0.0
        self._halt = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def reason(self) -> str:
        """Why there are no samples, or not all; empty while all is well."""
        nvml = self._nvml.reason if self._nvml else "not started"
        return "; ".join(part for part in (nvml, self._file_reason) if part)

    @property
    def running(self) -> bool:
        """Whether samples are being taken."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Begin; without NVML nothing begins and `reason` says why."""
        self._nvml = Nvml(ring=max(1, int(RING_SECONDS / self._period)))
        if self._nvml.gpus:
            self._halt.clear()
            self._thread = threading.Thread(target=self._loop, name="gpu-sampler", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End; the samples in memory stay. A driver that hangs is not waited for."""
        self._halt.set()
        if self._thread is not None:
            self._thread.join(timeout=5.0)
        if self._nvml is not None and not self.running:
            self._nvml.close()

    @property
    def visible(self) -> list[str]:
        """The names by which a CUDA process can be given one of the cards that it sees."""
        return names(self._gpus, os.environ)

    @property
    def _gpus(self) -> list[Gpu]:
        return self._nvml.gpus if self._nvml else []

    @property
    def _watched(self) -> list[Gpu]:
        own = {card_of(self._gpus, name) for name in self.visible}
        return [gpu for gpu in self._gpus if not self._own_only or gpu.index in own]

    def _card(self, name: str) -> Gpu | None:
        """The card of that name; by no name the one that CUDA gives a process first."""
        gpus = self._gpus
        chosen = card_of(gpus, name) if name else first_visible(gpus, os.environ)
        return next((gpu for gpu in gpus if gpu.index == chosen), None)

    def broken(self, gpu: str = "") -> str:
        """Why a card is of no use; empty where it is well, or not known."""
        silent = time.monotonic() - self._read
        if self._read and self.running and silent > DRIVER_SECONDS:
            return f"the driver has not answered for {silent:.0f} s"
        card = self._card(gpu)
        return card.broken if card else ""

    def free_memory(self, gpu: str) -> int | None:
        """Bytes that are free on a card, by the newest look; None where that is not known."""
        card = self._card(gpu)
        newest = card.newest if card else None
        if newest is None or newest.mem_total is None or newest.mem_used is None:
            return None
        return newest.mem_total - newest.mem_used

    def note(self, trial: int, phase: str, gpu: str = "") -> None:
        """What a trial does on its card, or cards, from now on: written beside each sample of
        them. No phase: it is gone.
        """
        if phase:
            self._doing[trial] = gpu, phase
        else:
            self._doing.pop(trial, None)

    def _stage(self, gpu: Gpu) -> str:
        phases = {
            phase for names, phase in self._doing.copy().values() if gpu in self._cards(names)
        }
        return "+".join(sorted(phases))

    def _cards(self, names: str) -> list[Gpu]:
        return [card for name in names.split(",") if (card := self._card(name))]

    def window(self, t0: float, t1: float, gpu: str = "") -> GpuSpan | None:
        """A trial's GPU, or its several, between two moments of wall clock; None where nothing was
        sampled.

        By no name it is the one that CUDA gives a process first. Averaging others would show an
        idle neighbour, and taking the busiest would show somebody else's work.
        """
        readings = [
            each for card in self._cards(gpu) for each in card.fast.copy()
        ]  # at once: it is filled
        return _span([reading for reading in readings if t0 <= reading.t <= t1])

    def _loop(self) -> None:
        nvml = self._nvml
        if nvml is None:
            return
        due = time.monotonic() + LINE_SECONDS
        since = time.time()
        while not self._halt.wait(self._period):
            alive = [gpu for gpu in self._watched if not gpu.lost]
            if not alive:
                return
            self._read = time.monotonic()
            for gpu in alive:
                nvml.sample(gpu)
            if time.monotonic() >= due:
                due = time.monotonic() + LINE_SECONDS
                self._write_lines(nvml, alive, since)
                since = time.time()

    def _write_lines(self, nvml: Nvml, gpus: Sequence[Gpu], since: float) -> None:
        """One line per GPU, in one append."""
        lines = []
        for gpu in gpus:
            reading = nvml.read(gpu)
            if reading is None:
                continue
            span = _span([each for each in gpu.fast if each.t >= since]) or {"n": 0}
            shares = {key: span.get(key) for key in ("mean", "p10", "p50", "p90", "n")}
            lines.append(
                json.dumps({**asdict(reading), **shares, "stage": self._stage(gpu)}) + "\n"
            )
        try:
            with open_to_write(self.path, append=True) as file:
                file.write("".join(lines).encode())
            self._file_reason = ""
        except OSError as error:
            self._file_reason = f"{self.path.name} cannot be written: {error.strerror}"


def _span(samples: Sequence[Fast]) -> GpuSpan | None:
    if not samples:
        return None
    busy = sorted(float(each.sm) for each in samples)
    powers = [each.power for each in samples if each.power is not None]
    span: GpuSpan = {"n": len(busy), "mean": round(sum(busy) / len(busy), 1)}
    span |= {f"p{q}": round(percentile(busy, q), 1) for q in (10, 50, 90)}
    span["memory"] = percentile(sorted(float(each.memory) for each in samples), 50)
    return {**span, "power": round(sum(powers) / len(powers), 1)} if powers else span


def percentile(ordered: Sequence[float], q: float) -> float:
    """The q-th percentile of ascending numbers, linear between neighbours."""
    place = (len(ordered) - 1) * q / 100
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])
