"""Is the network what it says it is? Checks of what a prediction depends on.

Shapes: D days, N stocks, H horizons, T = L-1+B days of a block's input.

The network gets random weights on every path, so that none is hidden by its start at 0.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from atft_core.cross_section import MIN_NAMES
from atft_core.data.blocks import Block
from atft_core.model.atft import ATFT
from atft_core.train.loop import predict_days, silent
from atft_core.train.preflight.scene import Outcome, Scene
from atft_core.train.setup import Setup, build_learner, equip

SAME = 1e-4
"""Predictions closer than this, relative to the largest, are the same but for rounding; a path
moves them by far more."""
SCORED_DAYS = 4
MUCH_DROPPED = {"dropout": 0.5, "graph_dropout": 0.5}
"""So that dropout in scoring could not be missed."""


def scores_do_not_change(scene: Scene) -> Outcome:
    """Validation days have the same scores twice: nothing is dropped or drawn in scoring."""
    days = scene.setup.split.val
    days = range(days.start, min(days.stop, days.start + SCORED_DAYS))
    learner = equip(scene.setup, build_learner(_with_model(scene.setup, **MUCH_DROPPED), trial=0))
    _shake(learner.ema)
    first_DNH, second_DNH = (
        predict_days(learner, scene.feed, days, tick=silent, phase="preflight") for _ in range(2)
    )
    gap = float(np.abs(first_DNH - second_DNH).max() / max(np.abs(first_DNH).max(), 1e-12))
    return Outcome(gap < SAME, f"{len(days)} days scored twice differ by {gap:.2g} of the largest")


def stocks_are_told_apart(scene: Scene) -> Outcome:
    """Two stocks of a day have two scores: a constant ranks nothing."""
    scores_BNH = _predict(_network(scene.setup), scene.block)
    valid_BN = scene.block.valid_TN[-len(scene.block.days) :]
    high_BH = torch.where(valid_BN[..., None], scores_BNH, -torch.inf).amax(dim=1)
    low_BH = torch.where(valid_BN[..., None], scores_BNH, torch.inf).amin(dim=1)
    ranked_B = valid_BN.sum(dim=1) >= MIN_NAMES
    if not ranked_B.any():
        return Outcome(False, f"no day of a block has {MIN_NAMES} stocks")
    spread = float((high_BH - low_BH)[ranked_B].min() / scores_BNH.abs().max().clamp_min(1e-12))
    return Outcome(spread > SAME, f"scores of a day are {spread:.2g} of the largest apart")


def the_last_day_is_seen(scene: Scene) -> Outcome:
    """Other features on the prediction day itself give another prediction."""
    changed = _with_days(scene.block, -1)
    moved = _moved(scene, scene.block, changed)[-1]
    return Outcome(moved > SAME, f"the last prediction moves by {moved:.2g} of the largest")


def later_days_are_not_seen(scene: Scene) -> Outcome:
    """Other features, market and masks on later days leave earlier predictions as they are."""
    middle = len(scene.block.days) // 2
    later = scene.setup.config.model.lookback - 1 + middle
    moved = _moved(scene, scene.block, _with_days(scene.block, later))[:middle]
    worst = max(moved, default=0.0)
    return Outcome(worst < SAME, f"{middle} earlier predictions move by {worst:.2g} of the largest")


def days_of_a_block_do_not_mix(scene: Scene) -> Outcome:
    """The last day alone is predicted as it is among the days of its block."""
    lookback, block = scene.setup.config.model.lookback, scene.block
    alone = replace(
        block,
        days=block.days[-1:],
        x_TNF=block.x_TNF[-lookback:],
        market_TM=block.market_TM[-lookback:],
        valid_TN=block.valid_TN[-lookback:],
    )
    model = _network(scene.setup)
    gap = float(_gaps(_predict(model, alone)[-1], _predict(model, block)[-1]).max())
    note = f"alone and in a block of {len(block.days)} differ by {gap:.2g} of the largest"
    return Outcome(gap < SAME, note)


def stocks_do_not_mix_without_the_graph(scene: Scene) -> Outcome:
    """With the graph off, other features of all other stocks leave a stock's prediction."""
    x_TNF = scene.block.x_TNF.clone()
    x_TNF[:, 1:] = -x_TNF[:, 1:] + 1.0
    changed = replace(scene.block, x_TNF=x_TNF)
    model = _network(scene.setup, graph=False)
    gap = float(_gaps(_predict(model, changed), _predict(model, scene.block))[:, 0].max())
    return Outcome(gap < SAME, f"a prediction moves by {gap:.2g} of the largest")


def _network(setup: Setup, **switches: bool) -> ATFT:
    """A trial's network with something on every path."""
    model = build_learner(_with_model(setup, **switches), trial=0).model
    _shake(model)
    return model.eval()


def _with_model(setup: Setup, **changes: Any) -> Setup:
    """The setup with another network."""
    model = setup.config.model.model_copy(update=changes)
    return replace(setup, config=setup.config.model_copy(update={"model": model}))


@torch.no_grad()
def _shake(model: ATFT) -> None:
    for parameter in model.parameters():
        parameter.add_(0.1 * torch.randn_like(parameter))


@torch.inference_mode()
def _predict(model: ATFT, block: Block) -> Tensor:
    scores: Tensor = model(block.x_TNF, block.market_TM, block.valid_TN, block.neighbours_TNK)
    return scores


def _moved(scene: Scene, before: Block, after: Block) -> list[float]:
    """Largest change of a prediction by day, over the stocks that are valid in both."""
    model, days = _network(scene.setup), len(before.days)
    gap_BN = _gaps(_predict(model, after), _predict(model, before)).amax(dim=2)
    both_BN = before.valid_TN[-days:] & after.valid_TN[-days:]
    return [float(gap) for gap in torch.where(both_BN, gap_BN, 0.0).amax(dim=1)]


def _gaps(after: Tensor, before: Tensor) -> Tensor:
    """How far predictions have moved, relative to the largest: raw features have any size."""
    return (after - before).abs() / before.abs().max().clamp_min(1.0)


def _with_days(block: Block, first: int) -> Block:
    """The block with other features and market from input day `first` on, and all stocks valid."""
    x_TNF, market_TM, valid_TN = (
        given.clone() for given in (block.x_TNF, block.market_TM, block.valid_TN)
    )
    x_TNF[first:] = 1.0 - x_TNF[first:]
    market_TM[first:] += 1.0
    valid_TN[first:] = True
    return replace(block, x_TNF=x_TNF, market_TM=market_TM, valid_TN=valid_TN)
