"""All features of a panel, computed or given, made comparable and written to their place.

Shapes: T days, D of them, N stocks, F features, g of them, R rows of the file.

Computed features go chunk by chunk of days, with the days before that they look back to; given
ones some columns at a time. Either way memory holds a part of the panel, never the whole.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atft_core.config.schema import DataConfig
from atft_core.cross_section import Bools, Floats
from atft_core.data import checks
from atft_core.data.checks import Finding
from atft_core.data.features import FEATURES, HISTORY, Bars
from atft_core.data.hindsight import check_scale
from atft_core.data.inputs import PRICES, Inputs
from atft_core.data.normalise import even_rank_days, rank_days, raw_days, zscore_days
from atft_core.data.read import read_columns, scatter
from atft_core.data.stored import Kind, Stored, encode, kind_of

Progress = Callable[[str, float], None]
"""Told what happens and which share of the work is done."""
Normalise = Callable[[Floats, Bools], NDArray[np.float32]]
MAX_GROUPS = 16
"""Groups of ready features; the selection costs a map per group."""
SHARE = 0.16
"""Share of the panel's size as float32 that the columns at hand may take."""
SMALL = 2**28
"""Bytes that they may take in any case."""
ARRAYS = 16
"""float64 arrays of the size of a column that computing features needs at once."""
PIECE = 64
"""Days that are ranked at once."""


@dataclass(frozen=True)
class Named:
    """The features that a panel will have."""

    features: tuple[str, ...]
    groups: tuple[str, ...]
    docs: dict[str, str]
    kind: Kind
    """How they are kept."""


@dataclass
class Filled:
    """What was seen while the features were written."""

    coverage: dict[str, float] = field(default_factory=dict)
    """Share of the valid (day, stock) pairs that have the feature."""
    findings: list[Finding] = field(default_factory=list)


def name_features(data: DataConfig) -> Named:
    """Names, groups and storage of the features, before any of them is there."""
    kind: Kind = "float32" if data.raw else data.dtype
    if data.features:
        docs = dict.fromkeys(data.features, "given")
        return Named(data.features, ready_groups(data.features), docs, kind)
    names = tuple(feature.name for feature in FEATURES)
    groups = tuple(feature.group for feature in FEATURES)
    return Named(names, groups, {f.name: f.doc for f in FEATURES}, kind)


def fill_features(x_TNF: Stored, data: DataConfig, inputs: Inputs, say: Progress) -> Filled:
    """Write every feature to its place in `x_TNF`."""
    if data.features:
        return _fill_ready(x_TNF, data, inputs, say)
    return _fill_built_in(x_TNF, data, inputs, say)


def _fill_built_in(x_TNF: Stored, data: DataConfig, inputs: Inputs, say: Progress) -> Filled:
    days, stocks = inputs.valid_TN.shape
    known_F = np.zeros(len(FEATURES), dtype=np.int64)
    meter = _Meter(say, x_TNF.nbytes)
    normalise = _normalise(data, kind_of(x_TNF), "")

    def compute(i: int, bars: Bars, chunk: range) -> None:
        with np.errstate(all="ignore"):  # what cannot be computed counts as missing
            column_DN = FEATURES[i].compute(bars)[-len(chunk) :]
        place = slice(chunk.start, chunk.stop)
        known_F[i] += (np.isfinite(column_DN) & inputs.valid_TN[place]).sum()
        _write(x_TNF[place, :, i], column_DN, inputs.valid_TN[place], normalise)

    with _threads(len(FEATURES)) as pool:
        for chunk in _chunks(days, stocks, len(FEATURES)):
            meter(f"features of {inputs.keys.dates_T[chunk.start]} on", chunk.start / days)
            bars = _bars(inputs, chunk)
            for done in [pool.submit(compute, i, bars, chunk) for i in range(len(FEATURES))]:
                done.result()
    valid = max(inputs.valid_TN.sum(), 1)
    names = (feature.name for feature in FEATURES)
    return Filled({n: _share(k, valid) for n, k in zip(names, known_F, strict=True)})


def _chunks(days: int, stocks: int, features: int) -> Iterator[range]:
    """Consecutive days whose features can be computed at once within the memory's bounds."""
    at_once = max(int(SHARE * days * stocks * features * 4), SMALL) // (stocks * 8 * ARRAYS)
    size = days if at_once >= days else max(at_once - HISTORY, PIECE)
    for start in range(0, days, size):
        yield range(start, min(start + size, days))


def _bars(inputs: Inputs, chunk: range) -> Bars:
    """Bars of some days and of those before that features look back to."""
    seen = slice(max(chunk.start - HISTORY, 0), chunk.stop)
    by_name = {
        f"{name}_TN": inputs.columns[name][seen].astype(np.float64, copy=False)
        for name in (*PRICES, "volume")
    }
    return Bars(**by_name, sector_N=inputs.sectors.sector_N)


