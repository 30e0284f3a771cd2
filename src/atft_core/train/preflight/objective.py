"""Do loss, metrics and search do what they say? Checks of what a trial is judged by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from atft_core.config.keys import get
from atft_core.config.load import with_values
from atft_core.config.loss import BUILT_IN, OWN, LossConfig
from atft_core.config.schema import Config
from atft_core.config.search import Choice, Range
from atft_core.objective.losses import active_terms, composite, horizon_weights
from atft_core.objective.metrics import daily_metrics
from atft_core.train.loop import blocks_of_epoch
from atft_core.train.preflight.scene import Outcome, Scene
from atft_core.train.setup import Setup, build_learner, make_setup
from atft_core.train.step import labels_of

METRIC_DAYS = 20
WIRED = 1e-3
"""How far, relative to its length, the gradient of the loss may be from the sum of its terms'."""


def loss_terms_pull_the_right_way(scene: Scene) -> Outcome:
    """From random predictions, a step towards the label's rank makes each active term smaller."""
    block, loss = scene.block, scene.setup.config.loss
    slopes = {
        name: float((loss_gradient(scene, _alone(loss, name)) * block.rank_BNH).sum())
        for name in active_terms(loss)
    }
    detail = ", ".join(f"{name} {slope:+.3g}" for name, slope in slopes.items())
    idle = [name for name, slope in slopes.items() if slope == 0]
    note = (
        f"; no gradient: {', '.join(idle)} in blocks of {len(block.days)} days with so few ranked "
        "stocks: set its weight to 0, or train.block_days higher"
        if idle
        else ""
    )
    return Outcome(all(slope < 0 for slope in slopes.values()), f"slopes {detail}{note}")


def every_loss_term_counts(scene: Scene) -> Outcome:
    """The gradient of the loss is the sum of its terms', each times its weight."""
    loss = scene.setup.config.loss
    whole_BNH = loss_gradient(scene, loss)
    sum_BNH = torch.zeros_like(whole_BNH)
    for name, weight in active_terms(loss).items():
        sum_BNH += weight * loss_gradient(scene, _alone(loss, name))
    if not whole_BNH.isfinite().all():
        return Outcome(False, "the gradient of the loss is not finite: are its weights too large?")
    gap = float((whole_BNH - sum_BNH).norm() / sum_BNH.norm().clamp_min(1e-12))
    return Outcome(gap < WIRED, f"the loss differs from the sum of its terms by {gap:.1g}")


def _alone(loss: LossConfig, name: str) -> LossConfig:
    """The loss with one term of weight 1."""
    none = dict.fromkeys(BUILT_IN, 0.0)
    if name.startswith(OWN):
        return loss.model_copy(update={**none, "own": {name.removeprefix(OWN): 1.0}})
    return loss.model_copy(update={**none, "own": {}, name: 1.0})


def loss_gradient(scene: Scene, loss: LossConfig) -> Tensor:
    """What the loss would change in random predictions of a block, [B, N, H]."""
    block = scene.block
    noise_BNH = torch.from_numpy(
        np.random.default_rng(0).standard_normal(tuple(block.rank_BNH.shape), dtype=np.float32)
    )
    pred_BNH = noise_BNH.to(block.rank_BNH.device).requires_grad_()
    total, _ = composite(pred_BNH, *labels_of(block), loss, scene.setup.panel.horizons)
    if not total.requires_grad:  # a term that is a constant to the network
        return torch.zeros_like(pred_BNH)
    (gradient_BNH,) = torch.autograd.grad(total, pred_BNH)
    return gradient_BNH


def metrics_know_good_from_bad(scene: Scene) -> Outcome:
    """Labels as predictions have RankIC 1 on every valid day, reversed ones -1."""
    panel, days = scene.setup.panel, scene.setup.split.val
    span = slice(days.start, min(days.stop, days.start + METRIC_DAYS))
    y_DNH, valid_DN = panel.y_TNH[span], panel.valid_TN[span]
    worst = 0.0
    for sign in (1.0, -1.0):
        daily = daily_metrics(sign * np.nan_to_num(y_DNH), y_DNH, valid_DN)
        if not daily.valid_DH.any(axis=0).all():
            return Outcome(False, f"no day among the first {METRIC_DAYS} of validation is valid")
        worst = max(worst, float(np.nanmax(np.abs(daily.rank_ic_DH - sign))))
    return Outcome(worst < 1e-9, f"perfect and reversed ranks are off by {worst:.1g}")


def searched_parameters_take_effect(scene: Scene) -> Outcome:
    """Each value of each searched key builds another trial."""
    config = scene.setup.config
    idle = [
        key
        for key, space in config.search.items()
        if not _all_different(scene.setup, key, _values(config, key, space))
    ]
    if idle:
        return Outcome(False, f"without effect on the trial: {', '.join(idle)}")
    return Outcome(True, f"{len(config.search)} searched keys, each changes the trial")


def _values(config: Config, key: str, space: Range | Choice) -> list[Any]:
    if isinstance(space, Choice):
        return list(space.choices)
    ends = [space.low, space.high]
    return [int(end) for end in ends] if type(get(config, key)) is int else ends


def _all_different(setup: Setup, key: str, values: list[Any]) -> bool:
    built = {_fingerprint(setup, with_values(setup.config, {key: value})) for value in values}
    return len(built) == len(values)


def _fingerprint(setup: Setup, config: Config) -> str:
    """Everything about a trial that its configuration can change, as text."""
    setup = make_setup(config, setup.panel)  # the panel must be long enough for each of them
    learner = build_learner(setup, trial=0)
    optimiser: Sequence[Mapping[str, Any]] = learner.optimiser.param_groups
    loss, train = config.loss, config.train
    parts = (
        repr(learner.model),
        [(name, tuple(p.shape)) for name, p in learner.model.named_parameters()],
        [{k: v for k, v in group.items() if k != "params"} for group in optimiser],
        active_terms(loss),
        horizon_weights(loss, setup.panel.horizons),
        blocks_of_epoch(learner, setup.split.train, seed=train.seed, epoch=1),
        (train.max_epochs, train.clip_norm, train.ema, train.sparsity, train.phases, learner.amp),
        learner.model.blur_M.tolist(),
    )
    return repr(parts)
