"""Columns that were scaled by their whole history, and labels that were filled, are named."""

import numpy as np
import polars as pl
import pytest
from data_panels import config_for, rows, written

from atft_core.data.build import check_panel, ensure_cache
from atft_core.data.hindsight import check_filled, check_scale
from atft_core.errors import DataError

DAYS, STOCKS = 160, 30


def levels(seed=0):
    rng = np.random.default_rng(seed)
    x = np.exp(rng.normal(0, 0.02, (DAYS, STOCKS)).cumsum(axis=0))
    x[:40, ::3] = np.nan  # stocks that come later
    return x


def by_maximum(x):
    return x / np.nanmax(x, axis=0)


def by_range(x):
    low = np.nanmin(x, axis=0)
    return (x - low) / (np.nanmax(x, axis=0) - low)


def by_deviation(x, ddof=0):
    return (x - np.nanmean(x, axis=0)) / np.nanstd(x, axis=0, ddof=ddof)


def named(x):
    return [f.rule for f in check_scale("hindsight", "x", x)]


@pytest.mark.parametrize(
    "scaled",
    [by_maximum, by_range, by_deviation, lambda x: by_deviation(x, 1),
     lambda x: 100 * by_maximum(x), lambda x: 1 - by_range(x), lambda x: by_maximum(x) - 1,
     lambda x: x / np.nanstd(x, axis=0), lambda x: x - np.nanmean(x, axis=0)],
)  # fmt: skip
def test_a_column_scaled_by_its_whole_history_is_named(scaled):
    assert named(scaled(levels())) == ["hindsight"]
    assert named(scaled(levels()).astype(np.float32)) == ["hindsight"]


def by_day(x):
    return (x - np.nanmean(x, axis=1, keepdims=True)) / np.nanstd(x, axis=1, keepdims=True)


def noise(*shape):
    return np.random.default_rng(1).normal(size=shape)


def age():
    """Days since the stock came, counted from 1."""
    here = np.isfinite(levels())
    return np.where(here, here.cumsum(axis=0), np.nan)


def rolling_correlation(x):
    """Of three days with the three before."""
    seen = np.lib.stride_tricks.sliding_window_view(x, 6, axis=0)
    now, before = (
        part - part.mean(axis=2, keepdims=True) for part in (seen[..., 3:], seen[..., :3])
    )
    return (now * before).sum(2) / np.sqrt((now**2).sum(2) * (before**2).sum(2))


@pytest.mark.parametrize(
    "fair",
    [
        levels(),
        by_day(levels()),
        by_day(noise(DAYS, STOCKS)).clip(-1, 1),
        levels() / np.fmax.accumulate(levels(), axis=0),  # from the highest close so far
        (noise(DAYS, STOCKS) > 2.2).astype(float),  # seldom 1, else 0
        noise(DAYS, STOCKS).clip(0, None),
        noise(DAYS, STOCKS).argsort(axis=1).argsort(axis=1) / (STOCKS - 1),
        np.tanh(3 * noise(DAYS, STOCKS)),
        np.tanh(2 * noise(1000, STOCKS)).astype(np.float32),
        1 / (1 + np.exp(-4 * noise(1000, STOCKS))),
        rolling_correlation(noise(1000, STOCKS)),
        age(),
        np.log1p(age()),
        1 / age(),
        age() / 252 + 0.5,
        (age() == 1).astype(float),  # first day
        np.where(np.arange(DAYS)[:, None] % 63 == np.arange(STOCKS) % 63, 1.0, 0.0)[:125],
        by_maximum(levels())[:50],  # too short to tell
        by_maximum(levels())[:, :10],
    ],
)
def test_other_columns_are_not(fair):
    assert named(fair) == []


def test_the_column_itself_is_left_as_it_is():
    x = by_maximum(levels())
    before = x.copy()
    named(x)
    np.testing.assert_array_equal(x, before)


def test_labels_filled_with_zero_are_named_and_empty_ones_are_not():
    y = noise(DAYS, STOCKS)
    valid = np.isfinite(levels())
    y[-3:] = 0.0
    (found,) = check_filled("y", y, valid, 1, 2)
    assert found.rule == "filled_labels" and found.count == 3 * STOCKS
    y[-3:] = np.nan
    assert check_filled("y", y, valid, 1, 2) == []
    y[-3:] = noise(3, STOCKS)  # known from days beyond the file
    assert check_filled("y", y, valid, 1, 2) == []


def test_a_return_of_0_while_a_stock_is_suspended_is_a_return():
    y, valid = noise(DAYS, STOCKS), np.random.default_rng(0).random((DAYS, STOCKS)) > 0.2
    y[:-1][valid[:-1] & ~valid[1:]] = 0.0
    y[-1:] = np.nan
    y = np.where(valid, y, np.nan)
    assert check_filled("y", y, valid, 0, 1) == []


def test_a_stock_that_leaves_has_its_filled_label_found():
    y, valid = noise(DAYS, STOCKS), np.ones((DAYS, STOCKS), bool)
    for n in range(25):
        valid[80 + n :, n] = False
        y[79 + n, n] = 0.0
    y[-1:] = np.nan
    (found,) = check_filled("y", y, valid, 0, 1)
    assert found.count == 25


def test_a_panel_with_such_a_feature_is_refused_and_such_bars_are_named(tmp_path):
    frame = rows(days=120, stocks=25)
    highest = pl.col("close").max().over("code")
    path = written(tmp_path, frame.with_columns(level=pl.col("close") / highest))
    with pytest.raises(DataError, match=r"largest 'level' of almost every stock is 1.*\n?.*"):
        ensure_cache(config_for(path, features=["level", "volume"]))
    trusting = config_for(path, features=["level", "volume"], trusted=["level"])
    assert ensure_cache(trusting).is_file()
    path = written(tmp_path, frame.with_columns(pl.col("close") / highest))
    found = [f.rule for f in check_panel(config_for(path))]
    assert "hindsight_bars" in found
    assert "hindsight" not in found


def test_a_panel_shorter_than_its_labels_reach_is_no_crash():
    y, valid = np.zeros((15, STOCKS)), np.ones((15, STOCKS), bool)
    assert [f.count for f in check_filled("y", y, valid, 0, 20)] == [15 * STOCKS]
    assert [f.count for f in check_filled("y", y, valid, 0, 10)] == [10 * STOCKS]


def test_a_panel_with_filled_targets_is_refused(tmp_path):
    frame = rows(days=120, stocks=25).sort("code", "date")
    ahead = pl.col("close").shift(-1).over("code") / pl.col("close") - 1
    path = written(tmp_path, frame.with_columns(y=ahead.fill_null(0.0), x=noise(len(frame))))
    config = config_for(
        path, features=["x"], targets={1: "y"}, label={"horizons": [1], "entry_lag": 0}
    )
    with pytest.raises(DataError, match="25 values of 'y' are 0"):
        ensure_cache(config)
