"""The ring feed: for panels that fit neither on the device nor in memory.

Shapes: T = L-1+B days of history, N stocks, F features.

Producers read the days of the next blocks from the file into slots of shared memory while the
model computes. The memory is anonymous and has no name in any file system: it is gone with the
last process that has it, whatever happens to them. On a GPU the slots are pinned.
"""

from __future__ import annotations

import mmap
import os
import select
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import torch
from torch import Tensor

from atft_core.data import producer
from atft_core.data.blocks import Block
from atft_core.data.feeds import Market, PanelContext, as_tensor
from atft_core.data.panel import Panel
from atft_core.data.staging import Staging
from atft_core.errors import FeedError
from atft_core.run.processes.alive import state_of

HUNG_SECONDS = 10.0
"""A producer that has not moved for so long, although it has a job, is hung."""
PAGE = mmap.PAGESIZE


class _Producer:
    """One producer process and what it was asked for."""

    def __init__(self, memory_fd: int, path: str, number: int) -> None:
        arguments = (str(memory_fd), path, str(number), str(os.getpid()))
        command = [sys.executable, "-I", "-S", producer.__file__, *arguments]
        self.number = number
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            pass_fds=[memory_fd],
        )
        pipes = (self.process.stdin, self.process.stdout, self.process.stderr)
        self._jobs, self._answers, self._errors = (cast(BinaryIO, pipe) for pipe in pipes)

    def ask(self, target: int, source: int, size: int) -> None:
        """Give it a job; it answers in order."""
        with suppress(BrokenPipeError):  # it is dead: whoever waits for it will say so
            self._jobs.write(b"%d %d %d\n" % (target, source, size))

    def wait(self, memory: mmap.mmap) -> None:
        """Until the oldest job is done; FeedError when the producer is dead or does not move."""
        moved, pieces = time.monotonic(), -1
        while not select.select([self._answers], [], [], 0.5)[0]:
            now = struct.unpack_from("<q", memory, 8 * self.number)[0]
            if now != pieces:
                moved, pieces = time.monotonic(), now
            elif time.monotonic() - moved > HUNG_SECONDS:
                raise FeedError(
                    f"producer {self.process.pid} of the ring feed hangs: nothing for "
                    f"{HUNG_SECONDS:.0f} s, state {state_of(self.process.pid) or 'gone'}",
                    hint="Is the disk of data.cache_dir alive? D means that it waits for it.",
                )
        answer = self._answers.readline()
        if not answer:
            raise FeedError(
                f"producer {self.process.pid} of the ring feed ended: {self._last_words()}",
                hint="The trial is tried again; `dmesg` says whether memory ran out.",
            )

    def _last_words(self) -> str:
        code = self.process.wait(timeout=5.0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"killed by signal {-code}" if code < 0 else f"code {code}"

    def end(self) -> None:
        """It has nothing to lose. One that waits for a dead disk is left to the kernel."""
        self.process.kill()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=1.0)
        for pipe in (self._jobs, self._answers, self._errors):
            pipe.close()


