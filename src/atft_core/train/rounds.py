"""How many trials a sweep computes one after the other."""

from __future__ import annotations

from math import ceil

from atft_core.config.schema import Config


def rounds(config: Config, cards: int) -> int:
    """Trials in a row, where those on cards of their own are computed at once.

    Trials that share a card, or the cores of the CPU, share its speed: what that gains nobody
    knows before.
    """
    wanted, each = config.engine.slots, config.train.devices_per_trial
    alone = 1 if config.train.device == "cpu" else max(1, cards // each)
    at_once = min(wanted, alone) if isinstance(wanted, int) else alone
    return ceil(config.engine.n_trials / at_once)
