"""Soft ranks of predictions, per step (torch).

Shapes: B days of a block, N stocks.

Only the target is ranked exactly: a rank has no gradient, and the Pearson correlation of the
raw prediction with the target's rank trains as well as any soft rank at a thousandth of the
cost (0.09 ms against 202 ms for pairwise sigmoids at N = 4000).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

SCALE_FLOOR = 1e-6
"""Predictions below this are not scaled up, so that their gradient stays finite."""
RELATIVE_FLOOR = 1e-5
"""Deviation, relative to the largest value, below which a day fades out as constant."""


def standardise(x_BN: Tensor, mask_BN: Tensor) -> Tensor:
    """Masked values of each day with mean 0 and length 1; 0 where masked.

    Divided by the day's largest value first, so that 1e30 neither overflows nor loses its order.
    A constant day gives zeros and a finite gradient, never NaN.
    """
    x_BN = torch.where(mask_BN, x_BN, 0.0)
    scale_B1 = x_BN.detach().abs().amax(dim=-1, keepdim=True).clamp_min(SCALE_FLOOR)
    x_BN = x_BN / scale_B1
    n_B1 = mask_BN.sum(dim=-1, keepdim=True).clamp_min(1)
    centred_BN = torch.where(mask_BN, x_BN - x_BN.sum(dim=-1, keepdim=True) / n_B1, 0.0)
    floor_B1 = RELATIVE_FLOOR**2 * n_B1
    return centred_BN * torch.rsqrt(centred_BN.square().sum(dim=-1, keepdim=True) + floor_B1)


def soft_ranks(x_BN: Tensor, mask_BN: Tensor) -> Tensor:
    """Soft rank in (0, 1): the normal distribution function of the day's z-score. O(N).

    For a day of normal predictions this is their rank / n; far outliers saturate as ranks do.
    """
    n_B1 = mask_BN.sum(dim=-1, keepdim=True).clamp_min(1)
    z_BN = standardise(x_BN, mask_BN) * n_B1.sqrt()
    return 0.5 * (1.0 + torch.erf(z_BN / math.sqrt(2.0)))
