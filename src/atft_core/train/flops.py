"""How much a step has to do: floating-point operations, counted without doing them."""

from __future__ import annotations

import copy

import torch
from torch.utils.flop_counter import FlopCounterMode

from atft_core.data.blocks import Block
from atft_core.model.atft import ATFT


def step_flops(model: ATFT, block: Block) -> int:
    """Operations of the products in a forward and backward pass on a block, 2 per multiplication.

    On tensors without memory. Elementwise work is not counted, as usual.
    """
    ghost = copy.deepcopy(model).to("meta").train()
    inputs = (block.x_TNF, block.market_TM, block.valid_TN, block.neighbours_TNK)
    days, stocks = block.y_BNH.shape[:2]
    width = ghost.statistics.n_out if ghost.statistics is not None else 0
    statistics_BNX = torch.empty(days, stocks, width, device="meta")
    with FlopCounterMode(display=False) as counter:
        scores: torch.Tensor = ghost(*(each.to("meta") for each in inputs), statistics_BNX)
        scores.sum().backward()  # type: ignore[no-untyped-call]
    return int(counter.get_total_flops())
