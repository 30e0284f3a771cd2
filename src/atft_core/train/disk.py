"""How many bytes a run writes: one formula, before it is planned and in its preflight."""

from __future__ import annotations

import math

from atft_core.config.keys import get
from atft_core.config.load import with_values
from atft_core.config.schema import Config
from atft_core.config.search import Choice, Range

BYTES_PER_WEIGHT = 2 * 4 * 4
"""Two checkpoints with weights, averaged weights and two moments in float32."""
BYTES_PER_ROW = 21
"""A row of predictions before compression."""
BYTES_PER_EPOCH = 8192
"""Text about an epoch: metrics, events and log."""
_SIZES = ("model.hidden", "model.layers", "model.encoder_depth")
"""Settings that decide how many weights a network has."""


def disk_bytes(config: Config, rows: int, parameters: int | None = None) -> int:
    """Bytes of a run whose validation span has `rows` rows per horizon.

    `parameters` of the largest network; None: none has been made yet, its size is put high.
    """
    engine, epochs = config.engine, config.train.max_epochs
    weights = _many_weights(largest(config)) if parameters is None else parameters
    kept = min(engine.n_trials, engine.keep_predictions + 1)
    predictions = kept * rows * len(config.label.horizons) * BYTES_PER_ROW
    return engine.n_trials * (weights * BYTES_PER_WEIGHT + epochs * BYTES_PER_EPOCH) + predictions


def largest(config: Config) -> Config:
    """The configuration with the largest network that its search can draw."""
    sizes = {key: _top(config.search[key]) for key in _SIZES if key in config.search}
    if "model.hidden" in sizes:  # heads must divide it, or its half
        unit = config.model.heads * (2 if config.model.attend == "encoded" else 1)
        sizes["model.hidden"] = math.ceil(sizes["model.hidden"] / unit) * unit
    return with_values(config, {key: max(get(config, key), top) for key, top in sizes.items()})


def _top(space: Range | Choice) -> int:
    numbers = [space.high] if isinstance(space, Range) else space.choices
    return max(int(value) for value in numbers)


def _many_weights(config: Config) -> int:
    """More weights than the network has: counted for several sizes, in squares of the hidden."""
    model = config.model
    return (30 + 5 * (model.layers + model.encoder_depth)) * model.hidden**2
