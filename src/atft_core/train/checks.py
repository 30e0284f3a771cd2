"""What must be true before a GPU hour is spent. One small function per check, one table.

Shapes: D days, N stocks, F features, H horizons, T = L-1+B days of a block's input.

The checks use what the trials use: the run's panel, feed, network, loss and metric code, on a few
days each. The network gets random weights on every path, so that none is hidden by its start at 0.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from atft_core.config.keys import get
from atft_core.config.load import with_values
from atft_core.config.schema import Config, ModelConfig
from atft_core.config.search import Choice, Range
from atft_core.cross_section import centred_ranks
from atft_core.data.blocks import Block
from atft_core.data.leaks import LEAK, leaks, panel_leaks, spaced_days
from atft_core.model.atft import ATFT
from atft_core.objective.losses import TERMS, active_terms, composite, horizon_weights
from atft_core.objective.metrics import daily_metrics
from atft_core.train.loop import blocks_of_epoch
from atft_core.train.report import log, reason
from atft_core.train.setup import Setup, build_learner, make_setup

METRIC_DAYS = 20
SAME = 1e-4
"""Predictions closer than this, relative to the largest, are the same but for rounding; a path
moves them by far more."""


@dataclass(frozen=True)
class Scene:
    """What a check may look at."""

    setup: Setup
    block: Block
    """Training days in the middle of the panel."""
    disk_bytes: int
    """What the sweep will leave on disk."""
    path: Path
    """The run directory."""


@dataclass(frozen=True)
class Outcome:
    """Whether it holds, and the numbers that say so."""

    ok: bool
    detail: str


def run_checks(scene: Scene) -> list[dict[str, Any]]:
    """All checks, in order; one that cannot be made has failed."""
    found = []
    for name, check in CHECKS.items():
        try:
            outcome = check(scene)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the night must hear of it
            log.info("The check %r cannot be made", name, exc_info=error)
            outcome = Outcome(False, reason(error))
        found.append({"name": name, "ok": outcome.ok, "detail": outcome.detail})
    return found


def loss_terms_pull_the_right_way(scene: Scene) -> Outcome:
    """From random predictions, a step towards the label's rank makes each active term smaller."""
    block, loss = scene.block, scene.setup.config.loss
    noise_BNH = torch.from_numpy(
        np.random.default_rng(0).standard_normal(tuple(block.rank_BNH.shape), dtype=np.float32)
    )
    pred_BNH = noise_BNH.to(block.rank_BNH.device).requires_grad_()
    labels = (block.rank_BNH, block.gauss_BNH, block.y_BNH, block.mask_BNH)
    slopes = {}
    for name in active_terms(loss):
        alone = loss.model_copy(update=dict.fromkeys(TERMS, 0.0) | {name: 1.0})
        total, _ = composite(pred_BNH, *labels, alone, scene.setup.panel.horizons)
        (gradient_BNH,) = torch.autograd.grad(total, pred_BNH)
        slopes[name] = float((gradient_BNH * block.rank_BNH).sum())
    detail = ", ".join(f"{name} {slope:+.3g}" for name, slope in slopes.items())
    idle = [name for name, slope in slopes.items() if slope == 0]
    note = (
        f"; no gradient: {', '.join(idle)} in blocks of {len(block.days)} days with so few ranked "
        "stocks: set its weight to 0, or train.block_days higher"
        if idle
        else ""
    )
    return Outcome(all(slope < 0 for slope in slopes.values()), f"slopes {detail}{note}")


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


def splits_are_apart(scene: Scene) -> Outcome:
    """No label of a day ends in the next part, and no input begins before the panel."""
    split, label = scene.setup.split, scene.setup.config.label
    reach = label.entry_lag + max(label.horizons)
    gaps = [
        split.val.start - (split.train.stop - 1) - reach,
        split.holdout.start - (split.val.stop - 1) - reach,
    ]
    history = split.train.start - (scene.setup.config.model.lookback - 1)
    ok = min(gaps) > 0 and history >= 0 and split.holdout.stop <= len(scene.setup.panel.dates_T)
    return Outcome(ok, f"labels end {gaps[0]} and {gaps[1]} days before the next part")


def a_planted_leak_is_found(scene: Scene) -> Outcome:
    """Were a feature the label itself, the correlation would name it."""
    panel = scene.setup.panel
    x_DNF, y_DNH, valid_DN = spaced_days(panel, scene.setup.split.train)
    planted_DN1 = np.nan_to_num(centred_ranks(y_DNH[..., 0], valid_DN))[..., None]
    with_leak_DNF = np.concatenate([x_DNF, planted_DN1.astype(np.float32)], axis=2)
    found = leaks(with_leak_DNF, y_DNH, valid_DN, [*panel.features, "planted"], panel.horizons)
    named = [leak.feature for leak in found]
    return Outcome("planted" in named, f"named: {', '.join(named) or 'nothing'}")


def no_feature_is_the_label(scene: Scene) -> Outcome:
    """No feature's mean daily correlation with a label is beyond what prediction can reach."""
    found = panel_leaks(scene.setup.panel, scene.setup.split.train)
    if found:
        return Outcome(False, "; ".join(map(str, found)))
    return Outcome(True, f"all correlations with the label are within {LEAK}")


def the_disk_has_room(scene: Scene) -> Outcome:
    """What the sweep will write fits."""
    free = shutil.disk_usage(scene.path).free
    need = f"{scene.disk_bytes / 2**20:.0f} MiB needed, {free / 2**20:.0f} MiB free"
    return Outcome(free > scene.disk_bytes, need)


CHECKS: dict[str, Callable[[Scene], Outcome]] = {
    "loss terms pull the right way": loss_terms_pull_the_right_way,
    "metrics know good from bad": metrics_know_good_from_bad,
    "the last day is seen": the_last_day_is_seen,
    "later days are not seen": later_days_are_not_seen,
    "days of a block do not mix": days_of_a_block_do_not_mix,
    "stocks do not mix without the graph": stocks_do_not_mix_without_the_graph,
    "searched parameters take effect": searched_parameters_take_effect,
    "splits are apart": splits_are_apart,
    "a planted leak is found": a_planted_leak_is_found,
    "no feature is the label": no_feature_is_the_label,
    "the disk has room": the_disk_has_room,
}


def _network(setup: Setup, **switches: bool) -> ATFT:
    """A trial's network with something on every path."""
    model_config: ModelConfig = setup.config.model.model_copy(update=switches)
    config = setup.config.model_copy(update={"model": model_config})
    model = build_learner(replace(setup, config=config), trial=0).model
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval()


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
