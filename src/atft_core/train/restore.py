"""A trained trial as it was after its last epoch, to score days with."""

from __future__ import annotations

import torch

from atft_core.errors import CheckpointError
from atft_core.run.directory import RunDirectory
from atft_core.train import checkpoint
from atft_core.train.phases import enter
from atft_core.train.setup import Setup, build_learner, owner, threads
from atft_core.train.step import Learner


def restored(run: RunDirectory, trial: int, setup: Setup) -> Learner:
    """The averaged weights of a trial's newest usable checkpoint, in a network for this setup.

    Its panel may be another than the trial's: weights know columns, not stocks. CheckpointError
    when there is no usable checkpoint.
    """
    torch.set_num_threads(threads(setup.config))
    found, notes = checkpoint.newest(run.trial(trial).checkpoints, owner(setup, trial))
    if found is None:
        raise CheckpointError(
            f"Trial {trial} of {run.path} has no usable checkpoint"
            + "".join(f"; {note}" for note in notes),
            hint="Only a trial that has finished an epoch can be scored.",
        )
    learner = build_learner(setup, trial)
    checkpoint.load_weights(found, ema=learner.ema)
    enter(learner, setup.config.loss, found.epoch)
    return learner
