"""All features of a panel, computed or given, normalised and in the form in which they are kept.

Shapes: T days, N stocks, F features.

One column is in memory at a time beside the result.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from atft_core.config.schema import DataConfig
from atft_core.cross_section import Bools, Floats
from atft_core.data import checks
from atft_core.data.bfloat16 import to_bits
from atft_core.data.checks import Finding
from atft_core.data.features import FEATURES, Bars
from atft_core.data.inputs import PRICES, Inputs
from atft_core.data.normalise import rank_days, raw_days, zscore_days
from atft_core.data.panel import Stored
from atft_core.data.read import read_column

Progress = Callable[[str, float], None]
"""Told what happens and which share of the work is done."""
MAX_GROUPS = 16
"""Groups of ready features; the selection costs a map per group."""


@dataclass(frozen=True, eq=False)
class Computed:
    """Features as stored, and what is known about them."""

    x_TNF: Stored
    features: tuple[str, ...]
    groups: tuple[str, ...]
    docs: dict[str, str]
    coverage: dict[str, float] = field(default_factory=dict)


def make_features(
    data: DataConfig, inputs: Inputs, say: Progress
) -> tuple[Computed, list[Finding]]:
    """All features, normalised and as stored."""
    valid_TN = inputs.valid_TN
    names = data.features or tuple(feature.name for feature in FEATURES)
    bits = data.dtype == "bfloat16" and not data.raw
    x_TNF = np.empty((*valid_TN.shape, len(names)), np.uint16 if bits else np.float32)
    ready = bool(data.features)
    docs = {f.name: f.doc for f in FEATURES} if not ready else dict.fromkeys(names, "given")
    groups = ready_groups(names) if ready else tuple(feature.group for feature in FEATURES)
    computed = Computed(x_TNF, names, groups, docs)
    findings: list[Finding] = []
    for i, column_TN in enumerate(_columns(data, inputs)):
        say(f"feature {names[i]}", 0.15 + 0.6 * i / len(names))
        known_TN = np.isfinite(column_TN) & valid_TN
        computed.coverage[names[i]] = round(float(known_TN.sum() / max(valid_TN.sum(), 1)), 4)
        if ready:
            findings += checks.check_values(inputs.names, names[i], column_TN, "feature")
            findings += checks.check_column(names[i], column_TN, len(inputs.keys.cell_R))
        values_TN = _normalise(data, names[i])(column_TN, valid_TN)
        x_TNF[..., i] = to_bits(values_TN) if bits else values_TN
    return computed, findings


def _columns(data: DataConfig, inputs: Inputs) -> Iterator[Floats]:
    """Feature columns [T, N], one after the other."""
    if data.features:
        for name in data.features:
            yield read_column(inputs.table, inputs.keys, name)
        return
    by_name = {f"{name}_TN": inputs.columns[name] for name in (*PRICES, "volume")}
    bars = Bars(**by_name, sector_N=inputs.sector_N)
    for feature in FEATURES:
        yield feature.compute(bars)


def _normalise(data: DataConfig, name: str) -> Callable[[Floats, Bools], NDArray[np.float32]]:
    if name in data.raw:
        return raw_days
    return rank_days if data.normalise == "rank" else zscore_days


def ready_groups(names: tuple[str, ...]) -> tuple[str, ...]:
    """Groups of ready features: by the word they begin with, or runs of them when too many.

    What all names have in common at the start ("f_") says nothing and is left out.
    """
    lowest, highest = min(names), max(names)
    same = (a == b for a, b in zip(lowest, highest, strict=False))
    common = sum(1 for _ in takewhile(bool, same))
    words = (re.match(r"[A-Za-z]+", name[common:]) for name in names)
    groups = tuple(word[0] if word else "other" for word in words)
    if len(set(groups)) <= MAX_GROUPS:
        return groups
    return tuple(f"run_{i * MAX_GROUPS // len(names):02d}" for i in range(len(names)))
