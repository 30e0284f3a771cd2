"""Dropout whose coin tosses do not cost more than the layer that they are for.

On a CPU one number of the generator makes eight coins: seven times as fast as a number for each,
which took a third of a step. Elsewhere, and under a compiler, it is the library's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

SIDES = 256
"""A coin is a byte, so chances come in 256ths."""


class Dropout(nn.Module):
    """Zeroes values with chance `p` in training, and scales the others so that the mean holds."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Same shape and type."""
        if not self.training or self.p == 0:
            return x
        if x.device.type != "cpu" or torch.compiler.is_compiling():
            return F.dropout(x, self.p, training=True)
        lost = round(self.p * SIDES)
        if lost in (0, SIDES):
            return F.dropout(x, self.p, training=True)
        return x * (_coins(x) >= lost).to(x.dtype).mul_(SIDES / (SIDES - lost))

    def extra_repr(self) -> str:
        """For people who print the network."""
        return f"p={self.p}"


def _coins(x: Tensor) -> Tensor:
    """Independent bytes in the shape of `x`."""
    eights = torch.empty((x.numel() + 7) // 8, dtype=torch.int64, device=x.device)
    eights.random_(-(2**63), None)  # without bounds the highest bit would always be 0
    return eights.view(torch.uint8)[: x.numel()].view(x.shape)
