"""Window statistics are kept: they depend on the panel alone, so every epoch needs the same ones.

Shapes: T days of the panel that are trained or validated on, B days of a block, N stocks,
X statistics.

On the CPU they are an eighth of a training step and most of a validation step. They cost 4 X bytes
per (day, stock), so they are kept where that is a small part of the free memory, and computed anew
each time elsewhere; the numbers are the same.
"""

from __future__ import annotations

import torch
from torch import Tensor

from atft_core.data.blocks import Block
from atft_core.data.memory import free_memory
from atft_core.data.splits import Split
from atft_core.model.atft import ATFT

MEMORY_SHARE = 0.15
"""Share of the free memory of the device that they may take."""


class KeptStatistics:
    """The statistics of some days, each computed when it is first needed."""

    def __init__(self, days: range, stocks: int, width: int, device: torch.device) -> None:
        self._days = days
        self._known = [False] * len(days)
        # On the CPU no page of it exists before something is written there.
        self._table_TNX = torch.empty(len(days), stocks, width, device=device)

    def of(self, model: ATFT, block: Block) -> Tensor | None:
        """Statistics [B, N, X] of the block's prediction days; None for days that are not kept."""
        first, stop = (day - self._days.start for day in (block.days.start, block.days.stop))
        if first < 0 or stop > len(self._known):
            return None
        place = slice(first, stop)
        if not all(self._known[place]):
            with torch.no_grad():
                found_BNX = model.window_statistics(block.x_TNF, block.valid_TN)
            self._table_TNX[place] = found_BNX
            self._known[place] = [True] * (stop - first)
        return self._table_TNX[place]


def keep_statistics(
    model: ATFT, split: Split, stocks: int, device: torch.device
) -> KeptStatistics | None:
    """Where the statistics of training and validation days are kept; None without the memory."""
    if model.statistics is None:
        return None
    days, width = range(split.train.start, split.val.stop), model.statistics.n_out
    size = 4 * len(days) * stocks * width
    if size > MEMORY_SHARE * free_memory(device):
        return None
    return KeptStatistics(days, stocks, width, device)
