"""An epoch: all train blocks once, in shuffled order, then every validation day.

Shapes: D days, N stocks, H horizons, B days of a block.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from atft_core.data.blocks import eval_blocks, train_blocks
from atft_core.data.feeds import Feed
from atft_core.data.memory import free_memory
from atft_core.errors import DataError, NonFiniteLossError
from atft_core.objective.losses import active_terms
from atft_core.train.clock import clock_for
from atft_core.train.step import Learner, gradient_norms, predict_block, train_step

EVAL_DAYS = 128
"""Days scored at once where there is memory: the days of history before them hardly count."""
EVAL_SHARE = 0.05
"""Share of the free memory that the activations of such a block may take."""
GRADIENT_BLOCKS = 2
"""Blocks per epoch on which the pull of each loss term is measured; it waits for the device."""

Tick = Callable[[str, int, int], bool]
"""Called before each block with (phase, block, blocks). May raise to end the epoch at once. True
when this was told to the outside, which is also when the device is waited for."""


def silent(phase: str, batch: int, batches: int) -> bool:
    """A tick for work of seconds that nobody watches."""
    return False


@dataclass(frozen=True)
class TrainReport:
    """What the training part of an epoch did."""

    values: dict[str, float]
    """"loss", each active term, and "grad_" + term."""
    batches: int
    available: int
    start: float
    end: float
    """Wall clock, to be matched with samples of the GPU."""
    wait: float
    """Seconds spent waiting for the feed."""
    compute: float
    """The other seconds."""
    parts: dict[str, float]
    """Seconds in forward, backward and optimiser."""
    windows: int
    """Pairs of a stock and a prediction day."""
    delivered: int
    """Bytes that the feed delivered."""


def mixed_seed(*parts: int) -> int:
    """One seed of several numbers, as different for (1, 2) and (2, 1) as for any other two."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


def blocks_of_epoch(
    learner: Learner, days: range, *, seed: int, epoch: int
) -> tuple[list[range], int]:
    """The train blocks of an epoch, and how many there are without `max_batches`."""
    blocks = train_blocks(days, learner.train.block_days, seed=mixed_seed(seed, epoch))
    return blocks[: learner.train.max_batches or None], len(blocks)


def middle_block(days: range, block_days: int) -> range:
    """A block in the middle of `days`."""
    size = min(block_days, len(days))
    start = days.start + (len(days) - size) // 2
    return range(start, start + size)


def train_epoch(
    learner: Learner, feed: Feed, days: range, *, seed: int, epoch: int, tick: Tick
) -> TrainReport:
    """Learn from every train block once. Seeded by (seed, epoch), so a resumed epoch repeats."""
    ranks = learner.ranks
    torch.manual_seed(mixed_seed(seed, epoch, *([ranks.index] if ranks.index else [])))
    blocks, available = blocks_of_epoch(learner, days, seed=seed, epoch=epoch)
    learner.whole_days = len(blocks[0]) if blocks else 0
    ranks.align(learner.model, learner.ema)
    sums_V: Tensor | None = None
    pulls: list[dict[str, float]] = []
    windows = delivered = 0
    start, began, wait = time.time(), time.perf_counter(), 0.0
    clock = clock_for(learner.model.sector_N.device, len(blocks))
    coming = feed.blocks([ranks.share(block) for block in blocks])
    for i in range(len(blocks)):
        told = tick("train", i, len(blocks))
        asked = time.perf_counter()
        block = next(coming)
        wait += time.perf_counter() - asked
        done = (epoch - 1 + (i + 1) / len(blocks)) / learner.train.max_epochs
        clock.begin(i)
        values_V, pred_BNH = train_step(learner, block, done, clock)
        windows += pred_BNH.shape[0] * pred_BNH.shape[1]
        delivered += block.nbytes
        sums_V = values_V.clone() if sums_V is None else sums_V.add_(values_V)
        if i < GRADIENT_BLOCKS:
            pulls.append(gradient_norms(learner, block, pred_BNH))
        if told:
            _refuse_non_finite(sums_V, f"epoch {epoch}, block {i + 1} of {len(blocks)}")
    next(coming, None)  # the feed takes its last block back, and keeps its producers
    values = _mean_values(learner, sums_V, len(blocks), epoch) | _mean_pulls(pulls)
    parts = clock.seconds()
    compute = time.perf_counter() - began - wait
    return TrainReport(
        values, len(blocks), available, start, time.time(), wait, compute, parts, windows, delivered
    )


def _mean_values(learner: Learner, sums_V: Tensor | None, n: int, epoch: int) -> dict[str, float]:
    if sums_V is None:
        return {}
    means = _refuse_non_finite(sums_V / n, f"epoch {epoch}")
    return dict(zip(("loss", *active_terms(learner.loss)), means, strict=True))


def _refuse_non_finite(values_V: Tensor, where: str) -> list[float]:
    """The values on the host; waits for the device."""
    values = [float(v) for v in values_V.tolist()]
    if not np.isfinite(values).all():
        raise NonFiniteLossError(
            f"the loss is {values[0]} at {where}",
            hint="Lower train.learning_rate or train.clip_norm, or look for extreme inputs.",
        )
    return values


def _mean_pulls(pulls: Sequence[dict[str, float]]) -> dict[str, float]:
    names = pulls[0] if pulls else {}
    return {f"grad_{name}": sum(p[name] for p in pulls) / len(pulls) for name in names}


def days_at_once(learner: Learner, days: range) -> int:
    """Days that are scored at once: as many as there is memory for, within bounds.

    Not fewer than a train block, which fits with its gradients; not more than there are.
    """
    model = learner.ema
    free, stocks = free_memory(model.sector_N.device), len(model.sector_N)
    history = 4 * stocks * model.lookback * model.numbers_per_token
    per_day = 4 * stocks * (model.numbers_per_token + model.numbers_per_prediction)
    fitting = int((EVAL_SHARE * free - history) / per_day)
    return max(1, min(max(fitting, learner.train.block_days), EVAL_DAYS, len(days)))


@torch.inference_mode()
def predict_days(
    learner: Learner, feed: Feed, days: range, *, tick: Tick, phase: str
) -> NDArray[np.float32]:
    """Scores [D, N, H] of `days` by the averaged weights, on the host, dropout off."""
    learner.ema.eval()
    own = learner.ranks.share(days)
    blocks = eval_blocks(own, min(learner.eval_days, len(own)))
    scores_DNH: Tensor | None = None
    for i, block in enumerate(feed.blocks(blocks)):
        tick(phase, i, len(blocks))
        scores_BNH = predict_block(learner, learner.ema, block)
        if scores_DNH is None:
            scores_DNH = scores_BNH.new_empty(len(own), *scores_BNH.shape[1:])
        # Copied at once: a recorded graph writes the next block's scores to the same place.
        first = block.days.start - own.start
        scores_DNH[first : first + len(scores_BNH)] = scores_BNH
    if scores_DNH is None:
        raise DataError("there are no days to predict")
    (scores_DNH,) = learner.ranks.whole([scores_DNH], len(days))
    found: NDArray[np.float32] = scores_DNH.cpu().numpy()
    return found
