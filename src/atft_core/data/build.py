"""From a panel file to its cache: read, check, compute, write.

Shapes: T days, N stocks, F features, H horizons.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atft_core.config.schema import Config, DataConfig
from atft_core.cross_section import Floats, ranked_targets
from atft_core.data import checks
from atft_core.data.cache import (
    Identity,
    cache_file,
    file_versions,
    finish_cache,
    identify,
    new_cache,
    scratch_cache,
    why_build,
)
from atft_core.data.checks import Finding
from atft_core.data.columns import PIECE, Named, Progress, fill_features, name_features
from atft_core.data.draft import Draft
from atft_core.data.hindsight import check_filled
from atft_core.data.inputs import Inputs, read_inputs
from atft_core.data.labels import by_stocks, count_labels, make_labels, masked_labels
from atft_core.data.leaks import panel_leaks
from atft_core.data.market import MARKET_NAMES, day_values, market_state
from atft_core.data.neighbours import trailing_neighbours
from atft_core.data.panel import Frame, Panel, open_panel
from atft_core.data.read import open_table, read_column
from atft_core.data.rolling import ratio, shift
from atft_core.data.sidefiles import side_path
from atft_core.data.splits import split_of
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
    path, side = _paths(config.data)
    if path.stat().st_size > SLOW_TO_HASH:
        say(f"hashing {path.name}", 0.0)
    identity = identify(config, path, side)
    target = cache_file(config, identity)
    if target.exists() and target.stat().st_size > SLOW_TO_HASH:
        say(f"checking {target.name}", 0.0)
    reason = why_build(target, identity)
    if not reason:
        return target
    say(reason, 0.0)
    checks.raise_errors(path, build_cache(config, identity, target, say))
    say(f"cached in {target}", 1.0)
    return target


@contextmanager
def scoring_panel(config: Config, progress: Progress | None = None) -> Iterator[Panel]:
    """The panel of a file that is to be scored, which may be too short or too new for labels.

    Its cache is gone afterwards. Raises DataError as `ensure_cache`.
    """
    path, side = _paths(config.data)
    given = {"targets": {}, "trusted": config.data.features}  # a short column says little
    config = config.model_copy(update={"data": config.data.model_copy(update=given)})
    identity = identify(config, path, side)
    with scratch_cache(cache_file(config, identity)) as cache:
        findings = build_cache(config, identity, cache, progress or _silent, labelled=False)
        checks.raise_errors(path, findings)
        yield open_panel(cache)


def check_panel(config: Config, progress: Progress | None = None) -> list[Finding]:
    """All that is wrong or doubtful with the panel, errors first; no cache stays.

    Only a wrong configuration raises (ConfigError).
    """
    say = _silent if progress is None else progress
    try:
        path, side = _paths(config.data)
        identity = identify(config, path, side)
        with scratch_cache(cache_file(config, identity)) as cache:
            findings = build_cache(config, identity, cache, say)
            if cache.exists():
                say("looking for leaks", 0.95)
                findings += _leaks(config, open_panel(cache))
    except DataError as error:
        return [Finding("unreadable", error.message, advice=error.hint)]
    return sorted(findings, key=lambda f: f.severity is not checks.ERROR)


def _leaks(config: Config, panel: Panel) -> list[Finding]:
    train, short = _training_days(config, panel)
    return short + [Finding("leak_suspicion", str(leak)) for leak in panel_leaks(panel, train)]


def _training_days(config: Config, panel: Panel) -> tuple[range, list[Finding]]:
    """The days to learn from; all, and what is wrong, where there are too few for a split."""
    try:
        return split_of(config, panel.dates_T).train, []
    except DataError as error:
        short = Finding("few_days", error.message, advice=error.hint)
        return range(len(panel.dates_T)), [short]


def _silent(what: str, share: float) -> None:
    pass


def _paths(data: DataConfig) -> tuple[Path, dict[str, Path]]:
    """Panel and side files; DataError, before anything is hashed, when one is no table."""
    path = absolute(data.path)
    open_table(path)
    asked = {"sector": data.sector, "edges": data.edges}
    found = {name: side_path(path, where, name) for name, where in asked.items()}
    side = {name: file for name, file in found.items() if file is not None}
    for file in side.values():
        open_table(file)
    return path, side


def build_cache(
    config: Config, identity: Identity, target: Path, say: Progress, *, labelled: bool = True
) -> list[Finding]:
    """Write the cache of a panel, and say what was found in it; errors leave no cache.

    Not `labelled`: it may have neither targets nor a close, and no day that is over.
    """
    say(f"reading {identity.path.name}", 0.02)
    inputs, findings = read_inputs(config, identity, labelled=labelled)
    if inputs is None or checks.has_errors(findings):
        return findings
    named = name_features(config.data)
    say("finding neighbours", 0.1)
    frame = _frame(config, inputs, named)
    with new_cache(target, frame, named.kind) as draft:
        say("labels", 0.15)
        counts, found = _fill_labels(draft, config, inputs)
        findings += found if labelled else []
        if checks.has_errors(findings):
            return findings
        filled = fill_features(draft.x_TNF, config.data, inputs, _within(say, 0.2, 0.95))
        findings += filled.findings
        if file_versions(identity.path, *identity.side.values()) != identity.versions:
            raise DataError(
                f"{identity.path} (or a file beside it) changed while it was read.",
                hint="Start again once it is written.",
            )
        if not checks.has_errors(findings):
            say("writing to disk", 0.95)
            facts = _facts(identity, inputs, named, findings)
            facts |= {"labels": counts, "coverage": filled.coverage}
            finish_cache(draft, target, facts)
    return findings


def _within(say: Progress, start: float, end: float) -> Progress:
    """The progress of a part of the work."""
    return lambda what, share: say(what, start + (end - start) * share)


@np.errstate(all="ignore")  # what cannot be computed counts as missing
def _frame(config: Config, inputs: Inputs, named: Named) -> Frame:
    close_TN = inputs.close_TN
    market_TM, market_names = _market(config.data, inputs, close_TN)
    days_R, neighbours_RNK = _graph(config.data, close_TN, inputs.valid_TN.shape)
    return Frame(
        dates_T=inputs.keys.dates_T,
        codes=inputs.keys.codes,
        features=named.features,
        groups=named.groups,
        horizons=config.label.horizons,
        valid_TN=inputs.valid_TN,
        market_TM=market_TM,
        market_names=market_names,
        neighbour_days_R=days_R,
        neighbours_RNK=neighbours_RNK,
        sector_N=inputs.sectors.sector_N,
        sectors=inputs.sectors.names,
        edges_NE=inputs.edges.neighbours_NE,
        edge_weights_NE=inputs.edges.weights_NE,
    )


def _fill_labels(draft: Draft, config: Config, inputs: Inputs) -> tuple[list[int], list[Finding]]:
    """Write the labels of each horizon and their ranks; their numbers, and what is wrong."""
    findings = _write_labels(draft.y_TNH, config, inputs)
    horizons, days = config.label.horizons, len(inputs.valid_TN)
    for start in range(0, days, PIECE):
        piece = slice(start, start + PIECE)
        ranked = ranked_targets(draft.y_TNH[piece], inputs.valid_TN[piece])
        draft.rank_TNH[piece], draft.gauss_TNH[piece] = ranked
    found = [count_labels(draft.y_TNH[..., h]) for h in range(len(horizons))]
    counts, ordered = [labels for labels, _ in found], [days for _, days in found]
    return counts, findings + checks.check_labels(horizons, counts, ordered, days)


@np.errstate(all="ignore")
def _write_labels(y_TNH: NDArray[np.float32], config: Config, inputs: Inputs) -> list[Finding]:
    """Labels of valid stocks, NaN where there is none; what is wrong with given ones."""
    findings: list[Finding] = []
    data, label, valid_TN = config.data, config.label, inputs.valid_TN
    for h, horizon in enumerate(label.horizons if data.targets else ()):
        name = data.targets[horizon]
        y_TN = read_column(inputs.table, inputs.keys, name).astype(np.float32)
        findings += checks.check_values(inputs.names, name, y_TN, "feature")
        findings += checks.check_size("huge_target", inputs.names, name, y_TN)
        findings += checks.check_column(name, y_TN, len(inputs.keys.cell_R))
        findings += check_filled(name, y_TN, valid_TN, label.entry_lag, horizon)
        y_TNH[..., h] = np.where(valid_TN & np.isfinite(y_TN), y_TN, np.nan)
    if "close" not in inputs.columns:
        if not data.targets:
            y_TNH[...] = np.nan
        return findings
    policy, limit = data.extreme_label_policy, data.max_abs_return
    for stocks, close_Tn in by_stocks(inputs.columns["close"]):
        rule = (label.horizons, label.entry_lag, policy, limit)
        given_H = np.moveaxis(y_TNH[:, stocks], 2, 0)
        made = masked_labels(given_H, close_Tn, *rule) if data.targets else None
        for h, y_Tn in enumerate(made or make_labels(close_Tn, *rule)):
            y_TNH[:, stocks, h] = np.where(valid_TN[:, stocks], y_Tn, np.nan)
    return findings


def _graph(
    data: DataConfig, close_TN: Floats | None, shape: tuple[int, ...]
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    if close_TN is None:
        return np.empty(0, np.int64), np.empty((0, shape[1], 0), np.int32)
    return_TN = ratio(close_TN, shift(close_TN, 1)) - 1.0
    return trailing_neighbours(
        return_TN, data.neighbours, data.neighbour_window, data.neighbour_refresh
    )


def _market(
    data: DataConfig, inputs: Inputs, close_TN: Floats | None
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Market inputs [T, M] and their names: given ones, else those of the close."""
    if data.market:
        columns = [day_values(read_column(inputs.table, inputs.keys, name)) for name in data.market]
        return np.stack(columns, axis=1).astype(np.float32), data.market
    if close_TN is None:
        return np.empty((len(inputs.valid_TN), 0), np.float32), ()
    return market_state(close_TN), MARKET_NAMES


def _facts(
    identity: Identity, inputs: Inputs, named: Named, findings: list[Finding]
) -> dict[str, Any]:
    dates_T = inputs.keys.dates_T
    return {
        "path": str(identity.path),
        "hash": identity.hash,
        "side": {name: str(file) for name, file in identity.side.items()},
        "side_hashes": identity.side_hashes,
        "settings_hash": identity.settings_hash,
        "key": identity.key,
        "rows": len(inputs.keys.cell_R),
        "stocks": len(inputs.keys.codes),
        "days": len(dates_T),
        "first": str(dates_T[0]),
        "last": str(dates_T[-1]),
        "features": len(named.features),
        "docs": named.docs,
        "warnings": [f.text for f in findings if f.severity is checks.WARNING],
    }
