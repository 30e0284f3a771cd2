"""Labels equal returns recomputed from the file: no lag, no shift, no filling."""

import numpy as np
import polars as pl
import pytest
from data_panels import built, config_for, rows, synthetic, written

from atft_core.data.build import check_panel
from atft_core.data.labels import make_labels

HORIZONS = (1, 5, 10, 20)


def recomputed(path, horizon, lag):
    """Label by (date, code) with polars joins on the union calendar; only existing ones."""
    frame = pl.read_parquet(path).with_columns(pl.col("close").cast(pl.Float64))
    calendar = frame.select(pl.col("date").unique().sort()).with_row_index("t")
    close = frame.join(calendar, on="date").select(pl.col("t").cast(pl.Int64), "code", "close")

    def ahead(days, name):
        return close.select(pl.col("t") - days, "code", pl.col("close").alias(name))

    return (
        close.select("t", "code")
        .join(ahead(lag, "entry"), on=["t", "code"])
        .join(ahead(lag + horizon, "exit"), on=["t", "code"])
        .select("t", "code", y=pl.col("exit") / pl.col("entry") - 1)
        .drop_nulls()
    )


@pytest.mark.parametrize("lag", [0, 1])
def test_stored_labels_equal_returns_recomputed_with_polars(tmp_path, lag):
    path = synthetic(tmp_path, stocks=30, days=130)
    panel = built(path, label={"entry_lag": lag}, extreme_label_policy="keep")
    assert (~panel.valid_TN).any()  # the panel has gaps and late listings
    for h, horizon in enumerate(HORIZONS):
        expected = np.full(panel.valid_TN.shape, np.nan)
        for t, code, y in recomputed(path, horizon, lag).iter_rows():
            expected[t, panel.codes.index(code)] = y
        stored = np.where(panel.valid_TN, panel.y_TNH[..., h], np.nan)
        np.testing.assert_allclose(stored, expected, rtol=1e-6, atol=1e-7)
        assert np.isnan(panel.y_TNH[-(horizon + lag) :, :, h]).all()


def test_a_day_that_only_one_stock_traded_is_a_day_of_the_calendar(tmp_path):
    frame = rows(days=30)
    day = frame["date"].unique().sort()[10]
    frame = frame.filter((pl.col("date") != day) | (pl.col("code") == "S03"))
    panel = built(written(tmp_path, frame), label={"horizons": (1,)})
    assert len(panel.dates_T) == 30
    assert np.isnan(panel.y_TNH[9, :, 0]).sum() == 11
    assert np.isfinite(panel.y_TNH[9, panel.codes.index("S03"), 0])


def spike():
    """One stock: +100 % on day 5, +10 % on day 6, and half back on day 8 across a gap."""
    close = np.full((12, 2), 10.0)
    close[5, 0], close[6, 0], close[7, 0], close[8:, 0] = 20.0, 22.0, np.nan, 8.8
    return close


@pytest.mark.parametrize("policy", ["mask", "winsorise", "keep"])
def test_extreme_returns_in_the_window_are_handled_by_the_policy(policy):
    y = np.stack(list(make_labels(spike(), (1, 3), 0, policy, 0.5)), axis=2)[:, 0]
    if policy == "mask":
        assert np.isnan(y[4, 0])
        assert np.isnan(y[2:5, 1]).all()
        assert y[5, 0] == pytest.approx(0.1)
        assert np.isnan(y[5:8, 1]).all()  # the fall over the gap is inside
    elif policy == "keep":
        assert y[4, 0] == pytest.approx(1.0)
        assert y[5, 1] == pytest.approx(8.8 / 20 - 1)
    else:
        assert y[4, 0] == pytest.approx(0.5)
        assert y[3, 1] == pytest.approx(1.5 * 1.1 - 1)
        assert y[5, 1] == pytest.approx(1.1 * 0.5 - 1)
    assert y[8, 0] == pytest.approx(0.0)


def test_extreme_returns_are_reported_with_the_first_offenders(tmp_path):
    frame = rows(days=40)
    day = frame["date"].unique().sort()[20]
    spoilt = (pl.col("code") == "S05") & (pl.col("date") == day)
    frame = frame.with_columns(
        pl.when(spoilt).then(pl.col(c) * 3).otherwise(pl.col(c)).alias(c)
        for c in ("open", "high", "low", "close")
    )
    findings = check_panel(config_for(written(tmp_path, frame)))
    (found,) = [f for f in findings if f.rule == "extreme_return"]
    assert found.count == 2
    assert found.first[0] == f"S05 {day}"
    assert "extreme_label_policy" in found.text


def test_without_a_close_a_day_has_no_label_and_the_stock_is_not_valid(tmp_path):
    frame = rows(days=40)
    day = frame["date"].unique().sort()[20]
    hole = (pl.col("code") == "S05") & (pl.col("date") == day)
    frame = frame.with_columns(close=pl.when(hole).then(None).otherwise(pl.col("close")))
    panel = built(written(tmp_path, frame), label={"horizons": (1, 5)})
    n = panel.codes.index("S05")
    assert not panel.valid_TN[20, n]
    assert np.isnan(panel.y_TNH[[20, 19], n, 0]).all()
    assert np.isnan(panel.y_TNH[[20, 15], n, 1]).all()
    assert np.isfinite(panel.y_TNH[18, n]).all()
