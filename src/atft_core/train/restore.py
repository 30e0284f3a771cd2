"""A trained trial as it was after its last epoch, to score days with."""

from __future__ import annotations

from typing import Any

import torch

from atft_core.errors import CheckpointError
from atft_core.run.directory import RunDirectory
from atft_core.run.files import read_json
from atft_core.train import checkpoint
from atft_core.train.checkpoint import Checkpoint
from atft_core.train.phases import enter
from atft_core.train.setup import Setup, build_learner, configured_threads, owner
from atft_core.train.step import Learner


def restored(run: RunDirectory, trial: int, setup: Setup) -> Learner:
    """The averaged weights that a trial was measured with, in a network for this setup.

    Its panel may be another than the trial's: weights know columns, not stocks. CheckpointError
    when they are not there any more: those of the epoch before would be another model.
    """
    torch.set_num_threads(configured_threads(setup.config))
    found = measured_weights(run, trial, setup)
    learner = build_learner(setup, trial)
    checkpoint.load_weights(found, ema=learner.ema)
    enter(learner, setup.config.loss, found.epoch)
    return learner


def measured_weights(run: RunDirectory, trial: int, setup: Setup) -> Checkpoint:
    """The checkpoint of the epoch that validation measured last; CheckpointError without it."""
    files = run.trial(trial)
    metrics: Any = read_json(files.metrics) or {}
    epochs = [int(row["epoch"]) for row in metrics.get("epochs", [])]
    found, notes = checkpoint.newest(files.checkpoints, owner(setup, trial))
    if found is not None and [found.epoch] == epochs[-1:]:
        return found
    there = f"epoch {found.epoch}" if found else "none"
    measured = f"after epoch {epochs[-1]}" if epochs else "never"
    raise CheckpointError(
        f"Trial {trial} of {run.path} was measured {measured}, but the newest usable checkpoint is "
        f"{there}" + "".join(f"; {note}" for note in notes),
        hint="Nothing was scored. Train the trial again in a new run.",
    )