def _fill_ready(x_TNF: Stored, data: DataConfig, inputs: Inputs, say: Progress) -> Filled:
    names, kind, filled = data.features, kind_of(x_TNF), Filled()
    meter = _Meter(say, x_TNF.nbytes)
    valid = max(inputs.valid_TN.sum(), 1)

    def convert(
        name: str, values_R: NDArray[Any], stored_TN: Stored
    ) -> tuple[float, list[Finding]]:
        column_TN = scatter(inputs.keys, values_R).astype(np.float64, copy=False)
        if name in data.raw:  # kept as float32, in which a huge number is infinite
            with np.errstate(over="ignore"):
                column_TN = column_TN.astype(np.float32).astype(np.float64)
        known_TN = np.isfinite(column_TN) & inputs.valid_TN
        found = checks.check_values(inputs.names, name, column_TN, "feature")
        if name in data.raw:
            found += checks.check_size("huge_raw", inputs.names, name, column_TN)
        found += checks.check_placeholder(inputs.names, name, column_TN)
        alike = checks.check_column(name, column_TN, len(inputs.keys.cell_R))
        if not alike and name not in data.trusted:
            alike = check_scale("hindsight", name, column_TN)
        found += alike
        _write(stored_TN, column_TN, inputs.valid_TN, _normalise(data, kind, name))
        return _share(known_TN.sum(), valid), found

    at_once = _columns_at_once(len(names), x_TNF.itemsize)
    with _threads(len(names)) as pool:
        for first in range(0, len(names), at_once):
            group = names[first : first + at_once]
            meter(f"feature {first + 1} of {len(names)}", first / len(names))
            columns = read_columns(inputs.table, group)
            stored_TNg = np.empty((*inputs.valid_TN.shape, len(group)), x_TNF.dtype)
            jobs = [
                pool.submit(convert, name, values_R, stored_TNg[..., i])
                for i, (name, values_R) in enumerate(zip(group, columns, strict=True))
            ]
            for name, job in zip(group, jobs, strict=True):
                filled.coverage[name], found = job.result()
                filled.findings += found
            x_TNF[..., first : first + len(group)] = stored_TNg
    return filled


class _Meter:
    """Progress with the rate at which the panel comes into being."""

    def __init__(self, say: Progress, size: int) -> None:
        self._say, self._size, self._began = say, size, time.monotonic()

    def __call__(self, what: str, share: float) -> None:
        seconds = time.monotonic() - self._began
        rate = f", {self._size * share / seconds / 2**20:.0f} MiB/s" if share and seconds else ""
        self._say(f"{what}{rate}", share)


def _columns_at_once(features: int, itemsize: int) -> int:
    """Columns that are read together: more passes over the file cost time, fewer cost memory."""
    return max(1, min(int(SHARE * 4 * features) // (8 + itemsize), 64))


def _threads(features: int) -> ThreadPoolExecutor:
    """Each thread holds a column; a panel of few columns is small beside them."""
    cores = len(os.sched_getaffinity(0))
    return ThreadPoolExecutor(max(1, min(cores, features // 16, 8)))


def _share(known: Any, valid: Any) -> float:
    return round(float(known / valid), 4)


def _write(place_TN: Stored, column_TN: Floats, valid_TN: Bools, normalise: Normalise) -> None:
    """Normalise and store a column, some days at a time: ranking takes ten times its memory."""
    kind = kind_of(place_TN)
    for start in range(0, len(column_TN), PIECE):
        piece = slice(start, start + PIECE)
        with np.errstate(all="ignore"):
            values_TN = normalise(column_TN[piece], valid_TN[piece])
        place_TN[piece] = encode(values_TN, kind)


def _normalise(data: DataConfig, kind: Kind, name: str) -> Normalise:
    if name in data.raw:
        return raw_days
    if kind == "uint8rank":
        return even_rank_days
    return rank_days if data.normalise == "rank" else zscore_days


def ready_groups(names: tuple[str, ...]) -> tuple[str, ...]:
    """Groups of ready features: by the word they begin with, or runs of them when too many.

    What all names have in common at the start ("f_") says nothing and is left out, word by word.
    """
    lowest, highest = min(names), max(names)
    same = takewhile(lambda pair: pair[0] == pair[1], zip(lowest, highest, strict=False))
    common = re.sub(r"[A-Za-z]+$", "", "".join(letter for letter, _ in same))
    words = (re.match(r"[A-Za-z]+", name[len(common) :]) for name in names)
    groups = tuple(word[0] if word else "other" for word in words)
    if len(set(groups)) <= MAX_GROUPS:
        return groups
    return tuple(f"run_{i * MAX_GROUPS // len(names):02d}" for i in range(len(names)))
