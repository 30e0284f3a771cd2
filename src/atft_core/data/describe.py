"""What a panel is, for people: `atft data info` and `atft data check`."""

from __future__ import annotations

from typing import Any

from atft_core.config.schema import Config
from atft_core.data.build import ensure_cache
from atft_core.data.columns import Progress
from atft_core.data.panel import Panel, open_panel
from atft_core.data.splits import split_facts, split_of
from atft_core.data.stored import kind_of
from atft_core.errors import DataError


def describe(config: Config, progress: Progress | None = None) -> dict[str, Any]:
    """Size, period, split, labels, features and warnings of the panel, as JSON.

    Builds the cache where it is missing. A panel too short for its split is described with the
    reason in place of the dates. Raises DataError when the panel cannot be used.
    """
    cache = ensure_cache(config, progress)
    panel = open_panel(cache)
    facts = panel.facts
    return {
        **{key: facts[key] for key in ("path", "hash", "rows", "stocks", "days", "first", "last")},
        "cache": str(cache),
        "cache_bytes": cache.stat().st_size,
        "stored": kind_of(panel.x_TNF),
        "sectors": len(panel.sectors),
        "graphs": len(panel.neighbour_days_R),
        "market": list(panel.market_names),
        "split": _split(config, panel),
        "labels": _labels(panel),
        "features": _features(panel),
        "warnings": facts["warnings"],
    }


def _split(config: Config, panel: Panel) -> list[dict[str, Any]] | str:
    try:
        split = split_of(config, panel.dates_T)
    except DataError as error:
        return str(error)
    facts = split_facts(split, panel.dates_T)
    return [
        {
            "part": part,
            "first": facts[part][0],
            "last": facts[part][1],
            "days": facts[f"{part}_days"],
        }
        for part in ("train", "val", "holdout")
    ]


def _labels(panel: Panel) -> list[dict[str, Any]]:
    valid = max(int(panel.valid_TN.sum()), 1)
    return [
        {"horizon": horizon, "labels": count, "coverage": round(count / valid, 4)}
        for horizon, count in zip(panel.horizons, panel.facts["labels"], strict=True)
    ]


def _features(panel: Panel) -> list[dict[str, Any]]:
    docs, coverage = panel.facts["docs"], panel.facts["coverage"]
    return [
        {"name": name, "group": group, "doc": docs[name], "coverage": coverage[name]}
        for name, group in zip(panel.features, panel.groups, strict=True)
    ]
