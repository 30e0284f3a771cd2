"""The shape of the original data set: rows, columns, gaps; and the config that maps them."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atft_core.config.load import resolve
from atft_core.data.build import ensure_cache
from atft_core.data.original import DAYS, ROWS, STOCKS, feature_names, write_original
from atft_core.data.panel import open_panel
from atft_core.errors import UsageError

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "data" / "original.toml"


def quiet(what, share):
    assert 0 <= share <= 1


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    path = tmp_path_factory.mktemp("original") / "panel.parquet"
    rows = write_original(path, scale=0.005, seed=1, say=quiet)
    return path, rows


def test_it_has_the_originals_shape(original):
    path, rows = original
    frame = pl.read_parquet(path)
    stocks = round(STOCKS * 0.005)
    assert rows == len(frame) == round(ROWS * stocks / STOCKS)
    assert frame.width == 112
    assert sum(dtype == pl.Float32 for dtype in frame.dtypes) - 4 == 99  # and four targets
    assert frame["Code"].n_unique() == stocks
    assert frame["Date"].n_unique() == DAYS
    assert [str(frame["Date"].min()), str(frame["Date"].max())] == ["2015-10-13", "2025-09-26"]
    assert 1 - len(frame) / (DAYS * stocks) == pytest.approx(0.18, abs=0.005)
    assert frame.select("Code", "Date").is_duplicated().sum() == 0


def test_returns_and_targets_are_those_of_the_close(original):
    path, _ = original
    one = pl.read_parquet(path).filter(pl.col("Code") == "1300").sort("Date")
    days = pl.read_parquet(path)["Date"].unique().sort()
    at = {day: i for i, day in enumerate(days)}
    close = {at[day]: c for day, c in one.select("Date", "Close").iter_rows()}
    for day, back, ahead in one.select("Date", "returns_5d", "target_5d").iter_rows():
        t = at[day]
        assert (back is None) == (t < 5)
        assert (ahead is None) == (t + 5 >= DAYS)
        if t - 5 in close:
            assert back == pytest.approx(close[t] / close[t - 5] - 1, abs=1e-4)


def test_the_shipped_config_maps_its_columns(original, tmp_path):
    path, rows = original
    settings = [f"data.cache_dir={tmp_path}"]
    config = resolve(
        config_files=[CONFIG], assignments=settings, flags={"data.path": str(path)}
    ).config
    assert list(config.data.features) == feature_names()
    panel = open_panel(ensure_cache(config))
    assert panel.facts["rows"] == rows
    assert (len(panel.features), panel.horizons) == (93, (1, 5, 10, 20))
    assert len(panel.sectors) > 5
    assert np.isfinite(panel.y_TNH).any(axis=(0, 1)).all()


def test_too_small_a_scale_is_refused(tmp_path):
    with pytest.raises(UsageError, match="20 are needed"):
        write_original(tmp_path / "p.parquet", scale=0.001, seed=0, say=quiet)
