"""Panels made by hand: small, with a signal that is known."""

from dataclasses import replace

import numpy as np

from atft_core.config.hashing import config_hash
from atft_core.config.render import to_toml
from atft_core.config.schema import Config
from atft_core.cross_section import ranked_targets
from atft_core.data.cache import write_cache
from atft_core.data.panel import Panel
from atft_core.data.stored import to_bits
from atft_core.run.directory import create
from atft_core.run.files import write_json

HORIZONS = (1, 5)


def make_panel(
    days=150, stocks=30, features=6, seed=0, signal=0.25, horizons=HORIZONS, missing=0.03
):
    """Feature 0 predicts every label, feature 1 is its 1-day reversal "r1"; the rest is noise."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(days, stocks, features)).astype(np.float32)
    valid = rng.random((days, stocks)) > missing
    x[~valid] = 0.0
    noise = rng.normal(size=(days, stocks, len(horizons)))
    y = 0.01 * (signal * x[..., :1] - 0.1 * x[..., 1:2] + noise)
    y[~valid] = np.nan
    for h, horizon in enumerate(horizons):
        y[days - horizon :, :, h] = np.nan
    rank, gauss = ranked_targets(y.astype(np.float32), valid)
    start = np.datetime64("2020-01-01")
    names = ("x0", "r1", *(f"x{i}" for i in range(2, features)))
    return Panel(
        dates_T=np.arange(start, start + days),
        codes=tuple(f"S{i:03d}" for i in range(stocks)),
        features=names,
        groups=tuple("ab"[i % 2] for i in range(features)),
        horizons=horizons,
        x_TNF=to_bits(x),
        y_TNH=y.astype(np.float32),
        rank_TNH=rank,
        gauss_TNH=gauss,
        valid_TN=valid,
        market_TM=rng.normal(size=(days, 2)).astype(np.float32),
        market_names=("m0", "m1"),
        neighbour_days_R=np.array([20, 60, 100]),
        neighbours_RNK=rng.integers(-1, stocks, (3, stocks, 3)).astype(np.int32),
        sector_N=np.arange(stocks) % 3 - 1,
        sectors=("A", "B"),
        edges_NE=rng.integers(-1, stocks, (stocks, 2)).astype(np.int32),
        edge_weights_NE=np.full((stocks, 2), 2**-0.5, np.float32),
        facts={"path": "by hand", "hash": "0", "days": days, "rows": int(valid.sum())},
    )


def relabelled(panel, y):
    """The panel with other labels, and their ranks."""
    rank, gauss = ranked_targets(y, panel.valid_TN)
    return replace(panel, y_TNH=y, rank_TNH=rank, gauss_TNH=gauss)


def make_config(**changes):
    """A configuration that fits the panel and trains in a second; dotted keys with __"""
    values = {
        "label": {"horizons": HORIZONS},
        "split": {"warmup": 10},
        "model": {
            "hidden": 16,
            "heads": 2,
            "lookback": 5,
            "encoder_depth": 1,
            "dropout": 0.2,
            "fan": True,
            "san": True,
            "layers": 1,
            "messages": ["edges", "neighbours", "sector"],
        },
        "train": {"max_epochs": 2, "block_days": 8, "threads": 1, "device": "cpu"},
        "objective": {"lightgbm": "off"},  # the same with and without it installed
        "search": {},
    }
    for key, value in changes.items():
        section, _, name = key.partition("__")
        if name:
            values.setdefault(section, {})[name] = value
        else:
            values[section] = value
    return Config.model_validate(values)


def make_run(path, panel, config, params=({},)):
    """A run directory with one trial per set of parameters, as the engine leaves it for workers."""
    run = create(path / "run")
    write_cache(path / "cache.arrow", panel)
    facts = {"cache": str(path / "cache.arrow"), "config_hash": config_hash(config)}
    write_json(run.run_json, {"schema": 1, **facts})
    run.config.write_text(to_toml(config, {}))
    for number, values in enumerate(params):
        trial = run.trial(number)
        trial.path.mkdir()
        write_json(trial.params, {"trial": number, "params": values})
    return run
