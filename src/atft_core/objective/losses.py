"""The loss: an explicit weighted sum of named pure terms, each a function of whole days.

Shapes: B days of a block, N stocks, H horizons.

Every term has one signature, `term(pred_BN, targets, mask_BN) -> scalar` (`quantile` sees quantiles
[B, N, Q] in place of scores), is smaller when better,
runs in float32, reads masked values never, and leaves out days that cannot be ranked (fewer than
MIN_NAMES labelled names, or a constant target). No such day in the block: exactly 0, connected to
the graph. A NaN prediction under the mask is not hidden: the loss is NaN, and the trial fails.

A new term is one function and one line in TERMS (and its weight in `LossConfig`).
"""
# ruff: noqa: N815  -- fields carry their shapes, as every tensor here

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from atft_core.config.loss import OWN, LossConfig
from atft_core.config.schema import QUANTILE_LEVELS
from atft_core.cross_section import MIN_NAMES
from atft_core.objective.ranks import soft_ranks, standardise
from atft_core.run import plugins

MIN_SHARPE_DAYS = 8
"""A deviation over fewer days is noise; over one day it does not exist."""
MAX_RETURN = 0.2
"""The Sharpe term clips returns to this: one bad print would be the block's whole std."""
MIN_VOLATILITY = 1e-4
"""One basis point, added to the std so that a block without variation has a finite ratio."""
PARTNERS = (1, 2, 5, 13, 34, 89, 233, 610)
"""Distances of the stocks that are compared; as a list is walked round, no two need be apart."""
OTHER_HORIZON_WEIGHT = 0.2
"""Weight of a horizon that the config does not name."""


@dataclass(frozen=True)
class DayTargets:
    """The labels of one horizon in three forms; 0 or NaN where there is no label."""

    y_BN: Tensor
    """Raw return, as a fraction."""
    rank_BN: Tensor
    """Rank within the day, mean 0 and variance 1."""
    gauss_BN: Tensor
    """Normal quantile of the rank, mean 0 and variance 1."""


Term = Callable[[Tensor, DayTargets, Tensor], Tensor]
Stacked = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]
"""pred, quantiles (of it [H, B, N, Q]), rank, gauss, y (float32) and mask, each [H, B, N]."""


def rank_ic(pred_BN: Tensor, targets: DayTargets, mask_BN: Tensor) -> Tensor:
    """Minus the mean daily correlation of the prediction with the target's rank. In [-1, 1]."""
    return -_mean_correlation(pred_BN, targets.rank_BN, mask_BN)


def cs_ic(pred_BN: Tensor, targets: DayTargets, mask_BN: Tensor) -> Tensor:
    """Minus the mean daily correlation with the Gaussianised target. In [-1, 1]."""
    return -_mean_correlation(pred_BN, targets.gauss_BN, mask_BN)


def spearman(pred_BN: Tensor, targets: DayTargets, mask_BN: Tensor) -> Tensor:
    """Minus the mean daily correlation of the soft rank with the target's rank. In [-1, 1]."""
    return -_mean_correlation(soft_ranks(pred_BN, mask_BN), targets.rank_BN, mask_BN)


def huber(pred_BN: Tensor, targets: DayTargets, mask_BN: Tensor) -> Tensor:
    """Huber distance (delta 1) to the target's rank; the only term that fixes the score's scale."""
    error_BN = torch.where(mask_BN, pred_BN - targets.rank_BN, 0.0)
    distance_BN = F.huber_loss(error_BN, torch.zeros_like(error_BN), reduction="none")
    distance_B = distance_BN.sum(dim=-1) / mask_BN.sum(dim=-1).clamp_min(1)
    return _mean_over_days(distance_B, _rankable_days(targets.rank_BN, mask_BN))


def direction(pred_BN: Tensor, targets: DayTargets, mask_BN: Tensor) -> Tensor:
    """Cross-entropy of "above the day's median", with the score as its logit.

    Not of "above zero": the move of the whole market is nothing that a rank could know.
    """
    above_BN = 0.5 + 0.5 * torch.where(mask_BN, targets.rank_BN, 0.0).sign()
    logit_BN = torch.where(mask_BN, pred_BN, 0.0)
    entropy_BN = F.binary_cross_entropy_with_logits(logit_BN, above_BN, reduction="none")
    entropy_B = torch.where(mask_BN, entropy_BN, 0.0).sum(dim=-1) / mask_BN.sum(dim=-1).clamp_min(1)
    return _mean_over_days(entropy_B, _rankable_days(targets.rank_BN, mask_BN))


