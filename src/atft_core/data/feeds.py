"""Blocks of whole days for the model. The resident feed: the panel lives on the device.

Shapes: T = L-1+B days of history, B prediction days, N stocks, F features, H horizons,
M market inputs, K neighbours, L lookback.

Features, market, masks and labels of a block are views of what is on the device: no copy, no
loader, no wait. Labels are masked, never filled: mask = valid and finite.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from atft_core.cross_section import ranked_targets
from atft_core.data.panel import Panel, Stored
from atft_core.data.splits import Split
from atft_core.errors import DataError

MARKET_BOUND = 5.0
"""Market inputs are clipped to this many training deviations: a crash must stay finite news."""
MANY_BLOCKS = 10
"""From here on an epoch may do without one block, for the sake of a random offset."""


@dataclass(frozen=True)
class Block:
    """What one optimiser step or one validation step sees."""

    days: range
    """Prediction days, as indices into the panel's calendar."""
    x_TNF: Tensor
    """Features, bfloat16 or float32; 0 where missing."""
    market_TM: Tensor
    """Market inputs in training deviations, float32."""
    valid_TN: Tensor
    """Stocks traded on each day."""
    neighbours_NK: Tensor
    """The graph known on the first prediction day, long; -1 = none."""
    y_BNH: Tensor
    """Returns, float32; 0 where there is none."""
    rank_BNH: Tensor
    """Rank within the day, mean 0 and variance 1; 0 where there is none."""
    gauss_BNH: Tensor
    """Normal quantile of the rank; 0 where there is none."""
    mask_BNH: Tensor
    """Where a label exists."""


class ResidentFeed:
    """The whole panel on one device; a block is made of views."""

    name = "resident"

    def __init__(self, panel: Panel, split: Split, lookback: int, device: torch.device) -> None:
        self.lookback = lookback
        _check_memory(panel, device)
        mask_TNH = panel.valid_TN[..., None] & np.isfinite(panel.y_TNH)
        rank_TNH, gauss_TNH = ranked_targets(panel.y_TNH, panel.valid_TN)
        self.x_TNF = _upload(panel.x_batches, device)
        self.market_TM = _to(market_inputs(panel.market_TM, split.train), device)
        self.valid_TN = _to(panel.valid_TN, device)
        self.y_TNH = _to(np.where(mask_TNH, panel.y_TNH, np.float32(0)), device)
        self.rank_TNH, self.gauss_TNH = _to(rank_TNH, device), _to(gauss_TNH, device)
        self.mask_TNH = _to(mask_TNH, device)
        self.neighbour_days_R = panel.neighbour_days_R
        self.neighbours_GNK = _to(_with_empty_graph(panel.neighbours_RNK), device)
        self.reason = f"{self.bytes / 2**20:.0f} MiB, all of it on {device}"

    @property
    def bytes(self) -> int:
        """Device memory that the panel takes."""
        return sum(v.nbytes for v in vars(self).values() if isinstance(v, Tensor))

    def block(self, days: range) -> Block:
        """Inputs and labels of consecutive prediction days; DataError without enough history."""
        first = days.start - self.lookback + 1
        if first < 0 or days.stop > len(self.valid_TN) or len(days) < 1:
            raise DataError(
                f"days {days.start} to {days.stop - 1} with {self.lookback - 1} days of history "
                f"are not all in a panel of {len(self.valid_TN)} days"
            )
        seen, predicted = slice(first, days.stop), slice(days.start, days.stop)
        graph = int(np.searchsorted(self.neighbour_days_R, days.start, side="right"))
        return Block(
            days=days,
            x_TNF=self.x_TNF[seen],
            market_TM=self.market_TM[seen],
            valid_TN=self.valid_TN[seen],
            neighbours_NK=self.neighbours_GNK[graph],
            y_BNH=self.y_TNH[predicted],
            rank_BNH=self.rank_TNH[predicted],
            gauss_BNH=self.gauss_TNH[predicted],
            mask_BNH=self.mask_TNH[predicted],
        )


