"""A trial as a program that needs torch alone gives the scores that validation measured."""

import json
import subprocess
import sys
from contextlib import closing

import numpy as np
import polars as pl
import pytest
import torch
from drill import ALL, FAST, atft, refused
from safetensors.torch import load_file

from atft_core import train_one
from atft_core.run.directory import RunDirectory
from atft_core.train.setup import feed_of, open_trial

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
ALONE = """
import sys, torch
scores = torch.export.load(sys.argv[1]).module()(*torch.load(sys.argv[2], weights_only=True))
torch.save(scores, sys.argv[3])
assert not any(name.startswith("atft") for name in sys.modules)
"""
LARGE = ["model.layers=1", "model.fan=true", "model.san=true", "model.quantiles=true",
         "loss.quantile=0.1", "model.attend=encoded"]  # fmt: skip


def inputs_of(run, day):
    setup = open_trial(run, 0)
    panel = setup.panel
    with closing(feed_of(setup)) as feed:
        block = feed.block(range(day, day + 1))
    stocks = (panel.sector_N, panel.edges_NE, panel.edge_weights_NE)
    return (
        block.x_TNF.float().clone(), block.market_TM.clone(), block.valid_TN.clone(),
        block.neighbours_TNK.clone(), *(torch.from_numpy(each.copy()) for each in stocks),
    )  # fmt: skip


def assert_a_program_gets_the_same(run):
    """`train_one` is the training of a run."""
    torch.set_num_threads(1)
    setup = open_trial(run, 0)
    (row,) = train_one(setup.config, setup.panel).epochs
    (known,) = json.loads(run.trial(0).metrics.read_text())["epochs"]
    for name in ("loss", "rank_ic"):
        assert row["train"][name] == pytest.approx(known["train"][name], rel=1e-6)
    for name in ("ic", "rank_ic", "rank_ic_se", "turnover"):
        assert row["val"]["1"][name] == pytest.approx(known["val"]["1"][name], rel=1e-6)


@pytest.mark.parametrize("extra", [[], LARGE] if ALL else [LARGE])
def test_torch_alone_scores_as_validation_did(panel, tmp_path, extra):
    sets = [word for text in [*FAST, *extra] for word in ("--set", text)]
    atft("hpo", "--data-path", panel, "--n-trials", 1, "--max-epochs", 1, "--study-name", "s",
         "--output-dir", tmp_path / "run", *sets)  # fmt: skip
    run, out = RunDirectory(tmp_path / "run"), tmp_path / "scorer"
    if extra is not LARGE or not ALL:
        assert_a_program_gets_the_same(run)
    assert "scorer.pt2 for torch.export.load" in atft("export", run.path, "scorer", "--out", out)
    about = json.loads((out / "scorer.json").read_text())
    setup = open_trial(run, 0)
    day = setup.split.val[-1]
    inputs = inputs_of(run, day)
    torch.save(inputs, tmp_path / "inputs.pt")
    words = [out / "scorer.pt2", tmp_path / "inputs.pt", tmp_path / "scores.pt"]
    subprocess.run([sys.executable, "-c", ALONE, *map(str, words)], check=True)
    scores_1NH = torch.load(tmp_path / "scores.pt", weights_only=True)
    known = pl.read_ipc(run.trial(0).predictions).filter(
        pl.col("date") == setup.panel.dates_T[day].item()
    )
    codes = list(setup.panel.codes)
    for h, horizon in enumerate(about["horizons"]):
        rows = known.filter(pl.col("horizon") == horizon)
        places = [codes.index(code) for code in rows["code"].cast(pl.String)]
        assert len(places) > 20
        found = scores_1NH[0, places, h].numpy()
        np.testing.assert_allclose(found, rows["prediction"], atol=1e-4 * found.std())
    weights = load_file(out / "weights.safetensors")
    assert sum(each.numel() for each in weights.values()) > 1000
    fewer = tuple(
        each[:, :30] if each.shape[1:2] == inputs[0].shape[1:2] else each[:30]
        if len(each) == len(codes) else each for each in inputs
    )  # fmt: skip
    fewer[3][fewer[3] >= 30] = -1
    assert torch.export.load(out / "scorer.pt2").module()(*fewer).shape == (1, 30, 4)
    assert "is not empty" in refused("export", run.path, "scorer", "--out", out, code=2)