def pairwise(pred_BN: Tensor, targets: DayTargets, mask_BN: Tensor) -> Tensor:
    """Logistic loss of ordering two stocks (RankNet, Burges 2005), scores in their deviations.

    Of all pairs those PARTNERS places apart in the list: O(N), the same in every step and run, and
    any two stocks are a few pairs apart.
    """
    n_B1 = mask_BN.sum(dim=-1, keepdim=True).clamp_min(1)
    z_BN = standardise(pred_BN, mask_BN) * n_B1.sqrt()
    rank_BN = torch.where(mask_BN, targets.rank_BN, 0.0)
    total_B, pairs_B = torch.zeros_like(z_BN[:, 0]), torch.zeros_like(n_B1[:, 0])
    for places in PARTNERS:
        order_BN = (rank_BN - rank_BN.roll(places, dims=-1)).sign()
        pair_BN = mask_BN & mask_BN.roll(places, dims=-1) & (order_BN != 0)
        wrong_BN = F.softplus(-order_BN * (z_BN - z_BN.roll(places, dims=-1)))
        total_B = total_B + torch.where(pair_BN, wrong_BN, 0.0).sum(dim=-1)
        pairs_B = pairs_B + pair_BN.sum(dim=-1)
    loss_B = total_B / pairs_B.clamp_min(1)
    return _mean_over_days(loss_B, _rankable_days(targets.rank_BN, mask_BN))


def quantile(quantile_BNQ: Tensor, targets: DayTargets, mask_BN: Tensor) -> Tensor:
    """Pinball loss (Koenker and Bassett 1978) of QUANTILE_LEVELS of the target's rank."""
    level_Q = quantile_BNQ.new_tensor(QUANTILE_LEVELS)
    error_BNQ = targets.rank_BN[..., None] - quantile_BNQ
    error_BNQ = torch.where(mask_BN[..., None], error_BNQ, 0.0)
    loss_BN = torch.maximum(level_Q * error_BNQ, (level_Q - 1.0) * error_BNQ).mean(dim=-1)
    loss_B = loss_BN.sum(dim=-1) / mask_BN.sum(dim=-1).clamp_min(1)
    return _mean_over_days(loss_B, _rankable_days(targets.rank_BN, mask_BN))


def sharpe(pred_BN: Tensor, targets: DayTargets, mask_BN: Tensor) -> Tensor:
    """Minus mean / std over the block's days of the return of weights z(p) / sum|z(p)|.

    Per horizon step, not annualised, without costs. Below MIN_SHARPE_DAYS rankable days: 0, and
    no gradient.
    """
    days_B = _rankable_days(targets.rank_BN, mask_BN)
    n = days_B.sum()
    return_B = torch.where(days_B, _long_short_returns(pred_BN, targets.y_BN, mask_BN), 0.0)
    mean = return_B.sum() / n.clamp_min(1)
    deviation_B = torch.where(days_B, return_B - mean, 0.0)
    variance = deviation_B.square().sum() / n.clamp_min(1)
    ratio = mean / torch.sqrt(variance + MIN_VOLATILITY**2)
    return torch.where(n >= MIN_SHARPE_DAYS, -ratio, 0.0 * ratio)


TERMS: dict[str, Term] = {
    "rank_ic": rank_ic,
    "cs_ic": cs_ic,
    "sharpe": sharpe,
    "huber": huber,
    "quantile": quantile,
    "direction": direction,
    "pairwise": pairwise,
    "spearman": spearman,
}


