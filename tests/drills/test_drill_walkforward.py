"""Walking forward: every fold is trained on days before it, and the whole is what its files say."""

import json
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from drill import FAST, atft, kill, refused, slowest, wait_for, wait_for_end
from scipy.stats import spearmanr

from atft_core.run.directory import RunDirectory

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SETS = [word for text in FAST if not text.startswith("search") for word in ("--set", text)]
SPLIT = ["--set", "split.train=0.4", "--set", "split.val=0.4"]


def walk(panel, output, *extra, folds=3, seeds=2):
    atft(
        "walkforward", "--data-path", panel, "--folds", folds, "--seeds", seeds,
        "--max-epochs", 2, "--output-dir", output, *SETS, *SPLIT, *extra,
    )  # fmt: skip
    return RunDirectory(output)


@pytest.fixture(scope="module")
def run(place, panel):
    return walk(panel, place / "walk")


def table(path):
    return pl.read_ipc(path).with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))


def test_folds_lie_behind_each_other_and_train_on_what_was_before(run):
    found = json.loads(run.walk.read_text())
    folds = found["folds"]
    assert [fold["fold"] for fold in folds] == [0, 1, 2]
    assert found["missing"] == []
    for before, after in pairwise(folds):
        assert before["val"][1] < after["val"][0]
        assert before["train"][0] == after["train"][0]
        assert before["train"][1] < after["train"][1]
    assert all(fold["train"][1] < fold["val"][0] for fold in folds)
    holdout = run.facts()["split"]["holdout"][0]
    assert folds[-1]["val"][1] < holdout


def test_the_pooled_figures_are_those_of_the_averaged_predictions(run):
    found = json.loads(run.walk.read_text())
    parts = []
    for fold in found["folds"]:
        seeds = [
            table(run.trial(number).predictions).filter(pl.col("horizon") == 1)
            for number in fold["trials"]
        ]
        assert len(seeds) == 2
        z = (pl.col("prediction") - pl.col("prediction").mean()) / pl.col("prediction").std(ddof=0)
        scored = [s.with_columns(z.over("date").alias("z")) for s in seeds]
        assert not np.allclose(scored[0]["z"], scored[1]["z"])
        mean = (scored[0]["z"] + scored[1]["z"]) / 2
        parts.append(scored[0].with_columns(mean.alias("mean")))
    daily = [
        spearmanr(day["mean"], day["target"]).statistic
        for _, day in pl.concat(parts).drop_nulls("target").sort("date").group_by("date")
    ]
    pooled = found["pooled"]["1"]
    assert pooled["days"] == len(daily)
    assert pooled["rank_ic"] == pytest.approx(np.mean(daily), abs=1e-6)
    assert pooled["baseline"] in ("ridge", "reversal", "momentum")
    together = table(run.walk_predictions).filter(pl.col("horizon") == 1).sort("date", "code")
    wanted = pl.concat(parts).sort("date", "code")
    np.testing.assert_allclose(together["prediction"], wanted["mean"], atol=1e-5)


def test_the_result_is_told_in_log_and_status(run):
    said = json.loads(run.walk.read_text())
    log = run.log.read_text()
    assert "Walk-forward h=1: RankIC" in log
    assert "Fold 2 " in log
    assert "no trial can be pruned" not in log
    status = json.loads(atft("status", run.path, "--json"))
    assert status["walk"]["pooled"] == said["pooled"]
    assert status["significance"] == {}
    assert status["best"] is None
    (line,) = [
        x for x in atft("status", run.path.parent).splitlines() if x.startswith(str(run.path))
    ]
    assert f"{said['pooled']['1']['rank_ic']:+.4f}" in line.split()
    text = atft("status", run.path)
    assert "judged" in text
    assert "Walk-forward, h=1" in text


def test_a_rolling_window_keeps_its_length(place, panel):
    run = walk(panel, place / "rolling", "--window", "rolling", seeds=1)
    lengths = {fold["train_days"] for fold in run.facts()["split"]["folds"]}
    assert len(lengths) == 1


@slowest
def test_a_walk_whose_engine_is_killed_goes_on_to_the_same_result(place, panel, run):
    output = place / "killed"
    walk(panel, output, "--detach")
    killed = RunDirectory(output)
    state = wait_for(killed, lambda s: 2 in s.trials and s.trials[2].epochs)
    kill(state.engine_pid)
    atft("resume", output)
    wait_for_end(killed)
    again, first = (json.loads(r.walk.read_text()) for r in (killed, run))
    assert again["pooled"] == first["pooled"]


def test_what_cannot_be_walked_is_refused(panel, tmp_path):
    words = ["walkforward", "--data-path", panel, "--output-dir", tmp_path / "x", *SETS]
    assert "fewer split.folds" in refused(*words, "--folds", 90)
    assert "'expanding' or 'rolling'" in refused(*words, "--window", "growing", code=2)
    grid = ["hpo", "--data-path", panel, "--output-dir", tmp_path / "y", *SETS]
    grid += ["--set", "engine.sampler=grid"]
    ranged = [*grid, "--set", 'search={"loss.sharpe" = {low = 0, high = 1}}']
    assert "is a range" in refused(*ranged, code=2)
    few = [*grid, "--n-trials", 3, "--set", 'search={"model.layers" = {choices = [0, 1]}}']
    assert "the grid has 2 combinations" in refused(*few, code=2)
