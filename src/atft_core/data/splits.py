"""Which days train, validate and are held out: by date, with purged days in between.

    | warm-up | train ....... | purge | validation .. | purge | holdout .. |

A label of the last training day ends before validation starts, and so on: `purge_days` is the
longest horizon plus the entry lag. Features may look back across a border, labels never forward.
Walking forward, the validation days are cut into folds, and each trains on days before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atft_core.config.schema import Config
from atft_core.config.split import SplitConfig
from atft_core.errors import DataError

MIN_DAYS = {"train": 20, "val": 10, "holdout": 10}
"""Below this a part says nothing."""


@dataclass(frozen=True)
class Split:
    """Day indices of each part."""

    train: range
    val: range
    holdout: range
    purge_days: int


def split_of(config: Config, dates_T: NDArray[np.datetime64]) -> Split:
    """The split of a configuration and its panel's days; raises as `make_split`."""
    return make_split(dates_T, config.split, config.label.purge_days, config.model.lookback)


def make_split(
    dates_T: NDArray[np.datetime64], config: SplitConfig, purge_days: int, lookback: int
) -> Split:
    """Cut the calendar; DataError when a part has too few days to be worth anything."""
    split = _cut(len(dates_T), config, purge_days, lookback, dates_T)
    short = _shortage(split)
    if short:
        raise DataError(
            f"The panel has {len(dates_T)} days, too few for the split: {short}.",
            hint=_remedy(config, purge_days, lookback, len(dates_T)),
        )
    return split


def folds_of(config: Config, dates_T: NDArray[np.datetime64]) -> list[Split]:
    """The splits of all folds; one without walk-forward. Raises as `make_split`."""
    return [
        make_split(
            dates_T,
            config.split.model_copy(update={"fold": fold}),
            config.label.purge_days,
            config.model.lookback,
        )
        for fold in range(max(config.split.folds, 1))
    ]


def _cut(
    days: int,
    config: SplitConfig,
    purge_days: int,
    lookback: int,
    dates_T: NDArray[np.datetime64] | None = None,
) -> Split:
    val = _border(config.val_start, days * config.train, dates_T)
    holdout = _border(config.holdout_start, days * (config.train + config.val), dates_T)
    start = max(config.warmup, lookback - 1)
    val_days = _fold(range(val, max(val, holdout - purge_days)), config)
    moved = val_days.start - val if config.window == "rolling" else 0
    return Split(
        train=range(start + moved, max(start + moved, val_days.start - purge_days)),
        val=val_days,
        holdout=range(holdout, max(holdout, days)),
        purge_days=purge_days,
    )


def _fold(val: range, config: SplitConfig) -> range:
    """The part of the validation days that is judged; all without folds."""
    borders = [val.start + len(val) * k // max(config.folds, 1) for k in range(config.folds + 1)]
    return range(borders[config.fold], borders[config.fold + 1]) if config.folds else val


def _border(day: date | None, share: float, dates_T: NDArray[np.datetime64] | None) -> int:
    """First day index of a part: the first trading day on or after `day`, or the share."""
    if day is None or dates_T is None:
        return int(share + 1e-9)
    return int(np.searchsorted(dates_T, np.datetime64(day)))


def _shortage(split: Split) -> str:
    parts = {"train": split.train, "val": split.val, "holdout": split.holdout}
    return ", ".join(
        f"{name} has {len(days)} of at least {MIN_DAYS[name]}"
        for name, days in parts.items()
        if len(days) < MIN_DAYS[name]
    )


def _remedy(config: SplitConfig, purge_days: int, lookback: int, days: int) -> str:
    spent = (
        f"{max(config.warmup, lookback - 1)} days are warm-up "
        f"(the larger of split.warmup and model.lookback - 1) and 2 x {purge_days} are purged"
    )
    if config.folds:
        return f"{spent}; fewer split.folds, or more days for split.val, make the folds longer."
    if config.val_start or config.holdout_start:
        return f"{spent}; check split.val_start and split.holdout_start."
    for enough in range(days, 20 * days + 2000):
        if not _shortage(_cut(enough, config, purge_days, lookback)):
            return f"{spent}; {enough} days would be enough, or fewer with a smaller split.warmup."
    return f"{spent}; split.train = {config.train} and split.val = {config.val} leave no holdout."


def split_facts(split: Split, dates_T: NDArray[np.datetime64]) -> dict[str, Any]:
    """First and last date and number of days of each part, as JSON."""
    parts = {"train": split.train, "val": split.val, "holdout": split.holdout}
    facts: dict[str, Any] = {"purge_days": split.purge_days}
    for name, days in parts.items():
        facts[name] = [str(dates_T[days[0]]), str(dates_T[days[-1]])]
        facts[f"{name}_days"] = len(days)
    return facts
