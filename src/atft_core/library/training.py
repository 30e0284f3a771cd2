"""One configuration trained and measured in this process, without a run directory.

Shapes: D days, N stocks, H horizons.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atft_core.config.schema import Config
from atft_core.data.panel import Panel
from atft_core.run import plugins
from atft_core.train import results
from atft_core.train.loop import mixed_seed, predict_days, silent, train_epoch
from atft_core.train.phases import enter
from atft_core.train.setup import Setup, build_learner, equip, feed_of, make_setup
from atft_core.train.step import Learner

Json = dict[str, Any]


@dataclass(frozen=True)
class Trained:
    """A network after its epochs, and what validation said of each."""

    setup: Setup
    learner: Learner
    epochs: list[Json] = field(default_factory=list)
    """Per epoch: "epoch", "train" (loss and terms), "val" (metrics by horizon, as text)."""

    @property
    def value(self) -> float | None:
        """What a study would maximise: the median validation RankIC of the last epochs."""
        objective = self.setup.config.objective
        return results.trial_value(self.epochs, objective.horizon, objective.last_epochs)

    def predict(self, days: range) -> NDArray[np.float32]:
        """Scores [D, N, H] of days of the panel, by the averaged weights, dropout off.

        Days are indices into `panel.dates_T`, from `lookback - 1` on. Scores of stocks that are
        not valid on a day mean nothing.
        """
        with closing(feed_of(self.setup)) as feed:
            return predict_days(self.learner, feed, days, tick=silent, phase="predict")


def train_one(
    config: Config, panel: Panel, *, watch: Callable[[Json], None] | None = None, trial: int = 0
) -> Trained:
    """Train a configuration on a panel, epoch by epoch, and validate after each.

    The same numbers as that trial of a run with these settings. `watch` is given each epoch's row,
    and may raise to end it. Uses the CPU threads that torch is set to, and plain eager mode. Raises
    ConfigError, DataError, or NonFiniteLossError where training diverges.
    """
    for file in config.plugins.files:
        plugins.load(plugins.read(Path(file)))
    setup = make_setup(config, panel)
    learner = equip(setup, build_learner(setup, trial))
    trained, seed = Trained(setup, learner), mixed_seed(config.train.seed, trial)
    with closing(feed_of(setup)) as feed:
        for epoch in range(1, config.train.max_epochs + 1):
            enter(learner, config.loss, epoch)
            days = setup.split.train
            report = train_epoch(learner, feed, days, seed=seed, epoch=epoch, tick=silent)
            val = setup.split.val
            pred_DNH = predict_days(learner, feed, val, tick=silent, phase="validate")
            scores = results.score(panel, "val", val, pred_DNH)
            row = {"epoch": epoch, "train": report.values, "val": scores.summary}
            trained.epochs.append(row)
            if watch:
                watch(row)
    return trained
