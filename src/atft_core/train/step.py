"""One optimiser step: what is learnt, how fast, and the averaged weights that validation uses.

Shapes: B days of a block, N stocks, H horizons, V values (the loss, then the active terms).

Nothing here waits for the device: values stay there until somebody asks for them.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import AdamW

from atft_core.config.loss import LossConfig
from atft_core.config.schema import TrainConfig
from atft_core.data.blocks import Block
from atft_core.model.atft import ATFT
from atft_core.objective.losses import composite, term_gradients
from atft_core.train.clock import Clock, NoClock
from atft_core.train.kept import KeptStatistics
from atft_core.train.ranks import Alone, Ranks

WARM_UP = 0.05
"""Share of all steps over which the learning rate rises: Adam's second moments are guesses then."""
FLOOR = 0.05
"""Share of the peak learning rate at the last step."""
BETAS = (0.9, 0.98)
"""Decay of Adam's moments; 0.98 rather than 0.999, as a dry run has a hundred steps."""
UNDECAYED = ("kind_A4", "bias_GD")
"""Parameters with two dimensions that are biases by meaning."""
BY_AGE = ("age_AL", "kernel_CL")
"""Parameters with a value per day of age: they have far to go, and do not decay."""
AGE_RATE = 10.0
"""Their learning rate, in those of the others."""
LINEAR_SHARE = 0.3
"""Sparsity of the linear path, whose columns have one weight instead of a vector."""


ModelInputs = tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None]
"""x_TNF, market_TM, valid_TN, neighbours_TNK and kept statistics_BNX."""
BlockLabels = tuple[Tensor, Tensor, Tensor, Tensor]
"""rank_BNH, gauss_BNH, y_BNH and mask_BNH."""
ScoresOf = Callable[[ATFT, ModelInputs, bool], Tensor]
LossOf = Callable[
    [ATFT, ModelInputs, BlockLabels, LossConfig, Sequence[int], bool], tuple[Tensor, Tensor, Tensor]
]


@dataclass
class Learner:
    """A network in training with everything that has to be kept to go on."""

    model: ATFT
    ema: ATFT
    """The averaged weights: validated, stored and scored."""
    optimiser: AdamW
    train: TrainConfig
    loss: LossConfig
    horizons: Sequence[int]
    amp: bool
    """Whether the forward pass runs in bfloat16."""
    ranks: Ranks = field(default_factory=Alone)
    """Who works at it together."""
    whole_days: int = 0
    """Days of a train block, of which each rank has its part."""
    kept: KeptStatistics | None = None
    """Window statistics that need not be computed again."""
    eval_days: int = 16
    """Days that are scored at once: one number for a trial, since a compiler wants one shape."""
    steps: int = 0
    rate: float = 1.0
    """Of the phase, in learning rates of the schedule."""
    last_rate: float = 0.0
    """Of the last step."""
    noise: float = 0.0
    """On the features in training, in their deviations."""
    loss_of: LossOf = field(default_factory=lambda: loss_of)
    """`loss_of`, or what a compiler made of it."""
    scores_of: ScoresOf = field(default_factory=lambda: scores_of)
    """`scores_of`, or what a compiler made of it."""


