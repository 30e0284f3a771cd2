"""Ready features and targets by column mapping, with and without a close."""

import numpy as np
import polars as pl
import pytest
from data_panels import built, config_for, rows, synthetic, written

from atft_core.cross_section import centred_ranks
from atft_core.data.build import check_panel
from atft_core.data.columns import ready_groups
from atft_core.data.stored import to_float32

FEATURES = ("f_return_1", "f_return_5", "f_intraday", "f_range", "f_volume_20", "f_volume_60")
TARGETS = {h: f"target_{h}" for h in (1, 5, 10, 20)}


def wide(path, column, panel):
    frame = pl.read_parquet(path).pivot(on="code", index="date", values=column).sort("date")
    return frame.select(panel.codes).cast(pl.Float64).to_numpy()


def test_without_a_close_there_are_no_market_inputs_and_no_graph(tmp_path):
    path = synthetic(tmp_path, days=100, kind="ready")
    panel = built(path, features=FEATURES, targets=TARGETS)
    assert panel.features == FEATURES
    assert set(panel.groups) == {"return", "intraday", "range", "volume"}
    assert panel.market_TM.shape == (100, 0)
    assert panel.neighbours_RNK.shape == (0, 40, 0)
    assert any("no column 'close'" in w for w in panel.facts["warnings"])
    values = wide(path, "f_range", panel)
    np.testing.assert_array_equal(panel.valid_TN, np.isfinite(values))
    ranks = centred_ranks(values, panel.valid_TN)
    found = to_float32(panel.x_TNF)[..., FEATURES.index("f_range")]
    np.testing.assert_allclose(found, ranks, rtol=2**-8)


def test_ready_targets_are_stored_as_they_are(tmp_path):
    path = synthetic(tmp_path, days=100, kind="ready")
    panel = built(path, features=FEATURES, targets=TARGETS)
    for h, column in enumerate(TARGETS.values()):
        np.testing.assert_allclose(panel.y_TNH[..., h], wide(path, column, panel), rtol=1e-6)


def test_given_targets_obey_the_policy_for_extreme_returns_where_there_is_a_close(tmp_path):
    frame = rows().with_columns(
        mine=pl.lit(0.01) + pl.col("close") * 1e-6, feature=pl.col("volume")
    )
    jump = frame["date"].unique().sort()[30]
    hit = (pl.col("code") == "S03") & (pl.col("date") >= jump)
    frame = frame.with_columns(close=pl.when(hit).then(pl.col("close") * 3).otherwise("close"))
    path = written(tmp_path, frame)
    ready = {
        "label": {"horizons": (1, 5)},
        "features": ("feature",),
        "targets": {1: "mine", 5: "mine"},
    }
    masked = built(path, **ready)
    stock = masked.codes.index("S03")
    missing = np.flatnonzero(~np.isfinite(masked.y_TNH[:, stock, 1]))
    assert set(range(25, 30)) <= set(missing)
    kept = built(path, **ready, extreme_label_policy="keep")
    assert np.isfinite(kept.y_TNH[25:30, stock, 1]).all()
    with pytest.raises(ValueError, match="can be masked or kept"):
        config_for(path, **ready, extreme_label_policy="winsorise")


def test_numbers_beyond_sense_are_named(tmp_path):
    frame = rows().with_columns(huge=pl.lit(1e30), mine=pl.lit(1e20) * pl.col("close"))
    path = written(tmp_path, frame)
    ready = {"features": ("huge", "volume"), "targets": {1: "mine"}, "label": {"horizons": (1,)}}
    found = {f.rule: str(f) for f in check_panel(config_for(path, **ready, raw=("huge",)))}
    assert "720 values beyond 1e+15 in 'huge': S00 2021-03-01" in found["huge_raw"]
    assert "720 values beyond 10 in 'mine'" in found["huge_target"]


def test_raw_columns_keep_their_value_and_force_float32(tmp_path):
    frame = rows().with_columns(level=pl.col("close") * 1e5, twin=pl.col("close"))
    path = written(tmp_path, frame)
    panel = built(path, label={"horizons": (1,)}, features=("level", "twin"), raw=("level",))
    assert panel.x_TNF.dtype == np.float32
    np.testing.assert_allclose(panel.x_TNF[..., 0], wide(path, "level", panel), rtol=1e-6)
    assert abs(panel.x_TNF[..., 1]).max() < 2
    assert panel.market_TM.shape == (60, 6)
    with pytest.raises(ValueError, match="raw names"):
        config_for(path, features=("level",), raw=("twin",))


