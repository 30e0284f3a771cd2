"""The built-in features: documented, causal to the last bit, and what their names say."""

import datetime as dt

import numpy as np
import polars as pl
import pytest
from data_panels import built, synthetic

from atft_core.cross_section import centred_ranks
from atft_core.data.features import FEATURES

WINDOW_GROUPS = {"reversal", "range", "volume", "relative", "volatility", "momentum"}


def test_there_are_at_least_28_features_each_with_a_line_of_documentation():
    assert len(FEATURES) >= 28
    assert len({f.name for f in FEATURES}) == len({f.doc for f in FEATURES}) == len(FEATURES)
    assert all(f.doc and f.group in WINDOW_GROUPS and "\n" not in f.doc for f in FEATURES)


@pytest.mark.parametrize("normalise", ["rank", "zscore"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_deleting_the_rows_after_a_day_changes_no_bit_up_to_that_day(tmp_path, normalise, dtype):
    path = synthetic(tmp_path, stocks=60, days=330)
    whole = built(path, normalise=normalise, dtype=dtype)
    frame = pl.read_parquet(path)
    for t in (90, 200, 300):
        day = whole.dates_T[t].astype(dt.date)
        kept = frame.filter(pl.col("date") <= day)
        if t == 90:
            assert kept["code"].n_unique() < frame["code"].n_unique()  # later listings vanish
        kept.write_parquet(path)
        cut = built(path, normalise=normalise, dtype=dtype)
        index = [whole.codes.index(code) for code in cut.codes]
        np.testing.assert_array_equal(cut.dates_T, whole.dates_T[: t + 1])
        np.testing.assert_array_equal(cut.x_TNF, whole.x_TNF[: t + 1, index])
        np.testing.assert_array_equal(cut.market_TM, whole.market_TM[: t + 1])
        assert not whole.valid_TN[: t + 1, [n for n in range(60) if n not in index]].any()


def test_every_feature_differs_between_stocks_and_none_is_a_copy(tmp_path):
    panel = built(synthetic(tmp_path, days=320), dtype="float32")
    last = panel.x_TNF[-1][panel.valid_TN[-1]]
    assert (last.std(axis=0) > 0.9).all()
    correlation = np.abs(np.corrcoef(last.T)) - np.eye(len(FEATURES))
    assert correlation.max() < 0.999


def test_features_are_what_their_names_say(tmp_path):
    path = synthetic(tmp_path, days=150)
    panel = built(path, dtype="float32")
    frame = (
        pl.read_parquet(path)
        .with_columns(pl.col(pl.Float32).cast(pl.Float64))
        .pivot(on="code", index="date", values=["close", "open", "high", "low", "volume"])
        .sort("date")
    )

    def wide(name):
        return frame.select(f"{name}_{code}" for code in panel.codes).to_numpy()

    close, opened, volume = wide("close"), wide("open"), wide("volume")
    r1 = close[1:] / close[:-1] - 1
    expected = {
        "r1": r1[-1],
        "r20": close[-1] / close[-21] - 1,
        "overnight": opened[-1] / close[-2] - 1,
        "intraday": close[-1] / opened[-1] - 1,
        "close_in_range": (close[-1] - wide("low")[-1]) / (wide("high")[-1] - wide("low")[-1]),
        "volume_shock": volume[-1] / np.nanmean(volume[-20:], axis=0),
        "volatility_20": np.nanstd(r1[-20:], axis=0),
        "max_20": np.nanmax(r1[-20:], axis=0),
        "dollar_20": np.nanmean((close * volume)[-20:], axis=0),
        "amihud_20": np.nanmean((np.abs(r1) / (close * volume)[1:])[-20:], axis=0),
    }
    for name, values in expected.items():
        known = panel.valid_TN[-1] & np.isfinite(values)
        ranks = centred_ranks(values[None], known[None])[0]
        found = panel.x_TNF[-1, :, panel.features.index(name)]
        np.testing.assert_allclose(found[known], ranks[known], atol=1e-6, err_msg=name)
    # 150 days are not yet enough of a year.
    assert not panel.x_TNF[-1, :, panel.features.index("from_high_252")].any()


def test_a_sector_return_of_a_stock_without_sector_is_over_the_market(tmp_path):
    path = synthetic(tmp_path, days=80)
    (path.parent / "sector.parquet").unlink()
    panel = built(path, dtype="float32")
    i = panel.features.index
    assert (panel.sector_N == -1).all()
    np.testing.assert_allclose(panel.x_TNF[50, :, i("sector_r1")], panel.x_TNF[50, :, i("r1")])


def test_market_state_is_the_mean_return_and_the_dispersion(tmp_path):
    path = synthetic(tmp_path, days=100)
    panel = built(path)
    wide = pl.read_parquet(path).pivot(on="code", index="date", values="close").sort("date")
    close = wide.drop("date").cast(pl.Float64).to_numpy()
    r1 = close[1:] / close[:-1] - 1
    state = dict(zip(panel.market_names, panel.market_TM[-1], strict=True))
    assert state["market_r1"] == pytest.approx(np.nanmean(r1[-1]), abs=1e-7)
    assert state["market_r20"] == pytest.approx(np.nanmean(r1[-20:], axis=1).sum(), abs=1e-7)
    assert state["log_dispersion"] == pytest.approx(np.log(np.nanstd(r1[-1])), abs=1e-5)
    assert np.isnan(panel.market_TM[0]).all()
