"""How many bytes a run writes: one formula, before it is planned and in its preflight."""

from __future__ import annotations

from atft_core.config.schema import Config

BYTES_PER_WEIGHT = 2 * 4 * 4
"""Two checkpoints with weights, averaged weights and two moments in float32."""
BYTES_PER_ROW = 21
"""A row of predictions before compression."""
BYTES_PER_EPOCH = 8192
"""Text about an epoch: metrics, events and log."""
WEIGHTS_PER_HIDDEN2 = 40
"""Weights of the network in squares of its hidden size: counted, rounded up."""


def disk_bytes(config: Config, rows: int, parameters: int | None = None) -> int:
    """Bytes of a run whose validation span has `rows` rows per horizon.

    `parameters` None: no network has been made yet, its size is put high.
    """
    engine, epochs = config.engine, config.train.max_epochs
    weights = WEIGHTS_PER_HIDDEN2 * config.model.hidden**2 if parameters is None else parameters
    kept = min(engine.n_trials, engine.keep_predictions + 1)
    predictions = kept * rows * len(config.label.horizons) * BYTES_PER_ROW
    return engine.n_trials * (weights * BYTES_PER_WEIGHT + epochs * BYTES_PER_EPOCH) + predictions