def make_learner(
    model: ATFT, train: TrainConfig, loss: LossConfig, horizons: Sequence[int]
) -> Learner:
    """A learner at step 0, on the device that `model` is on."""
    on_gpu = next(model.parameters()).is_cuda
    optimiser = AdamW(
        parameter_groups(model, train.weight_decay),
        lr=train.learning_rate,
        betas=BETAS,
        fused=on_gpu,
    )
    ema = copy.deepcopy(model).requires_grad_(False).eval()
    amp = train.amp == "bfloat16" or (train.amp == "auto" and on_gpu)
    return Learner(model, ema, optimiser, train, loss, horizons, amp)


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Matrices decay; norms and biases, whose size means something, do not; each with its rate."""
    decayed: list[nn.Parameter] = []
    kept: list[nn.Parameter] = []
    by_age: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        own = name.rpartition(".")[2]
        bias = parameter.ndim < 2 or own in UNDECAYED
        (by_age if own in BY_AGE else kept if bias else decayed).append(parameter)
    groups: list[dict[str, object]] = [
        {"params": decayed, "weight_decay": weight_decay, "scale": 1.0},
        {"params": kept, "weight_decay": 0.0, "scale": 1.0},
        {"params": by_age, "weight_decay": 0.0, "scale": AGE_RATE},
    ]
    return [group for group in groups if group["params"]]


def learning_rate(peak: float, done: float) -> float:
    """Rate of the step after which the share `done` (0 to 1] of all steps is done."""
    if done < WARM_UP:
        return peak * done / WARM_UP
    cosine = 0.5 * (1.0 + math.cos(math.pi * (done - WARM_UP) / (1.0 - WARM_UP)))
    return peak * (FLOOR + (1.0 - FLOOR) * cosine)


def scores_of(model: ATFT, inputs: ModelInputs, amp: bool) -> Tensor:
    """Scores [B, N, H] of the days of a block, float32."""
    with torch.autocast(inputs[0].device.type, torch.bfloat16, enabled=amp):
        scores: Tensor = model(*inputs)
    return scores.float()


def loss_of(  # noqa: PLR0917 -- all that a compiler has to see
    model: ATFT,
    inputs: ModelInputs,
    labels: BlockLabels,
    loss: LossConfig,
    horizons: Sequence[int],
    amp: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """The loss; its values [V] and the predictions [B, N, H], both detached."""
    with torch.autocast(inputs[0].device.type, torch.bfloat16, enabled=amp):
        pred_BNH, spread_BNHQ = model.scores(*inputs)
    total, terms = composite(pred_BNH.float(), *labels, loss, horizons, spread_BNHQ)
    return total, torch.stack([total.detach(), *terms.values()]), pred_BNH.detach()


def inputs_of(learner: Learner, model: ATFT, block: Block) -> ModelInputs:
    """What the model sees of a block."""
    statistics_BNX = learner.kept.of(model, block) if learner.kept else None
    return block.x_TNF, block.market_TM, block.valid_TN, block.neighbours_TNK, statistics_BNX


def labels_of(block: Block) -> BlockLabels:
    """What the loss sees of a block."""
    return block.rank_BNH, block.gauss_BNH, block.y_BNH, block.mask_BNH


def predict_block(learner: Learner, model: ATFT, block: Block) -> Tensor:
    """Scores [B, N, H] of the days of a block, by the learner's model or its average."""
    return learner.scores_of(model, inputs_of(learner, model, block), learner.amp)


def train_step(
    learner: Learner, block: Block, done: float, clock: Clock | None = None
) -> tuple[Tensor, Tensor]:
    """Learn from one block; returns values [V] and predictions [B, N, H], both detached."""
    clock = clock or NoClock()
    rate = learner.rate * learning_rate(learner.train.learning_rate, done)
    learner.last_rate = rate
    for group in learner.optimiser.param_groups:
        group["lr"] = rate * group["scale"]
    total, values_V, pred_BNH = block_loss(learner, block)
    clock.ended("forward")
    learner.optimiser.zero_grad(set_to_none=True)
    total.backward()  # type: ignore[no-untyped-call]
    learner.ranks.sum_gradients(learner.model.parameters())
    clock.ended("backward")
    clip_grad_norm_(learner.model.parameters(), learner.train.clip_norm)
    learner.optimiser.step()
    shrink_columns(learner.model, learner.train.sparsity * rate)
    learner.steps += 1
    _average(learner)
    clock.ended("optimiser")
    return values_V, pred_BNH


