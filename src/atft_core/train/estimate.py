"""How long, how large: projected from some blocks on this machine."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace

import torch

from atft_core.data.feeds import Feed
from atft_core.data.splits import folds_of
from atft_core.model.atft import count_parameters
from atft_core.run.events import Json
from atft_core.run.processes.alive import start_time
from atft_core.train import disk, results
from atft_core.train.compiled import compile_step, worth_compiling
from atft_core.train.disk import disk_bytes
from atft_core.train.loop import blocks_of_epoch, predict_days, silent
from atft_core.train.rounds import rounds
from atft_core.train.setup import Setup, build_learner, equip
from atft_core.train.step import Learner, train_step

TIMED_BLOCKS = 20
TIMED_SECONDS = 3.0
"""Enough of them when blocks are slow."""


def process_age() -> float:
    """Seconds since this process started: what a worker needs until it can train."""
    ticks = start_time(os.getpid())
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def project(setup: Setup, feed: Feed, *, startup: float) -> Json:
    """Seconds per epoch, trial and sweep from some blocks on this machine, and bytes on disk."""
    config = setup.config
    learner = equip(setup, build_learner(setup, trial=0))
    if worth_compiling(setup.device, config.train.compile):
        startup += compile_step(learner, feed, setup.split).seconds
    blocks, _ = blocks_of_epoch(learner, setup.split.train, seed=0, epoch=1)
    per_day = _seconds_per_eval_day(setup, learner, feed)
    per_block = _seconds_per_block(setup, learner, feed, blocks)
    epoch = per_block * len(blocks) + per_day * len(setup.split.val)
    trial = startup + config.train.max_epochs * epoch * _longer_folds(setup)
    rows = int(setup.panel.valid_TN[setup.split.val.start : setup.split.val.stop].sum())
    return {
        "block_seconds": per_block,
        "startup_seconds": startup,
        "epoch_seconds": epoch,
        "trial_seconds": trial,
        "sweep_seconds": rounds(config, torch.cuda.device_count()) * trial,
        "disk_bytes": disk_bytes(config, rows, _most_parameters(setup)),
    }


def _longer_folds(setup: Setup) -> float:
    """Training days of the folds of a walk-forward, on average, in those of the first."""
    if not setup.config.split.folds:
        return 1.0
    days = [len(split.train) for split in folds_of(setup.config, setup.panel.dates_T)]
    return statistics.mean(days) / max(len(setup.split.train), 1)


def _most_parameters(setup: Setup) -> int:
    """Weights of the largest network that the search can draw."""
    largest = replace(setup, config=disk.largest(setup.config))
    return count_parameters(build_learner(largest, trial=0).model)


def _seconds_per_block(
    setup: Setup, learner: Learner, feed: Feed, blocks: Sequence[range]
) -> float:
    """Median over the timed blocks, the first left out: it pays for what is made only once."""
    took: list[float] = []
    began = start = time.perf_counter()
    # As in training: while a block is computed, the feed prepares the next ones.
    for i, block in enumerate(feed.blocks(blocks[: TIMED_BLOCKS + 1])):
        train_step(learner, block, done=(i + 1) / (TIMED_BLOCKS + 1))
        _wait(setup.device)
        now = time.perf_counter()
        took.append(now - start)
        start = now
        if i > 1 and now - began > TIMED_SECONDS:
            break
    return statistics.median(took[1:] or took)


def _seconds_per_eval_day(setup: Setup, learner: Learner, feed: Feed) -> float:
    """Predicting and measuring a validation day."""
    days = setup.split.val[: learner.eval_days]
    start = time.perf_counter()
    pred_DNH = predict_days(learner, feed, days, tick=silent, phase="validate")
    results.score(setup.panel, "val", days, pred_DNH)
    return (time.perf_counter() - start) / len(days)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
