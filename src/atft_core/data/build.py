"""From a panel file to its cache: read, check, compute, write.

Shapes: T days, N stocks, F features, H horizons.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atft_core.config.schema import Config, DataConfig
from atft_core.cross_section import Floats
from atft_core.data import checks
from atft_core.data.cache import Identity, cache_file, identify, why_build, write_cache
from atft_core.data.checks import Finding
from atft_core.data.columns import Computed, Progress, make_features
from atft_core.data.inputs import Inputs, read_inputs
from atft_core.data.labels import days_with_an_order, has_labels, make_labels
from atft_core.data.leaks import panel_leaks
from atft_core.data.market import MARKET_NAMES, market_state
from atft_core.data.neighbours import trailing_neighbours
from atft_core.data.panel import Panel
from atft_core.data.read import open_table, read_column, sector_path
from atft_core.data.rolling import ratio, shift
from atft_core.data.source import stamp
from atft_core.data.splits import make_split
from atft_core.errors import DataError
from atft_core.run.user import absolute

SLOW_TO_HASH = 2**30
"""Bytes from which it is said that a file is hashed."""


def ensure_cache(config: Config, progress: Progress | None = None) -> Path:
    """Path of the panel's cache, which is built first where it is missing, stale or damaged.

    `progress(what, share)` is told what happens, first of all why a cache is built. Raises
    DataError when the panel cannot be read or used, or the cache cannot be written.
    """
    say = _silent if progress is None else progress
    path, sector = _paths(config.data)
    if path.stat().st_size > SLOW_TO_HASH:
        say(f"hashing {path.name}", 0.0)
    hashed = [stamp(each) for each in (path, sector) if each]
    identity = identify(config, path, sector)
    target = cache_file(config, identity)
    reason = why_build(target, identity)
    if not reason:
        return target
    say(reason, 0.0)
    panel, findings = build_panel(config, identity, say)
    checks.raise_errors(path, findings)
    if panel is None:
        raise DataError(f"{path} cannot be used.")
    if [stamp(each) for each in (path, sector) if each] != hashed:
        raise DataError(
            f"{path} (or its sector file) changed while it was read.",
            hint="Start again once it is written.",
        )
    say("writing the cache", 0.95)
    write_cache(target, panel)
    say(f"cached {len(panel.dates_T)} days x {len(panel.codes)} stocks in {target}", 1.0)
    return target


def check_panel(config: Config, progress: Progress | None = None) -> list[Finding]:
    """All that is wrong or doubtful with the panel, errors first; no cache is written.

    Only a wrong configuration raises (ConfigError).
    """
    say = _silent if progress is None else progress
    try:
        path, sector = _paths(config.data)
        panel, findings = build_panel(config, identify(config, path, sector), say)
    except DataError as error:
        return [Finding("unreadable", error.message, advice=error.hint)]
    if panel is not None:
        say("looking for leaks", 0.95)
        train, short = _training_days(config, panel)
        leaks = panel_leaks(panel, train)
        findings += short + [Finding("leak_suspicion", str(leak)) for leak in leaks]
    return sorted(findings, key=lambda f: f.severity is not checks.ERROR)


def _training_days(config: Config, panel: Panel) -> tuple[range, list[Finding]]:
    """The days to learn from; all, and what is wrong, where there are too few for a split."""
    try:
        purge, lookback = config.label.purge_days, config.model.lookback
        return make_split(panel.dates_T, config.split, purge, lookback).train, []
    except DataError as error:
        short = Finding("few_days", error.message, advice=error.hint)
        return range(len(panel.dates_T)), [short]


def _silent(what: str, share: float) -> None:
    pass


def _paths(data: DataConfig) -> tuple[Path, Path | None]:
    """Panel and sector file; DataError, before anything is hashed, when one is no table."""
    path = absolute(data.path)
    sector = sector_path(path, data.sector)
    open_table(path)
    if sector is not None:
        open_table(sector)
    return path, sector


@np.errstate(all="ignore")  # what cannot be computed counts as missing, and is reported as such
def build_panel(
    config: Config, identity: Identity, say: Progress
) -> tuple[Panel | None, list[Finding]]:
    """The panel of `config`, or None with the errors that forbid it."""
    say(f"reading {identity.path.name}", 0.05)
    inputs, findings = read_inputs(config, identity)
    if inputs is None or checks.has_errors(findings):
        return None, findings
    data, close_TN = config.data, inputs.columns.get("close")
    y_TNH = _labels(config, inputs)
    counts_H = has_labels(y_TNH, inputs.valid_TN)
    ordered_H = days_with_an_order(y_TNH, inputs.valid_TN)
    findings += checks.check_labels(config.label.horizons, counts_H, ordered_H, len(y_TNH))
    if checks.has_errors(findings):
        return None, findings
    computed, more = make_features(data, inputs, say)
    findings += more
    say("finding neighbours", 0.85)
    graph = _graph(data, close_TN, inputs.valid_TN.shape)
    market_TM = _market(close_TN, len(y_TNH))
    panel = Panel(
        dates_T=inputs.keys.dates_T,
        codes=inputs.keys.codes,
        features=computed.features,
        groups=computed.groups,
        horizons=config.label.horizons,
        x_batches=(computed.x_TNF,),
        y_TNH=y_TNH,
        valid_TN=inputs.valid_TN,
        market_TM=market_TM,
        market_names=MARKET_NAMES[: market_TM.shape[1]],
        neighbour_days_R=graph[0],
        neighbours_RNK=graph[1],
        sector_N=inputs.sector_N,
        sectors=inputs.sectors,
        facts=_facts(identity, inputs, computed, counts_H, findings),
    )
    return panel, findings


def _labels(config: Config, inputs: Inputs) -> NDArray[np.float32]:
    data, horizons = config.data, config.label.horizons
    if not data.targets:
        lag, policy, limit = (
            config.label.entry_lag, data.extreme_label_policy, data.max_abs_return,
        )  # fmt: skip
        return make_labels(inputs.columns["close"], horizons, lag, policy, limit)
    labels = [read_column(inputs.table, inputs.keys, data.targets[h]) for h in horizons]
    y_TNH = np.stack(labels, axis=2).astype(np.float32)
    return np.where(np.isfinite(y_TNH), y_TNH, np.float32(np.nan))


def _graph(
    data: DataConfig, close_TN: Floats | None, shape: tuple[int, ...]
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    if close_TN is None:
        return np.empty(0, np.int64), np.empty((0, shape[1], 0), np.int32)
    return_TN = ratio(close_TN, shift(close_TN, 1)) - 1.0
    return trailing_neighbours(
        return_TN, data.neighbours, data.neighbour_window, data.neighbour_refresh
    )


def _market(close_TN: Floats | None, days: int) -> NDArray[np.float32]:
    return np.empty((days, 0), np.float32) if close_TN is None else market_state(close_TN)


def _facts(
    identity: Identity,
    inputs: Inputs,
    computed: Computed,
    counts_H: NDArray[np.int64],
    findings: list[Finding],
) -> dict[str, Any]:
    dates_T = inputs.keys.dates_T
    return {
        "path": str(identity.path),
        "hash": identity.hash,
        "sector_path": str(identity.sector or ""),
        "sector_hash": identity.sector_hash,
        "settings_hash": identity.settings_hash,
        "key": identity.key,
        "rows": len(inputs.keys.cell_R),
        "stocks": len(inputs.keys.codes),
        "days": len(dates_T),
        "first": str(dates_T[0]),
        "last": str(dates_T[-1]),
        "features": len(computed.features),
        "docs": computed.docs,
        "coverage": computed.coverage,
        "labels": [int(count) for count in counts_H],
        "warnings": [f.text for f in findings if f.severity is checks.WARNING],
    }
