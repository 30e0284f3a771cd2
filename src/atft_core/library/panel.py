"""Configurations and panels for programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from atft_core.config.load import resolve
from atft_core.config.schema import Config
from atft_core.data.build import ensure_cache
from atft_core.data.panel import Panel
from atft_core.data.panel import open_panel as _open


def configure(settings: dict[str, Any] | None = None, *files: str | Path) -> Config:
    """The defaults, then configuration files or presets, then dotted keys; nothing else is read.

    Raises ConfigError, which names the key and where its value is from.

    >>> config = configure({"train.max_epochs": 3, "model.hidden": 32}, "objective/rank")
    >>> config.train.max_epochs, config.model.hidden
    (3, 32)
    """
    given = settings or {}
    paths = [Path(file) for file in files]
    return resolve(config_files=paths, flags=given, environ={}, project=False).config


def build_panel(path: str | Path, config: Config | None = None) -> Panel:
    """The panel of a parquet or Arrow file, through the same cache that runs use.

    T days, N stocks, F features, H horizons: `panel.x_TNF` (as `data.dtype` stores it),
    `panel.y_TNH` float32 returns as fractions with NaN for "no label", `panel.valid_TN`,
    `panel.dates_T`, `panel.codes`, `panel.features`, `panel.horizons`; mapped from a file, and not
    to be written to. Raises DataError for what `atft data check` calls an error, and ConfigError.
    """
    config = config or configure()
    data = config.data.model_copy(update={"path": Path(path)})
    return _open(ensure_cache(config.model_copy(update={"data": data})))
