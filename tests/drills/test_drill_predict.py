"""`atft predict` says of a panel what validation said of it, and of a new day what it can know."""

import json
import shutil

import numpy as np
import polars as pl
import pytest
from drill import FAST, atft, refused

from atft_core.run.directory import RunDirectory

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SETS = [word for text in FAST if "lightgbm" not in text for word in ("--set", text)]
KEY = ["date", "code", "horizon"]


@pytest.fixture(scope="module")
def run(place, panel):
    atft(
        "hpo", "--data-path", panel, "--n-trials", 2, "--max-epochs", 2, "--study-name", "p",
        "--output-dir", place / "predict", *SETS,
    )  # fmt: skip
    return RunDirectory(place / "predict")


def predicted(run, panel, out, *extra):
    atft("predict", run.path, "--data-path", panel, "--out", out, *extra)
    return pl.read_parquet(out).with_columns(pl.col("code").cast(pl.String))


def validated(run, trial):
    table = pl.read_ipc(run.trial(trial).predictions)
    return table.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))


def test_the_days_of_validation_are_scored_as_they_were(run, panel, tmp_path):
    first = validated(run, 0)["date"].min()
    for trial in (0, 1):
        words = ("--trial", trial, "--since", first)
        found = predicted(run, panel, tmp_path / "p.parquet", *words)
        assert set(found.filter(pl.col("date") == first)["part"].cast(pl.String)) == {"val"}
        both = found.join(validated(run, trial), on=KEY, suffix="_val")
        assert len(both) == len(validated(run, trial))
        np.testing.assert_allclose(both["prediction"], both["prediction_val"], atol=1e-5)


def test_without_a_trial_the_best_one_predicts(run, panel, tmp_path):
    best = json.loads(atft("status", run.path, "--json"))["best"]
    words = ["predict", run.path, "--data-path", panel, "--json"]
    told = json.loads(atft(*words, "--out", tmp_path / "p.csv"))
    assert told["trials"] == [best]
    assert set(told["rows_by_part"]) >= {"val", "holdout"}
    assert told["rows"] == len(pl.read_csv(tmp_path / "p.csv"))


def test_a_day_is_scored_without_the_days_after_it(run, panel, tmp_path):
    whole = predicted(run, panel, tmp_path / "whole.parquet", "--since", "2000-01-01")
    frame = pl.read_parquet(panel)
    today = sorted(frame["date"].unique())[-30]
    frame.filter(pl.col("date") <= today).write_parquet(tmp_path / "today.parquet")
    shutil.copy(panel.with_name("sector.parquet"), tmp_path)
    found = predicted(run, tmp_path / "today.parquet", tmp_path / "p.parquet", "--since", today)
    assert found["date"].unique().to_list() == [today]
    both = found.join(whole, on=KEY, suffix="_whole")
    assert len(both) == len(found) > 0
    np.testing.assert_allclose(both["prediction"], both["prediction_whole"], atol=1e-5)


def test_a_file_of_one_day_without_labels_is_scored(run, panel, tmp_path):
    """Ready features of a day whose return nobody knows: no target, no close, no history."""
    frame = pl.read_parquet(panel).sort("code", "date")
    ahead = pl.col("close").shift(-1).over("code") / pl.col("close") - 1
    ready = frame.select("date", "code", "volume", x=pl.col("close") / pl.col("open"), y=ahead)
    ready.write_parquet(tmp_path / "ready.parquet")
    sets = [
        "data.features=[\"volume\", \"x\"]", "data.targets={1 = \"y\"}", "label.horizons=[1]",
        "data.sector=\"\"", "model.lookback=5",
    ]  # fmt: skip
    words = [word for text in [*FAST, *sets] for word in ("--set", text)]
    atft("hpo", "--data-path", tmp_path / "ready.parquet", "--max-epochs", 1, "--output-dir",
         tmp_path / "run", *words)  # fmt: skip
    ready_run = RunDirectory(tmp_path / "run")
    panel_path = tmp_path / "ready.parquet"
    whole = predicted(ready_run, panel_path, tmp_path / "whole.parquet", "--since", "2000-01-01")
    last = sorted(frame["date"].unique())[-5:]
    ready.filter(pl.col("date").is_in(last)).drop("y").write_parquet(tmp_path / "today.parquet")
    found = predicted(ready_run, tmp_path / "today.parquet", tmp_path / "p.parquet")
    assert found["date"].unique().to_list() == last[-1:]
    both = found.join(whole, on=KEY, suffix="_whole")
    np.testing.assert_allclose(both["prediction"], both["prediction_whole"], atol=1e-5)
    assert not list(tmp_path.glob("*.arrow"))