def market_inputs(market_TM: NDArray[np.float32], train: range) -> NDArray[np.float32]:
    """Market state in deviations of the training days, clipped; 0 where it is not yet known."""
    known_TM = np.isfinite(market_TM)
    train_DM = np.where(known_TM, market_TM, np.nan)[train.start : train.stop].astype(np.float64)
    scaled_TM = np.zeros(market_TM.shape, dtype=np.float32)
    for m in range(market_TM.shape[1]):
        values = train_DM[np.isfinite(train_DM[:, m]), m]
        if values.size > 1 and values.std() > 1e-12:
            scaled_TM[:, m] = (market_TM[:, m] - values.mean()) / values.std()
    bounded_TM = scaled_TM.clip(-MARKET_BOUND, MARKET_BOUND)
    return np.where(known_TM, bounded_TM, np.float32(0))


def _check_memory(panel: Panel, device: torch.device) -> None:
    """DataError, rather than CUDA's, when the panel cannot fit."""
    if device.type != "cuda":
        return
    # Three float32 forms of each label and its mask.
    needed = sum(batch.nbytes for batch in panel.x_batches) + 13 * panel.y_TNH.size
    free, _ = torch.cuda.mem_get_info(device)
    if needed > free:
        raise DataError(
            f"The panel needs {needed / 2**30:.1f} GiB on {device}, {free / 2**30:.1f} are free.",
            hint="Use fewer features or days, or data.dtype = bfloat16.",
        )


def _upload(batches: tuple[Stored, ...], device: torch.device) -> Tensor:
    """All features on the device; the host holds one extra batch at a time."""
    days = sum(len(batch) for batch in batches)
    bits = batches[0].dtype == np.uint16
    dtype = torch.bfloat16 if bits else torch.float32
    x_TNF = torch.empty((days, *batches[0].shape[1:]), dtype=dtype, device=device)
    first = 0
    for batch in batches:
        # A copy: torch refuses arrays that it may not write to, such as a mapped file.
        part = torch.from_numpy(np.array(batch))
        x_TNF[first : first + len(batch)].copy_(part.view(dtype))
        first += len(batch)
    return x_TNF


def _to(array: NDArray[np.generic], device: torch.device) -> Tensor:
    return torch.from_numpy(np.array(array)).to(device)


def _with_empty_graph(neighbours_RNK: NDArray[np.int32]) -> NDArray[np.int64]:
    """Graphs with one without edges in front: what is known before the first."""
    empty_1NK = np.full((1, *neighbours_RNK.shape[1:]), -1, dtype=np.int64)
    return np.concatenate([empty_1NK, neighbours_RNK.astype(np.int64)])


def train_blocks(days: range, block_days: int, *, seed: int) -> list[range]:
    """Full blocks of consecutive days in random order, at a random offset.

    The number of blocks does not depend on the seed, so that every epoch has the same number of
    steps; over the epochs every day is used. Fewer days than a block: one short block.
    """
    size = max(min(block_days, len(days)), 1)
    count, rest = divmod(len(days), size)
    if rest < size // 2 and count >= MANY_BLOCKS:
        count -= 1  # else the offset could hardly move
    rng = np.random.default_rng(seed)
    offset = days.start + int(rng.integers(len(days) - count * size + 1))
    starts = offset + size * rng.permutation(count)
    return [range(int(start), int(start) + size) for start in starts]


def eval_blocks(days: range, block_days: int, neighbour_days_R: NDArray[np.int64]) -> list[range]:
    """Every day once and in order, cut where a new graph becomes known."""
    refreshes = {int(day) for day in neighbour_days_R}
    blocks: list[range] = []
    start = days.start
    for day in range(days.start + 1, days.stop + 1):
        if day == days.stop or day - start == block_days or day in refreshes:
            blocks.append(range(start, day))
            start = day
    return blocks
