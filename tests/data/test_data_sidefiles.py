"""Given edges and market columns: read as they are, checked, and part of the panel's identity."""

import numpy as np
import polars as pl
import pytest
from data_panels import built, config_for, rows, written

from atft_core.data.build import check_panel
from atft_core.data.sidefiles import MAX_EDGES, read_edges

SHORT = {"horizons": (1,)}
CODES = tuple(f"S{i:02d}" for i in range(12))


def edges(tmp_path, **columns):
    path = tmp_path / "edges.parquet"
    pl.DataFrame(columns).write_parquet(path)
    return path


def test_edges_are_sorted_by_weight_and_have_length_one(tmp_path):
    path = edges(tmp_path, code=["S01"] * 3 + ["S05"], neighbour=["S02", "S00", "S02", "S09"],
                 weight=[1.0, -4.0, 2.0, 0.5])  # fmt: skip
    found, findings = read_edges(path, CODES)
    assert findings == []
    assert found.neighbours_NE.shape == (12, 2)
    np.testing.assert_array_equal(found.neighbours_NE[1], [0, 2])
    np.testing.assert_allclose(found.weights_NE[1], [-0.8, 0.6])  # S02 is given twice: 1 + 2
    np.testing.assert_array_equal(found.neighbours_NE[5], [9, -1])
    np.testing.assert_array_equal(found.weights_NE[5], [1.0, 0.0])
    assert (found.neighbours_NE[[0, 2, 3]] == -1).all()
    assert not found.weights_NE[[0, 2, 3]].any()


@pytest.mark.filterwarnings("error")
def test_huge_weights_have_length_one_too(tmp_path):
    path = edges(tmp_path, code=["S01", "S01"], neighbour=["S02", "S00"], weight=[3e300, -4e300])
    found, findings = read_edges(path, CODES)
    assert findings == []
    np.testing.assert_allclose(found.weights_NE[1], [-0.8, 0.6])


def test_edges_without_weights_are_equal_and_too_many_are_cut(tmp_path):
    codes = tuple(f"C{i:03d}" for i in range(200))
    path = edges(tmp_path, code=["C000"] * 199, neighbour=codes[1:])
    found, _ = read_edges(path, codes)
    assert found.neighbours_NE.shape == (200, MAX_EDGES)
    np.testing.assert_allclose(found.weights_NE[0], MAX_EDGES**-0.5)


def test_edges_that_lead_nowhere_are_counted(tmp_path):
    path = edges(tmp_path, code=["S01", "S01", "XX", None, "S02"],
                 neighbour=["S01", "S02", "S03", "S04", "S03"], weight=[1, 0, 1, 1, 2])  # fmt: skip
    found, findings = read_edges(path, CODES)
    assert [(f.rule, f.count) for f in findings] == [("foreign_edges", 3), ("weightless_edges", 1)]
    assert found.neighbours_NE[2].tolist() == [3]


def test_edges_come_from_the_file_beside_and_another_file_is_another_panel(tmp_path):
    path = written(tmp_path, rows())
    assert built(path, label=SHORT).edges_NE.shape == (12, 0)
    edges(tmp_path, code=["S01", "S03"], neighbour=["S02", "S00"])
    panel = built(path, label=SHORT)
    assert panel.edges_NE[3].tolist() == [0]
    assert panel.facts["side"] == {"edges": str(tmp_path / "edges.parquet")}
    assert built(path, label=SHORT, edges="").edges_NE.shape == (12, 0)
    edges(tmp_path, code=["S01", "S03"], neighbour=["S02", "S01"])
    again = built(path, label=SHORT)
    assert again.edges_NE[3].tolist() == [1]
    assert again.facts["side_hashes"] != panel.facts["side_hashes"]


@pytest.mark.parametrize(
    "columns",
    [{"code": ["S01"], "to": ["S02"]}, {"code": ["S01"], "neighbour": ["S02"], "weight": ["x"]}],
)
def test_a_file_that_holds_no_edges_is_refused_by_name(tmp_path, columns):
    path = written(tmp_path, rows())
    edges(tmp_path, **columns)
    (found,) = [f for f in check_panel(config_for(path, label=SHORT)) if f.severity == "error"]
    assert "name its columns code and neighbour" in found.action
    assert 'data.edges=""' in found.action


def test_market_columns_have_one_value_per_day(tmp_path):
    day = pl.col("date").rank("dense").cast(pl.Float64)
    frame = rows().with_columns(state=day, other=day + pl.col("volume"))
    frame = frame.with_columns(state=pl.when(pl.col("code") == "S04").then(None).otherwise("state"))
    path = written(tmp_path, frame)
    panel = built(path, label=SHORT, market=("state",))
    assert panel.market_names == ("state",)
    np.testing.assert_array_equal(panel.market_TM[:, 0], np.arange(1, 61))
    found = check_panel(config_for(path, label=SHORT, market=("state", "other")))
    (wrong,) = [f for f in found if f.rule == "market_differs"]
    assert str(wrong).startswith("'other' differs between stocks on 60 days: 2021-03-01")
    assert "data.features" in wrong.action


def test_market_columns_without_information_are_named(tmp_path):
    day = pl.col("date").rank("dense").cast(pl.Float64)
    seldom = pl.when(day > 50).then(day)
    frame = rows().with_columns(still=pl.lit(3.0), seldom=seldom, never=pl.lit(None, pl.Float64))
    config = config_for(written(tmp_path, frame), label=SHORT, market=("still", "seldom", "never"))
    said = [str(f) for f in check_panel(config) if f.rule in ("constant_column", "mostly_missing")]
    assert said == [
        "'still' is the same on every day",
        "'seldom' is missing on 83% of the days",
        "'never' is missing on 100% of the days",
    ]
