"""The planted panel: its parts, its ceilings, its files."""

import json
import tomllib

import numpy as np
import polars as pl
import pytest
from data_panels import built

from atft_core.data.planted import (
    SHARES,
    alignment,
    ceilings,
    make_planted,
    sum_of,
    write_planted,
)
from atft_core.errors import UsageError


@pytest.fixture(scope="module")
def planted():
    return make_planted(stocks=300, days=300, features=10, rho=0.1, seed=1)


def test_the_parts_are_uncorrelated_and_have_variance_one(planted):
    known = planted.there_TN
    parts = np.stack([part[known] for part in planted.parts.values()])
    np.testing.assert_allclose(parts.std(axis=1), 1.0, atol=0.06)
    np.testing.assert_allclose(np.corrcoef(parts), np.eye(5), atol=0.05)


@pytest.mark.parametrize(
    ("names", "model"),
    [
        (["linear"], "same day, linear"),
        (["linear", "interaction"], "same day"),
        (["linear", "interaction", "regime"], "same day and market"),
        (["linear", "interaction", "temporal"], "same day and history"),
        (["linear", "interaction", "temporal", "regime"], "all of the stock's own"),
        (list(SHARES), "and its edges"),
    ],
)
@pytest.mark.parametrize("days", [slice(0, 200), slice(200, 300)])
def test_a_model_that_knows_some_parts_reaches_its_ceiling_in_every_part_of_the_panel(
    planted, names, model, days
):
    score_DN = sum_of(planted.parts, names)[days]
    found_D = alignment(score_DN, planted.alpha_TN[days], planted.there_TN[days])
    assert np.mean(found_D) == pytest.approx(ceilings(planted.sector_N)[model], abs=0.015)


def test_returns_correlate_with_alpha_as_asked_and_a_placebo_not():
    strong, none = (
        make_planted(stocks=300, days=300, features=10, rho=rho, seed=2) for rho in (0.1, 0.0)
    )
    for planted, expected in ((strong, 0.1), (none, 0.0)):
        ic_D = alignment(planted.y_TN, planted.alpha_TN, planted.there_TN)
        assert np.mean(ic_D) == pytest.approx(expected, abs=0.015)


def test_the_files_are_a_panel_that_trains_as_the_config_beside_it_says(planted, tmp_path):
    path = tmp_path / "planted" / "panel.parquet"
    write_planted(path, planted)
    config = tomllib.loads(path.with_suffix(".toml").read_text())
    data = {key: value for key, value in config["data"].items() if key != "path"}
    data["targets"] = {int(h): name for h, name in data["targets"].items()}
    panel = built(path, label=config["label"], **data)
    np.testing.assert_array_equal(panel.valid_TN, planted.there_TN[:, : len(panel.codes)])
    np.testing.assert_allclose(panel.market_TM, planted.market_TM, rtol=1e-6)
    y_TN = np.where(planted.there_TN, planted.y_TN, np.nan)
    np.testing.assert_allclose(panel.y_TNH[..., 0], y_TN, rtol=1e-6)
    for n in (0, 17):
        mine = panel.edges_NE[n][panel.edges_NE[n] >= 0]
        assert sorted(mine) == np.flatnonzero(planted.edges_NN[n]).tolist()
    np.testing.assert_allclose(panel.edge_weights_NE, 8**-0.5, rtol=1e-6)
    truth = pl.read_parquet(path.with_suffix(".alpha.parquet"))
    assert truth.columns == ["date", "code", "alpha", *SHARES]
    assert len(truth) == int(planted.there_TN.sum())
    json.dumps(ceilings(planted.sector_N))


def test_a_panel_without_room_for_its_parts_is_refused():
    with pytest.raises(UsageError, match="no planted panel"):
        make_planted(stocks=40, days=60, features=10, rho=0.1, seed=0)
