"""With the graph and everything cross-sectional off, a stock's score needs no other stock."""

import numpy as np
import polars as pl
import pytest
import torch

from atft_core.config.load import resolve
from atft_core.data.build import ensure_cache
from atft_core.data.panel import open_panel
from atft_core.data.synthetic import write_panel
from atft_core.train.loop import predict_days, silent
from atft_core.train.setup import build_learner, equip, feed_of, make_setup

FEATURES = ["open", "high", "low", "close", "volume"]


def setup_of(path, **switches):
    flags = {
        "data.path": str(path), "data.features": FEATURES, "data.raw": FEATURES,
        "data.dtype": "float32", "data.sector": "", "model.graph": False, "model.market": False,
        "model.hidden": 16, "model.heads": 2, "model.channels": 4, "train.threads": 1,
    }  # fmt: skip
    flags |= {key.replace("__", "."): value for key, value in switches.items()}
    config = resolve(flags=flags).config
    return make_setup(config, open_panel(ensure_cache(config)))


def scores(setup, weights=None):
    """Scores of the first validation days, with something on every path."""
    learner = equip(setup, build_learner(setup, 0))
    if weights is None:
        torch.manual_seed(1)
        with torch.no_grad():
            for parameter in learner.ema.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
    else:
        for mine, given in zip(learner.ema.parameters(), weights, strict=True):
            mine.data.copy_(given)
    days = setup.split.val[:20]
    found = predict_days(learner, feed_of(setup), days, tick=silent, phase="test")
    return found, list(learner.ema.parameters())


@pytest.mark.parametrize("graph", [False, True])
def test_half_of_the_stocks_are_scored_as_all_are(tmp_path, monkeypatch, graph):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_panel(tmp_path / "all.parquet", stocks=60, days=300)
    frame = pl.read_parquet(tmp_path / "all.parquet")
    scaled = [(pl.col(name).log() - pl.col(name).log().mean()).alias(name) for name in FEATURES]
    frame = frame.with_columns(*(expression.exp() for expression in scaled))
    frame.write_parquet(tmp_path / "all.parquet")
    kept = sorted(frame["code"].unique())[::2]
    frame.filter(pl.col("code").is_in(kept)).write_parquet(tmp_path / "half.parquet")
    switches = {"model__graph": graph, "model__messages": ["neighbours"]}
    whole, half = (setup_of(tmp_path / f"{name}.parquet", **switches) for name in ("all", "half"))
    assert whole.panel.dates_T.tolist() == half.panel.dates_T.tolist()
    found, weights = scores(whole)
    fewer, _ = scores(half, weights)
    place = [whole.panel.codes.index(code) for code in half.panel.codes]
    days = whole.split.val[:20]
    valid = whole.panel.valid_TN[days.start : days.stop][:, place]
    gap = np.abs(found[:, place] - fewer)[valid].max() / np.abs(found).max()
    assert (gap > 1e-3) if graph else (gap < 1e-5)