def block_loss(learner: Learner, block: Block) -> tuple[Tensor, Tensor, Tensor]:
    """The loss of a block in training, its values and the predictions."""
    inputs = inputs_of(learner, learner.model, block)
    if learner.noise:
        x_TNF, statistics_BNX = inputs[0], inputs[-1]
        if statistics_BNX is None:  # kept ones are of the features as they are, so these are, too
            statistics_BNX = learner.model.window_statistics(x_TNF, block.valid_TN)
        x_TNF = x_TNF + learner.noise * torch.randn_like(x_TNF)
        inputs = (x_TNF, block.market_TM, block.valid_TN, block.neighbours_TNK, statistics_BNX)
    labels, loss, amp = labels_of(block), learner.loss, learner.amp
    if learner.ranks.count > 1:
        return _loss_of_whole(learner, inputs, labels)
    return learner.loss_of(learner.model.train(), inputs, labels, loss, learner.horizons, amp)


def _loss_of_whole(
    learner: Learner, inputs: ModelInputs, labels: BlockLabels
) -> tuple[Tensor, Tensor, Tensor]:
    """As `loss_of`, of the block of which this rank sees a part."""
    with torch.autocast(inputs[0].device.type, torch.bfloat16, enabled=learner.amp):
        pred_BNH, spread_BNHQ = learner.model.train().scores(*inputs)
    own = [pred_BNH.float(), *labels] + ([] if spread_BNHQ is None else [spread_BNHQ])
    pred_BNH, *rest = learner.ranks.whole(own, learner.whole_days)
    rank_BNH, gauss_BNH, y_BNH, mask_BNH, *spread = rest
    total, terms = composite(
        pred_BNH, rank_BNH, gauss_BNH, y_BNH, mask_BNH, learner.loss, learner.horizons, *spread
    )
    return total, torch.stack([total.detach(), *terms.values()]), pred_BNH.detach()


def gradient_norms(learner: Learner, block: Block, pred_BNH: Tensor) -> dict[str, float]:
    """How hard each active term pulls at the predictions of a whole block; waits for the device."""
    own = list(labels_of(block))
    if learner.loss.quantile:
        with torch.no_grad():
            _, spread_BNHQ = learner.model.scores(*inputs_of(learner, learner.model, block))
        own += [] if spread_BNHQ is None else [spread_BNHQ]
    rank_BNH, gauss_BNH, y_BNH, mask_BNH, *spread = learner.ranks.whole(own, len(pred_BNH))
    return term_gradients(
        pred_BNH, rank_BNH, gauss_BNH, y_BNH, mask_BNH, learner.loss, learner.horizons, *spread
    )


@torch.no_grad()
def shrink_columns(model: ATFT, by: float) -> None:
    """Make every input column's weights shorter by `by`, and 0 where they are not that long.

    The proximal step of a group lasso (Yuan and Lin 2006): a column that does not earn its keep
    step after step is gone, while weight decay only makes it smaller. Without it the network
    memorises (docs/experiments.md).
    """
    if not by:
        return
    for weight in model.input_columns():
        if weight.grad is None:
            continue  # a block that is off or frozen keeps its weights
        length = weight.norm(dim=0, keepdim=True)
        weight.mul_((1.0 - by / length.clamp_min(by)).clamp_min(0.0))
    if model.head.linear is not None and model.head.linear.weight.grad is not None:
        weight = model.head.linear.weight
        weight.copy_(nn.functional.softshrink(weight, LINEAR_SHARE * by))


@torch.no_grad()
def _average(learner: Learner) -> None:
    """Move the averaged weights; early on they follow faster, else they would remember the start.

    With decay 0 they are the weights themselves.
    """
    decay = min(learner.train.ema, (1 + learner.steps) / (10 + learner.steps))
    averaged: list[Tensor] = list(learner.ema.parameters())
    weights: list[Tensor] = list(learner.model.parameters())
    torch._foreach_lerp_(averaged, weights, 1.0 - decay)