def test_a_feature_that_knows_the_label_is_named(tmp_path):
    path = synthetic(tmp_path, days=120)
    frame = pl.read_parquet(path)
    future = (pl.col("close").shift(-5) / pl.col("close") - 1).over("code", order_by="date")
    noise = pl.Series(np.random.default_rng(0).normal(size=len(frame)))
    frame = frame.with_columns(oracle=future, honest=noise)
    frame = frame.with_columns(mirror=-pl.col("oracle") + noise * 0.02)
    path = written(tmp_path, frame)
    findings = check_panel(config_for(path, features=("oracle", "honest", "mirror")))
    leaks = [f.message for f in findings if f.rule == "leak_suspicion"]
    assert len(leaks) == 2
    assert "'oracle' correlates +" in leaks[0]
    assert "over 5 days" in leaks[0]
    assert "'mirror' correlates -" in leaks[1]


def test_no_built_in_feature_is_suspected(tmp_path):
    findings = check_panel(config_for(synthetic(tmp_path)))
    assert not [f for f in findings if f.rule == "leak_suspicion"]


@pytest.mark.parametrize(("value", "said"), [(-1234.0, True), (9999.0, True), (1.2, False)])
def test_a_number_that_stands_for_a_missing_one_is_reported(tmp_path, value, said):
    odd = (pl.col("code") == "S01") & (pl.col("date").dt.day() < 4)
    near = pl.when(odd).then(value).otherwise(pl.col("close").rank().over("date") / 12)
    path = written(tmp_path, rows().with_columns(near=near))
    config = config_for(path, label={"horizons": (1,)}, features=("near",))
    found = {f.rule: str(f) for f in check_panel(config)}
    assert ("placeholder" in found) is said
    if said:
        assert (
            f"times {value:g} in 'near', all others are 0.0833333 to 1: S01 20"
            in (found["placeholder"])
        )


def test_columns_without_information_and_infinities_are_reported(tmp_path):
    frame = rows().with_columns(
        flat=pl.col("date").dt.day().cast(pl.Float64),
        empty=pl.when(pl.col("code") == "S01").then(1.0),
        odd=pl.when(pl.col("code") == "S01").then(float("inf")).otherwise(pl.col("close")),
    )
    path = written(tmp_path, frame)
    config = config_for(path, label={"horizons": (1,)}, features=("flat", "empty", "odd"))
    found = {f.rule: str(f) for f in check_panel(config)}
    assert "'flat' never differs" in found["constant_column"]
    assert "'empty' is missing in 92% of the rows" in found["mostly_missing"]
    assert "60 infinite values in 'odd'" in found["infinite_feature"]
    panel = built(path, label={"horizons": (1,)}, features=("flat", "empty", "odd"))
    assert np.isfinite(to_float32(panel.x_TNF)).all()


def test_groups_of_ready_features_are_their_first_words_or_runs():
    assert ready_groups(("f_mom_1", "f_mom_5", "f_vol_20")) == ("mom", "mom", "vol")
    assert ready_groups(("mom_5", "mom_20", "max_20")) == ("mom", "mom", "max")
    assert ready_groups(("vol_5", "volume_5", "7")) == ("vol", "volume", "other")
    assert ready_groups(("alone",)) == ("alone",)
    names = tuple(f"{a}{b}x" for a in "abcdefgh" for b in "klmno")
    groups = ready_groups(names)
    assert len(set(groups)) == 16
    assert list(groups) == sorted(groups)


def test_targets_and_raw_features_that_are_infinite_or_huge_are_told_and_masked(tmp_path):
    frame = rows(days=60, stocks=12).with_columns(
        r=pl.when(pl.int_range(pl.len()) % 50 == 0).then(1e39).otherwise(pl.col("close")),
        t=pl.when(pl.int_range(pl.len()) % 40 == 0)
        .then(float("inf"))
        .otherwise(0.01 * pl.col("volume")),
    )
    panel = built(
        written(tmp_path, frame), label={"horizons": (1,)}, features=("r",), raw=("r",),
        targets={1: "t"},
    )  # fmt: skip
    told = "\n".join(panel.facts["warnings"])
    assert "infinite values in 'r'" in told
    assert "infinite values in 't'" in told
    assert np.isfinite(panel.x_TNF).all()
    assert not np.isinf(panel.y_TNH).any()
    assert np.isnan(panel.y_TNH).any()
