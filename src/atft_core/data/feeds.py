"""Where blocks come from: a panel on the device, or mapped from its file.

Shapes: T = L-1+B days of history, B prediction days, N stocks, F features, H horizons,
M market inputs, R graphs, L lookback.

Only the features are large. Labels, masks, market and graphs (50 bytes per day and stock) are
prepared once, in the cache, and lie on the device in every feed. There is no data loader: a day is
one piece of the file, a block is another, and nothing is computed on the way. `ring.py` has the
feed for panels that fit nowhere.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from atft_core.data.blocks import Block
from atft_core.data.panel import Panel
from atft_core.data.staging import Staging
from atft_core.data.stored import RANK_STEP, RANK_ZERO, Stored
from atft_core.errors import DataError

Market = NDArray[np.float32]
"""Market inputs [T, M] as the network gets them: `market_inputs`."""
UPLOAD_DAYS = 64
"""Days that are copied to the device at once."""


class Feed(Protocol):
    """Where blocks come from; whoever uses them does not know how."""

    name: str
    reason: str

    def blocks(self, spans: Sequence[range]) -> Iterator[Block]:
        """The blocks of these prediction days, in this order; each is valid until the next."""
        ...

    def block(self, days: range) -> Block:
        """One block, valid until the next is asked for."""
        ...

    def transfer_seconds(self) -> float:
        """Seconds of copying from the host to the device since this was last asked for."""
        ...

    def close(self) -> None:
        """Let go of processes and memory."""
        ...


class PanelContext:
    """Everything of a panel but its features, on the device; makes blocks of both."""

    def __init__(
        self, panel: Panel, market_TM: Market, lookback: int, device: torch.device
    ) -> None:
        self.lookback, self.days = lookback, len(panel.dates_T)
        self.market_TM = on_device(market_TM, device)
        self.valid_TN = on_device(panel.valid_TN, device)
        self.y_TNH = on_device(panel.y_TNH, device)
        self.rank_TNH = on_device(panel.rank_TNH, device)
        self.gauss_TNH = on_device(panel.gauss_TNH, device)
        self.graphs_GNK = on_device(_with_empty_graph(panel.neighbours_RNK), device)
        days_T = np.arange(self.days)
        graph_T = np.searchsorted(panel.neighbour_days_R, days_T, side="right").astype(np.int64)
        self.graph_T = on_device(graph_T, device)

    def seen(self, days: range) -> range:
        """Days of history that a block of these prediction days needs; DataError without them."""
        first = days.start - self.lookback + 1
        if first < 0 or days.stop > self.days or len(days) < 1:
            raise DataError(
                f"days {days.start} to {days.stop - 1} with {self.lookback - 1} days of history "
                f"are not all in a panel of {self.days} days"
            )
        return range(first, days.stop)

    def block(self, days: range, x_TNF: Tensor) -> Block:
        """Inputs and labels of consecutive prediction days; views, no copies."""
        start, stop = days.start, days.stop
        first = start - self.lookback + 1
        return Block(
            days=days,
            x_TNF=decoded(x_TNF),
            market_TM=self.market_TM[first:stop],
            valid_TN=self.valid_TN[first:stop],
            graphs_GNK=self.graphs_GNK,
            graph_T=self.graph_T,
            y_BNH=self.y_TNH[start:stop],
            rank_BNH=self.rank_TNH[start:stop],
            gauss_BNH=self.gauss_TNH[start:stop],
            stored_bytes=x_TNF.nbytes,
        )


class ResidentFeed:
    """The whole panel in the memory of the device; a block is made of views."""

    name = "resident"

    def __init__(
        self, panel: Panel, market_TM: Market, lookback: int, device: torch.device, reason: str = ""
    ) -> None:
        self._around = PanelContext(panel, market_TM, lookback, device)
        self._x_TNF = _upload(panel.x_TNF, device)
        self.reason = reason or f"all {panel.x_TNF.nbytes / 2**20:.0f} MiB of it are on {device}"

    def blocks(self, spans: Sequence[range]) -> Iterator[Block]:
        """Views of the resident panel."""
        return map(self.block, spans)

    def block(self, days: range) -> Block:
        """Views of the resident panel."""
        seen = self._around.seen(days)
        return self._around.block(days, self._x_TNF[seen.start : seen.stop])

    def transfer_seconds(self) -> float:
        """Nothing is copied."""
        return 0.0

    def close(self) -> None:
        """Nothing to let go of."""


class MappedFeed:
    """The panel in its file, shared with every other process that reads it.

    On the CPU a block is a view of the page cache; for a GPU it is copied once, through pinned
    memory. The days of the next block are asked of the disk while this one is computed.
    """

    name = "mmap"

    def __init__(
        self, panel: Panel, market_TM: Market, lookback: int, device: torch.device, reason: str = ""
    ) -> None:
        self._around = PanelContext(panel, market_TM, lookback, device)
        self._x_TNF = as_tensor(panel.x_TNF)
        self._staging = Staging(device) if device.type == "cuda" else None
        self._offset, self._unread = panel.x_offset, bytearray(b"\1" * len(panel.dates_T))
        self._file = os.open(panel.facts["cache"], os.O_RDONLY) if panel.x_offset >= 0 else -1
        size = panel.x_TNF.nbytes / 2**20
        self.reason = reason or f"{size:.0f} MiB, read where the file is mapped"

    def blocks(self, spans: Sequence[range]) -> Iterator[Block]:
        """Blocks, while the disk is already asked for the next."""
        for i, days in enumerate(spans):
            if i + 1 < len(spans):
                self._ask_for(spans[i + 1])
            yield self.block(days)

    def block(self, days: range) -> Block:
        """A view of the file, or its copy on the GPU."""
        seen = self._around.seen(days)
        x_TNF = self._x_TNF[seen.start : seen.stop]
        return self._around.block(days, self._staging.upload(x_TNF) if self._staging else x_TNF)

    def transfer_seconds(self) -> float:
        """Of the copies to a GPU."""
        return self._staging.take_seconds() if self._staging else 0.0

    def close(self) -> None:
        """Close the file; blocks stay valid."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _ask_for(self, days: range) -> None:
        """Days that were read once are in memory: asking again would cost more than it helps."""
        seen = self._around.seen(days)
        if self._file < 0 or not any(self._unread[seen.start : seen.stop]):
            return
        self._unread[seen.start : seen.stop] = bytes(len(seen))
        row = self._x_TNF[0].nbytes
        start, size = self._offset + seen.start * row, len(seen) * row
        os.posix_fadvise(self._file, start, size, os.POSIX_FADV_WILLNEED)