class _Ring:
    """Slots of shared memory and the producers that fill them."""

    def __init__(self, path: str, slots: int, slot_bytes: int, producers: int) -> None:
        self.slot_bytes = -(-slot_bytes // PAGE) * PAGE
        self.slots = [PAGE + i * self.slot_bytes for i in range(slots)]
        fd = os.memfd_create("atft-ring")
        try:
            os.ftruncate(fd, PAGE + slots * self.slot_bytes)
            self.memory = mmap.mmap(fd, 0)
            self.producers = [_Producer(fd, path, i) for i in range(producers)]
        finally:
            os.close(fd)
        self.free = deque(self.slots)
        self.asked: deque[tuple[_Producer, int]] = deque()
        self.pinned = False

    def pin(self) -> None:
        """Let the GPU read the slots directly; where that cannot be, copies are slower."""
        self.pinned = _ask_cuda("cudaHostRegister", self.memory, 0)

    def end(self) -> None:
        """No process stays; the memory goes with the last view of it."""
        for each in self.producers:
            each.end()
        if self.pinned:
            _ask_cuda("cudaHostUnregister", self.memory)
            self.pinned = False


class RingFeed:
    """Blocks through a ring of slots in shared memory, made when a block is first asked for."""

    name = "ring"

    def __init__(
        self,
        panel: Panel,
        market_TM: Market,
        lookback: int,
        device: torch.device,
        reason: str = "",
        *,
        workers: int = 2,
        prefetch: int = 2,
    ) -> None:
        self._around = PanelContext(panel, market_TM, lookback, device)
        self._path, self._offset = str(Path(panel.facts["cache"])), panel.x_offset
        self._row_NF, self._dtype = panel.x_TNF.shape[1:], panel.x_TNF.dtype
        self._row_bytes = int(np.prod(self._row_NF)) * self._dtype.itemsize
        self._workers, self._prefetch = max(workers, 1), prefetch
        self._device = device
        self._staging = Staging(device) if device.type == "cuda" else None
        self._ring: _Ring | None = None
        self.reason = reason or f"{self._workers} producers, {prefetch} blocks ahead"

    def block(self, days: range) -> Block:
        """One block."""
        (block,) = self.blocks([days])
        return block

    def blocks(self, spans: Sequence[range]) -> Iterator[Block]:
        """Blocks in order, while the producers fill the slots of those to come.

        Raises FeedError within 15 s when a producer hangs or dies.
        """
        seen = [self._around.seen(days) for days in spans]
        ring = self._ring_for(max((len(days) for days in seen), default=1) * self._row_bytes)
        coming = iter(enumerate(seen))
        try:
            for days, history in zip(spans, seen, strict=True):
                self._ask_ahead(ring, coming)
                who, slot = ring.asked.popleft()
                who.wait(ring.memory)
                yield self._block(ring, days, history, slot)
                ring.free.append(slot)
        finally:
            if len(ring.free) < len(ring.slots):  # left early, or a producer failed
                ring.end()
                self._ring = None if self._ring is ring else self._ring

    def _ask_ahead(self, ring: _Ring, coming: Iterator[tuple[int, range]]) -> None:
        """Give every free slot a job, in the order in which the blocks will be wanted."""
        while ring.free:
            job = next(coming, None)
            if job is None:
                return
            slot = ring.free.popleft()
            ring.asked.append((self._ask(ring, *job, slot), slot))

    def _ask(self, ring: _Ring, i: int, history: range, slot: int) -> _Producer:
        who = ring.producers[i % len(ring.producers)]
        size = len(history) * self._row_bytes
        who.ask(slot, self._offset + history.start * self._row_bytes, size)
        return who

    def _block(self, ring: _Ring, days: range, history: range, slot: int) -> Block:
        count = len(history) * int(np.prod(self._row_NF))
        flat = np.frombuffer(ring.memory, self._dtype, count, slot)
        x_TNF = as_tensor(flat.reshape(len(history), *self._row_NF))
        return self._around.block(days, self._on_device(x_TNF))

    def _on_device(self, x_TNF: Tensor) -> Tensor:
        if self._staging is None:
            return x_TNF
        on_device, sent = self._staging.send(x_TNF)
        sent.synchronize()  # the slot is filled again as soon as the next block is asked for
        return on_device

    def _ring_for(self, slot_bytes: int) -> _Ring:
        """The ring, made anew when its slots are too small or somebody else's blocks are in it."""
        if self._ring is not None:
            busy = len(self._ring.free) < len(self._ring.slots)
            if busy or self._ring.slot_bytes < slot_bytes:
                self.close()
        if self._ring is None:
            self._ring = _Ring(self._path, self._prefetch + 1, slot_bytes, self._workers)
            if self._device.type == "cuda":
                self._ring.pin()
        return self._ring

    def transfer_seconds(self) -> float:
        """Of the copies to a GPU."""
        return self._staging.take_seconds() if self._staging else 0.0

    def close(self) -> None:
        """End the producers."""
        if self._ring is not None:
            self._ring.end()
            self._ring = None


def _ask_cuda(call: str, memory: mmap.mmap, *more: int) -> bool:
    """A call of the CUDA runtime about this memory; whether it succeeded."""
    view = np.frombuffer(memory, np.uint8)
    where = (view.ctypes.data,) if call == "cudaHostUnregister" else (view.ctypes.data, view.nbytes)
    runtime = torch.cuda.cudart()  # type: ignore[no-untyped-call]
    return int(getattr(runtime, call)(*where, *more)) == 0