def test_the_blend_is_the_mean_of_both_by_day(run, panel, tmp_path):
    pytest.importorskip("lightgbm")
    found = predicted(run, panel, tmp_path / "p.parquet", "--blend")
    assert found.filter(pl.col("horizon") != 1)["blend"].is_null().all()
    one = found.filter(pl.col("horizon") == 1)
    z = [((pl.col(c) - pl.col(c).mean()) / pl.col(c).std(ddof=0)).over("date")
         for c in ("prediction", "lightgbm")]  # fmt: skip
    wanted = one.select((z[0] + z[1]) / 2).to_series()
    np.testing.assert_allclose(one["blend"], wanted, atol=1e-4)
    first = pl.read_ipc(run.tree_scores())["date"].min()
    found = predicted(run, panel, tmp_path / "p.parquet", "--blend", "--since", first)
    one = found.filter(pl.col("horizon") == 1)
    trees = pl.read_ipc(run.tree_scores()).filter(pl.col("horizon") == 1)
    trees = trees.with_columns(pl.col("code").cast(pl.String))
    both = one.join(trees, on=["date", "code"], suffix="_val")
    assert len(both) == len(trees)
    np.testing.assert_allclose(both["lightgbm"], both["prediction_val"], atol=1e-6)


def test_every_epoch_says_what_the_blend_reaches(run):
    pytest.importorskip("lightgbm")
    val = json.loads(run.trial(0).metrics.read_text())["epochs"][-1]["val"]
    assert val["1"]["blend_rank_ic"] is not None
    assert "blend_rank_ic" not in val["5"]
    assert "blended with LightGBM" in run.log.read_text()


def test_what_cannot_be_predicted_is_refused_by_name(run, panel, tmp_path):
    words = ["predict", run.path, "--data-path"]
    out = ["--out", tmp_path / "p.parquet"]
    assert "neither" in refused(*words, panel, "--out", tmp_path / "p.xlsx", code=2)
    assert "no date" in refused(*words, panel, *out, "--since", "today", code=2)
    assert "after the last day" in refused(*words, panel, *out, "--since", "2999-01-01", code=2)
    assert "no trial 7; it has 0, 1" in refused(*words, panel, *out, "--trial", 7, code=2)
    shutil.copy(panel, tmp_path / "alone.parquet")
    assert "has none of a file of sector" in refused(*words, tmp_path / "alone.parquet", *out)
    shutil.copy(panel.with_name("sector.parquet"), tmp_path)
    pl.DataFrame({"code": ["SYN0001"], "neighbour": ["SYN0002"]}).write_parquet(
        tmp_path / "edges.parquet"
    )
    assert "has one of a file of edges" in refused(*words, tmp_path / "alone.parquet", *out)
    (tmp_path / "edges.parquet").unlink()
    pl.read_parquet(panel).drop("volume").write_parquet(tmp_path / "less.parquet")
    assert "volume" in refused(*words, tmp_path / "less.parquet", *out)
    assert not (tmp_path / "p.parquet").exists()


def test_the_panel_and_the_run_are_never_replaced(run, panel, tmp_path):
    words = ["predict", run.path, "--data-path", panel, "--out"]
    before = panel.read_bytes()
    for place in (panel, panel.with_name("sector.parquet"), run.path / "x.parquet"):
        assert "would replace" in refused(*words, place, code=2)
    assert panel.read_bytes() == before


def test_a_link_is_followed_to_what_it_names(run, panel, tmp_path):
    real, link = tmp_path / "real.parquet", tmp_path / "link.parquet"
    real.write_bytes(b"old")
    link.symlink_to(real)
    predicted(run, panel, link)
    assert link.is_symlink()
    assert pl.read_parquet(real).height > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.parquet", "real.parquet"]


def test_short_history_is_said_and_several_trials_are_averaged(run, panel, tmp_path):
    words = ["predict", run.path, "--data-path", panel, "--out", tmp_path / "p.parquet", "--json"]
    told = json.loads(atft(*words, "--since", "2000-01-01"))
    assert told["short_history_days"] > 100
    assert any("slow features are missing" in text for text in told["warnings"])
    told = json.loads(atft(*words, "--trial", 0, "--trial", 1))
    assert told["trials"] == [0, 1]
    assert told["short_history_days"] == 0
    mean = pl.read_parquet(tmp_path / "p.parquet")
    parts = [predicted(run, panel, tmp_path / "q.parquet", "--trial", t) for t in (0, 1)]
    z = (pl.col("prediction") - pl.col("prediction").mean()) / pl.col("prediction").std(ddof=0)
    z = [part.select(z.over("date", "horizon")).to_series() for part in parts]
    np.testing.assert_allclose(mean["prediction"], (z[0] + z[1]) / 2, atol=1e-5)


def test_other_weights_than_the_measured_ones_score_nothing(run, panel, tmp_path):
    copy = shutil.copytree(run.path, tmp_path / "copy")
    newest = sorted((copy / "trial_0" / "checkpoints").iterdir())[-1]
    (newest / "optimiser.pt").write_bytes(b"short")
    words = ["predict", copy, "--data-path", panel, "--out", tmp_path / "p.parquet"]
    assert "measured after epoch 2" in refused(*words, "--trial", 0)


def test_damaged_trees_are_refused_by_name(run, panel, tmp_path):
    pytest.importorskip("lightgbm")
    copy = shutil.copytree(run.path, tmp_path / "copy")
    trees = RunDirectory(copy).trees()
    trees.write_bytes(trees.read_bytes()[:-100])
    words = ["predict", copy, "--data-path", panel, "--out", tmp_path / "p.parquet", "--blend"]
    assert "lightgbm.txt is damaged" in refused(*words)
