"""Blocks of whole days: what the model sees at once, and which days belong together.

Shapes: T = L-1+B days of history, B prediction days, N stocks, F features, H horizons,
M market inputs, K neighbours, G graphs, L lookback.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from torch import Tensor

MANY_BLOCKS = 10
"""From here on an epoch may do without one block, for the sake of a random offset."""


@dataclass(frozen=True)
class Block:
    """What one optimiser step or one validation step sees; valid until the next one is asked for.

    Labels are masked, never filled.
    """

    days: range
    """Prediction days, as indices into the panel's calendar."""
    x_TNF: Tensor
    """Features, bfloat16 or float32; 0 where missing."""
    market_TM: Tensor
    """Market inputs in training deviations, float32."""
    valid_TN: Tensor
    """Stocks traded on each day."""
    graphs_GNK: Tensor
    """All graphs of the panel, long; -1 = none. The first one has no edges."""
    graph_T: Tensor
    """The graph known on each day of the panel, long."""
    y_BNH: Tensor
    """Returns, float32; NaN where there is none."""
    rank_BNH: Tensor
    """Rank within the day, mean 0 and variance 1; 0 where there is none."""
    gauss_BNH: Tensor
    """Normal quantile of the rank; 0 where there is none."""
    stored_bytes: int
    """Size of the features as they are kept."""

    @cached_property
    def mask_BNH(self) -> Tensor:  # noqa: N802
        """Where a label exists."""
        return self.y_BNH.isfinite()

    @cached_property
    def neighbours_TNK(self) -> Tensor:  # noqa: N802
        """Neighbours of each stock as known on each day of the history; -1 = none."""
        graph_T = self.graph_T[self.days.stop - len(self.x_TNF) : self.days.stop]
        return self.graphs_GNK.index_select(0, graph_T)

    @property
    def nbytes(self) -> int:
        """Bytes that were delivered: as stored, and without the graphs, which all blocks share."""
        parts = (self.market_TM, self.valid_TN, self.y_BNH, self.rank_BNH, self.gauss_BNH)
        return self.stored_bytes + sum(part.nbytes for part in parts)


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


def eval_blocks(days: range, block_days: int) -> list[range]:
    """Every day in order, in blocks of one size: the last one overlaps the one before it."""
    size = min(block_days, len(days))
    if size < 1:
        return []
    last = days.stop - size
    return [range(min(start, last), min(start, last) + size) for start in days[::size]]
