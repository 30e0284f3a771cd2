"""The look at the holdout: last weights, new days, rows added once."""

import json

import numpy as np
import pytest
import torch
from scipy import stats
from train_panels import make_config, make_panel, make_run

from atft_core.errors import CheckpointError
from atft_core.train.holdout import score_holdout
from atft_core.train.report import LastWord
from atft_core.train.tables import read_table
from atft_core.train.worker import run_trial

torch.set_num_threads(1)


@pytest.fixture
def run(tmp_path):
    run = make_run(tmp_path, make_panel(), make_config())
    with LastWord(run.trial(0).exit, 1) as word:
        run_trial(run, 0, 1, word)
    return run


def rows(run, name):
    return read_table(getattr(run.trial(0), name)).to_pylist()


def test_the_holdout_is_added_to_all_files_and_agrees_with_scipy(run):
    before = {name: rows(run, name) for name in ("predictions", "daily_ic")}
    summary = score_holdout(run, 0)
    metrics = json.loads(run.trial(0).metrics.read_text())
    assert metrics["holdout"] == summary
    assert metrics["state"] == "complete"
    for name, validation in before.items():
        assert rows(run, name)[: len(validation)] == validation
        assert {row["split"] for row in rows(run, name)[len(validation) :]} == {"holdout"}
    day = [r for r in rows(run, "daily_ic") if r["split"] == "holdout" and r["horizon"] == 1][3]
    there = [
        (r["prediction"], r["target"])
        for r in rows(run, "predictions")
        if (r["date"], r["horizon"]) == (day["date"], 1) and r["target"] is not None
    ]
    assert day["rank_ic"] == pytest.approx(stats.spearmanr(*zip(*there, strict=True))[0])
    found = [r["rank_ic"] for r in rows(run, "daily_ic") if r["split"] == "holdout"]
    ones = [v for v in found[::2] if v is not None]
    assert summary["1"]["rank_ic"] == pytest.approx(np.mean(ones))


def test_a_second_look_replaces_the_first(run):
    score_holdout(run, 0)
    once = rows(run, "predictions")
    score_holdout(run, 0)
    assert rows(run, "predictions") == once


def test_predictions_that_were_cleared_away_come_back_for_the_holdout_alone(run):
    run.trial(0).predictions.unlink()
    score_holdout(run, 0)
    assert {row["split"] for row in rows(run, "predictions")} == {"holdout"}


def test_a_trial_without_a_checkpoint_is_refused(run):
    for path in run.trial(0).checkpoints.iterdir():
        (path / "weights.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"checkpoint is none; .*is missing"):
        score_holdout(run, 0)
