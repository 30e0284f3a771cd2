"""A trained trial as it was after its last epoch, to score days with."""

from __future__ import annotations

from dataclasses import replace

import torch

from atft_core.data.panel import Panel
from atft_core.errors import CheckpointError
from atft_core.run.directory import RunDirectory
from atft_core.train import checkpoint
from atft_core.train.phases import enter
from atft_core.train.setup import Setup, build_learner, open_trial, owner, threads
from atft_core.train.step import Learner


def restored(run: RunDirectory, trial: int, panel: Panel | None = None) -> tuple[Setup, Learner]:
    """A trial's setup, and its averaged weights of the newest usable checkpoint.

    The network is made for the stocks of `panel`, those of the run where none is given: weights
    know columns, not stocks. CheckpointError when the trial has no usable checkpoint.
    """
    setup = open_trial(run, trial)
    torch.set_num_threads(threads(setup.config))
    found, notes = checkpoint.newest(run.trial(trial).checkpoints, owner(setup, trial))
    if found is None:
        raise CheckpointError(
            f"Trial {trial} of {run.path} has no usable checkpoint"
            + "".join(f"; {note}" for note in notes),
            hint="Only a trial that has finished an epoch can be scored.",
        )
    made_for = setup if panel is None else replace(setup, panel=panel)
    learner = build_learner(made_for, trial)
    checkpoint.load_weights(found, ema=learner.ema)
    enter(learner, setup.config.loss, found.epoch)
    return setup, learner