def composite(  # noqa: PLR0917 -- one tensor per meaning
    pred_BNH: Tensor,
    rank_BNH: Tensor,
    gauss_BNH: Tensor,
    y_BNH: Tensor,
    mask_BNH: Tensor,
    loss: LossConfig,
    horizons: Sequence[int],
    spread_BNHQ: Tensor | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Sum over terms and horizons of loss weight x horizon weight x term.

    `spread_BNHQ`: quantiles less score, for the quantile term; without it, all are the score.

    Returns the loss and, for each term with a weight above 0, its unweighted value, averaged over
    horizons and detached. Horizon weights are normalised to sum 1; see `LossConfig`.
    """
    weights = horizon_weights(loss, horizons)
    total = pred_BNH.new_zeros((), dtype=torch.float32)
    stacked = _horizons_first(pred_BNH, rank_BNH, gauss_BNH, y_BNH, mask_BNH, spread_BNHQ)
    values: dict[str, Tensor] = {}
    with torch.autocast(pred_BNH.device.type, enabled=False):
        for name, weight in active_terms(loss).items():
            value_H = _per_horizon(name, stacked)
            total = total + weight * _weighted(value_H, weights)
            values[name] = value_H.detach().mean()
    return total, values


def term_gradients(  # noqa: PLR0917 -- as composite
    pred_BNH: Tensor,
    rank_BNH: Tensor,
    gauss_BNH: Tensor,
    y_BNH: Tensor,
    mask_BNH: Tensor,
    loss: LossConfig,
    horizons: Sequence[int],
    spread_BNHQ: Tensor | None = None,
) -> dict[str, float]:
    """How hard each active term pulls: the norm of its gradient on the predictions.

    Weights included, as the term enters the sum; so the shares of the terms can be compared.
    """
    weights = horizon_weights(loss, horizons)
    leaf_BNH = pred_BNH.detach().float().requires_grad_()
    norms: dict[str, float] = {}
    with torch.enable_grad(), torch.autocast(pred_BNH.device.type, enabled=False):
        stacked = _horizons_first(leaf_BNH, rank_BNH, gauss_BNH, y_BNH, mask_BNH, spread_BNHQ)
        for name, weight in active_terms(loss).items():
            value_H = _per_horizon(name, stacked)
            (gradient,) = torch.autograd.grad(weight * _weighted(value_H, weights), leaf_BNH)
            norms[name] = float(gradient.norm())
    return norms


def active_terms(loss: LossConfig) -> dict[str, float]:
    """Terms with a weight above 0, in the order of the configuration."""
    return {name: weight for name, weight in loss.weights.items() if weight > 0}


def resolve(loss: LossConfig) -> None:
    """Find the terms of plug-ins, once and before the step is compiled, which could not trace it.

    UsageError where no plug-in has one.
    """
    for name in loss.own:
        _own[f"{OWN}{name}"] = plugins.find("TERMS", name, {})


def term(name: str) -> Term:
    """The function of a term."""
    return TERMS[name] if name in TERMS else _own[name]


_own: dict[str, Term] = {}
"""Terms of plug-ins that were resolved."""


def horizon_weights(loss: LossConfig, horizons: Sequence[int]) -> tuple[float, ...]:
    """Weights of the horizons, with sum 1. Plain numbers: a tensor would be copied every step."""
    raw = [loss.horizon_weights.get(h, OTHER_HORIZON_WEIGHT) for h in horizons]
    return tuple(weight / sum(raw) for weight in raw)


def _weighted(value_H: Tensor, weights: Sequence[float]) -> Tensor:
    parts = [weight * value for weight, value in zip(weights, value_H.unbind(), strict=True)]
    return torch.stack(parts).sum()


def _horizons_first(  # noqa: PLR0917 -- as composite
    pred_BNH: Tensor,
    rank_BNH: Tensor,
    gauss_BNH: Tensor,
    y_BNH: Tensor,
    mask_BNH: Tensor,
    spread_BNHQ: Tensor | None,
) -> Stacked:
    floats = (x.float().permute(2, 0, 1) for x in (pred_BNH, rank_BNH, gauss_BNH, y_BNH))
    pred_HBN, rank_HBN, gauss_HBN, y_HBN = floats
    quantile_HBNQ = pred_HBN[..., None].expand(-1, -1, -1, len(QUANTILE_LEVELS))
    if spread_BNHQ is not None:
        quantile_HBNQ = quantile_HBNQ + spread_BNHQ.float().permute(2, 0, 1, 3)
    return pred_HBN, quantile_HBNQ, rank_HBN, gauss_HBN, y_HBN, mask_BNH.permute(2, 0, 1)


def _per_horizon(name: str, stacked: Stacked) -> Tensor:
    """The term at each horizon [H] in one vectorised call: a quarter of the kernels on a GPU."""
    pred_HBN, quantile_HBNQ, *labels = stacked
    function = term(name)

    def one(seen: Tensor, rank: Tensor, gauss: Tensor, y: Tensor, mask: Tensor) -> Tensor:
        return function(seen, DayTargets(y, rank, gauss), mask)

    value_H: Tensor = torch.vmap(one)(quantile_HBNQ if name == "quantile" else pred_HBN, *labels)
    return value_H


def _rankable_days(target_BN: Tensor, mask_BN: Tensor) -> Tensor:
    highest_B = torch.where(mask_BN, target_BN, -torch.inf).amax(dim=-1)
    lowest_B = torch.where(mask_BN, target_BN, torch.inf).amin(dim=-1)
    return (mask_BN.sum(dim=-1) >= MIN_NAMES) & (highest_B > lowest_B)


def _mean_over_days(value_B: Tensor, days_B: Tensor) -> Tensor:
    return torch.where(days_B, value_B, 0.0 * value_B).sum() / days_B.sum().clamp_min(1)


def _mean_correlation(pred_BN: Tensor, target_BN: Tensor, mask_BN: Tensor) -> Tensor:
    z_BN = standardise(pred_BN, mask_BN) * standardise(target_BN, mask_BN)
    return _mean_over_days(z_BN.sum(dim=-1), _rankable_days(target_BN, mask_BN))


def _long_short_returns(pred_BN: Tensor, y_BN: Tensor, mask_BN: Tensor) -> Tensor:
    """Daily return of one unit, half long and half short, on demeaned and then clipped returns.

    The mean is that of clipped returns: one print of 50 would else push all others to the limit.
    """
    z_BN = standardise(pred_BN, mask_BN)
    weight_BN = z_BN / z_BN.abs().sum(dim=-1, keepdim=True).clamp_min(1e-6)
    y_BN = torch.where(mask_BN, y_BN, 0.0)
    sane_BN = y_BN.clamp(-MAX_RETURN, MAX_RETURN)
    mean_B1 = sane_BN.sum(dim=-1, keepdim=True) / mask_BN.sum(dim=-1, keepdim=True).clamp_min(1)
    return (weight_BN * (y_BN - mean_B1).clamp(-MAX_RETURN, MAX_RETURN)).sum(dim=-1)