def as_tensor(array: NDArray[np.generic]) -> Tensor:
    """A tensor on the same memory, which may be a read-only file: nobody writes to blocks."""
    bits = array.dtype == np.uint16
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        tensor = torch.from_numpy(array)
    return tensor.view(torch.bfloat16) if bits else tensor


def on_device(array: NDArray[np.generic], device: torch.device) -> Tensor:
    """The array on the device; on the CPU it is not copied."""
    return as_tensor(array).to(device)


def decoded(x: Tensor) -> Tensor:
    """Features as numbers: ranks in one byte become float32, the rest is as it should be."""
    return (x.float() - RANK_ZERO) * RANK_STEP if x.dtype == torch.uint8 else x


def _upload(x_TNF: Stored, device: torch.device) -> Tensor:
    """All features on the device, some days at a time."""
    if device.type == "cpu":
        return as_tensor(np.array(x_TNF))  # numpy asks for large pages, torch does not
    source_TNF = as_tensor(x_TNF)
    resident_TNF = torch.empty(source_TNF.shape, dtype=source_TNF.dtype, device=device)
    for start in range(0, len(x_TNF), UPLOAD_DAYS):
        days = slice(start, start + UPLOAD_DAYS)
        resident_TNF[days].copy_(source_TNF[days])
    return resident_TNF


def _with_empty_graph(neighbours_RNK: NDArray[np.int32]) -> NDArray[np.int64]:
    """Graphs with one without edges in front: what is known before the first."""
    empty_1NK = np.full((1, *neighbours_RNK.shape[1:]), -1, dtype=np.int64)
    return np.concatenate([empty_1NK, neighbours_RNK.astype(np.int64)])
