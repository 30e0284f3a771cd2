"""The rank losses against their pairwise forms, which compare every stock with every other.

Shapes: B days, N stocks.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from atft_core.bench.timing import paired
from atft_core.objective.losses import DayTargets, Term, cs_ic, rank_ic, spearman
from atft_core.objective.ranks import WIDTH, standardise

STOCKS = (500, 1000, 2000, 4000)
Loss = Callable[[Tensor], Tensor]


def rank_losses(pairs: int, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Ratio of times, forward and backward, and cosine of the gradients."""
    return [row for stocks in STOCKS for row in _of_day(stocks, pairs, say)]


def _of_day(stocks: int, pairs: int, say: Callable[[str], None]) -> list[dict[str, Any]]:
    say(f"rank losses, {stocks} stocks")
    random = torch.Generator().manual_seed(stocks)
    pred_BN = torch.randn(1, stocks, generator=random)
    rank_BN = standardise(torch.randperm(stocks, generator=random)[None].float(), pred_BN < 99)
    targets, mask_BN = DayTargets(rank_BN, rank_BN, rank_BN), pred_BN < 99
    reference = _with_gradient(lambda x: pairwise_spearman(x, targets, mask_BN), pred_BN)
    rows = []
    for name, term in (("spearman", spearman), ("rank_ic", rank_ic), ("cs_ic", cs_ic)):
        ours = _with_gradient(partial(_call, term, targets, mask_BN), pred_BN)
        pair = paired(reference, ours, pairs)
        cosine = torch.cosine_similarity(ours().ravel(), reference().ravel(), dim=0)
        rows.append(
            {
                "term": name,
                "against": "pairwise soft ranks",
                "N": stocks,
                "ratio": round(pair.ratio, 1),
                "gradient_cosine": round(float(cosine), 4),
            }
        )
    return rows


def _call(term: Term, targets: DayTargets, mask_BN: Tensor, pred_BN: Tensor) -> Tensor:
    return term(pred_BN, targets, mask_BN)


def pairwise_spearman(pred_BN: Tensor, targets: DayTargets, mask_BN: Tensor) -> Tensor:
    """Minus the correlation of pairwise soft ranks with the target's rank. O(N^2)."""
    soft_BN = standardise(pairwise_ranks(pred_BN, mask_BN), mask_BN)
    return -(soft_BN * standardise(targets.rank_BN, mask_BN)).sum(dim=-1).mean()


def pairwise_ranks(x_BN: Tensor, mask_BN: Tensor) -> Tensor:
    """Mean over the day's stocks of the sigmoid of each difference; O(N^2)."""
    n_B1 = mask_BN.sum(dim=-1, keepdim=True).clamp_min(1)
    z_BN = standardise(x_BN, mask_BN) * n_B1.sqrt()
    ahead_BNN = torch.sigmoid((z_BN[..., :, None] - z_BN[..., None, :]) / WIDTH)
    return (ahead_BNN * mask_BN[..., None, :]).sum(dim=-1) / n_B1


def _with_gradient(loss: Loss, pred_BN: Tensor) -> Callable[[], Tensor]:
    def run() -> Tensor:
        leaf_BN = pred_BN.detach().requires_grad_()
        (gradient_BN,) = torch.autograd.grad(loss(leaf_BN), leaf_BN)
        return gradient_BN

    return run
