"""From the host to the GPU without waiting: pinned memory, a stream of its own."""

from __future__ import annotations

import torch
from torch import Tensor

SLOTS = 2
"""While one buffer is on its way to the device, the next is filled."""


class Staging:
    """Copies tensors of the host to a CUDA device, each while the one before is computed with."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._pinned: list[Tensor] = []
        self._sent: list[torch.cuda.Event | None] = [None] * SLOTS
        self._next = 0
        self._copies: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []

    def upload(self, host: Tensor) -> Tensor:
        """The tensor on the device; `host` may change as soon as this returns."""
        slot, self._next = self._next, (self._next + 1) % SLOTS
        if not self._pinned or self._pinned[0].nbytes < host.nbytes:
            self._grow(host.nbytes)
        sent = self._sent[slot]
        if sent is not None:
            sent.synchronize()  # the device still reads what is here
        pinned = self._pinned[slot][: host.nbytes].view(host.dtype).view(host.shape)
        pinned.copy_(host)
        on_device, self._sent[slot] = self.send(pinned)
        return on_device

    def send(self, pinned: Tensor) -> tuple[Tensor, torch.cuda.Event]:
        """The tensor on the device, and the event after which the pinned memory is free again.

        The computing stream waits for the copy, the host does not.
        """
        with torch.cuda.stream(self._stream):
            began = self._stream.record_event(_timed())
            on_device = pinned.to(self._device, non_blocking=True)
            sent = self._stream.record_event(_timed())
        self._copies.append((began, sent))
        computing = torch.cuda.current_stream(self._device)
        computing.wait_event(sent)
        on_device.record_stream(computing)
        return on_device, sent

    def take_seconds(self) -> float:
        """Seconds of all copies since this was last asked for; waits for them."""
        self._stream.synchronize()
        spent: float = sum(began.elapsed_time(sent) for began, sent in self._copies) / 1000.0
        self._copies.clear()
        return spent

    def _grow(self, size: int) -> None:
        self._stream.synchronize()
        self._sent = [None] * SLOTS
        with torch.inference_mode(mode=False):  # validation may come first, training writes, too
            self._pinned = [
                torch.empty(size, dtype=torch.uint8, pin_memory=True) for _ in range(SLOTS)
            ]


def _timed() -> torch.cuda.Event:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
