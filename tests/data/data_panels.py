"""Small panel files for the tests of atft_core.data."""

import datetime as dt

import numpy as np
import polars as pl

from atft_core.config.schema import Config
from atft_core.data.build import ensure_cache
from atft_core.data.panel import open_panel
from atft_core.data.synthetic import write_panel

CLOSES = ["open", "high", "low", "close"]


def synthetic(tmp_path, *, stocks=40, days=200, **options):
    """A synthetic panel file in a directory of its own."""
    path = tmp_path / "input" / "panel.parquet"
    write_panel(path, stocks=stocks, days=days, **options)
    return path


def config_for(path, *, label=None, split=None, **data):
    """The default configuration for one file; keywords are settings of [data]."""
    data = {"path": path, **data}
    return Config.model_validate({"data": data, "label": label or {}, "split": split or {}})


def built(path, *, label=None, **data):
    """The opened panel of a file."""
    return open_panel(ensure_cache(config_for(path, label=label, **data)))


def rows(days=60, stocks=12, seed=0):
    """Clean bars on consecutive days, as a frame to spoil."""
    rng = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.01, (days, stocks)), axis=0))
    t, n = np.nonzero(np.ones((days, stocks), bool))
    start = dt.date(2021, 3, 1)
    price = close[t, n]
    return pl.DataFrame(
        {
            "date": [start + dt.timedelta(days=int(i)) for i in t],
            "code": [f"S{i:02d}" for i in n],
            "open": price * 0.999,
            "high": price * 1.01,
            "low": price * 0.98,
            "close": price,
            "volume": rng.integers(1000, 9000, len(t)).astype(float),
        }
    )


def written(tmp_path, frame, name="panel.parquet"):
    path = tmp_path / name
    frame.write_ipc(path) if path.suffix == ".arrow" else frame.write_parquet(path)
    return path
