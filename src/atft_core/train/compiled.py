"""Compiling the step, where it pays: on a GPU, whose kernels are launched one by one otherwise.

One graph per kind of block, all of one shape (`fullgraph`, static); on CUDA its kernels are
recorded and replayed as a whole. What was compiled is kept on disk, so the next trial finds it.
Where that cannot be, for want of a compiler for instance, the step stays as it is, and says why.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

import torch

from atft_core.data.feeds import Feed
from atft_core.data.splits import Split
from atft_core.train.loop import middle_block
from atft_core.train.step import Learner, block_loss, loss_of, predict_block, scores_of

Wanted = Literal["auto", "on", "off"]


@dataclass(frozen=True)
class Compiled:
    """Whether the step was compiled, and what that took."""

    state: str
    """on, off, or why it is eager all the same."""
    seconds: float = 0.0


def worth_compiling(device: torch.device, wanted: Wanted) -> bool:
    """Whether to compile. "auto": on CUDA; on a CPU it took 40 s and the step was slower for it."""
    return wanted == "on" or (wanted == "auto" and device.type == "cuda")


def compile_step(learner: Learner, feed: Feed, split: Split) -> Compiled:
    """Compile training and scoring on blocks of the sizes that will come; nothing is learnt."""
    device = learner.model.sector_N.device
    missing = missing_compiler(device)
    if missing:
        return Compiled(f"eager: {missing}")
    mode = "reduce-overhead" if device.type == "cuda" else "default"
    began = time.perf_counter()
    try:
        learner.loss_of = torch.compile(loss_of, fullgraph=True, dynamic=False, mode=mode)
        learner.scores_of = torch.compile(scores_of, fullgraph=True, dynamic=False, mode=mode)
        _try(learner, feed, split)
    except Exception as error:  # noqa: BLE001 -- a compiler may fail in any way
        learner.loss_of, learner.scores_of = loss_of, scores_of
        lines = str(error).strip().splitlines()[:2]  # of what it raised, and why
        return Compiled(f"eager: {type(error).__name__}: {' '.join(lines)}"[:200])
    return Compiled("on", time.perf_counter() - began)


def missing_compiler(device: torch.device) -> str:
    """What is not there but needed to compile for the device; empty when all is."""
    if device.type == "cuda" and find_spec("triton") is None:
        return "triton is not installed"
    if not any(shutil.which(name) for name in ("cc", "gcc", "g++", "clang")):
        return "no C compiler on the PATH"
    return ""


def _try(learner: Learner, feed: Feed, split: Split) -> None:
    """Compile by using it: twice, as graphs are recorded the second time."""
    for _ in range(2):
        block = feed.block(middle_block(split.train, learner.train.block_days))
        total, _, _ = block_loss(learner, block)
        total.backward()  # type: ignore[no-untyped-call]
        learner.optimiser.zero_grad(set_to_none=True)
        with torch.inference_mode():
            block = feed.block(middle_block(split.val, learner.eval_days))
            predict_block(learner, learner.ema.eval(), block)
