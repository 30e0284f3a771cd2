"""The trees find what a line cannot, choose their number without validation, and see the past."""

import json
from dataclasses import replace

import numpy as np
import pytest
from train_panels import make_config, make_panel, make_run

from atft_core.baselines import boosted
from atft_core.cross_section import ranked_targets
from atft_core.data.splits import Split
from atft_core.data.stored import to_bits
from atft_core.objective.metrics import daily_metrics
from atft_core.train.against import blended
from atft_core.train.baselines import baselines_of
from atft_core.train.preflight.__main__ import main
from atft_core.train.report import LastWord
from atft_core.train.results import score
from atft_core.train.setup import open_run
from atft_core.train.worker import run_trial

pytest.importorskip("lightgbm")
pytestmark = pytest.mark.slow
SPLIT = Split(range(20, 200), range(205, 240), range(245, 250), 5)


def panel_of(x, y):
    """A panel with these features and labels of its first horizon."""
    panel = make_panel(days=250, stocks=60, features=x.shape[2], horizons=(1,), missing=0.0)
    rank, gauss = ranked_targets(y.astype(np.float32)[..., None], panel.valid_TN)
    return replace(
        panel, x_TNF=to_bits(x.astype(np.float32)), y_TNH=y.astype(np.float32)[..., None],
        rank_TNH=rank, gauss_TNH=gauss,
    )  # fmt: skip


def rank_ic(panel, scores):
    days = slice(SPLIT.val.start, SPLIT.val.stop)
    daily = daily_metrics(scores[..., None], panel.y_TNH[days], panel.valid_TN[days])
    return float(np.nanmean(daily.rank_ic_DH))


def test_a_product_of_two_columns_is_found():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((250, 60, 4))
    panel = panel_of(x, x[..., 0] * x[..., 1] + rng.standard_normal((250, 60)))
    assert rank_ic(panel, boosted.boosted_predictions(panel, SPLIT, 0, lagged=False)) > 0.3


def test_yesterday_is_seen_with_lags_only_and_today_is_never_late():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((250, 60, 4))
    y = np.concatenate([np.zeros((1, 60)), x[:-1, :, 2]]) + rng.standard_normal((250, 60))
    panel = panel_of(x, y)
    plain, lagged = (
        boosted.boosted_predictions(panel, SPLIT, 0, lagged=lagged) for lagged in (False, True)
    )
    assert abs(rank_ic(panel, plain)) < 0.1
    assert rank_ic(panel, lagged) > 0.3
    later = x.copy()
    later[SPLIT.val.start + 10 :] = 9.0
    again = boosted.boosted_predictions(panel_of(later, y), SPLIT, 0, lagged=True)
    assert (again[:10] == lagged[:10]).all()


def test_validation_labels_change_nothing():
    rng = np.random.default_rng(2)
    x = rng.standard_normal((250, 60, 4))
    y = x[..., 0] + rng.standard_normal((250, 60))
    other = y.copy()
    other[SPLIT.val.start :] = rng.standard_normal(other[SPLIT.val.start :].shape)
    first, second = (
        boosted.boosted_predictions(panel_of(x, labels), SPLIT, 0, lagged=False)
        for labels in (y, other)
    )
    assert (first == second).all()


def test_it_is_a_baseline_at_the_horizon_of_the_objective(tmp_path):
    run = make_run(tmp_path, make_panel(), make_config(objective__lightgbm="auto"))
    assert main([str(run.path)]) == 0
    found = json.loads(run.preflight.read_text())["baselines"]
    assert {"lightgbm", "lightgbm + lags", "ridge"} <= set(found["1"])
    assert not {"lightgbm", "lightgbm + lags"} & set(found["5"])
    other = make_run(tmp_path / "other", make_panel(), make_config())
    assert main([str(other.path)]) == 0
    assert "lightgbm" not in json.loads(other.preflight.read_text())["baselines"]["1"]


@pytest.mark.parametrize("damage", ["none", "gone", "broken"])
def test_the_blend_with_the_trees_is_measured_on_the_same_days(tmp_path, damage):
    run = make_run(tmp_path, make_panel(), make_config(objective__lightgbm="auto"))
    assert main([str(run.path)]) == 0
    if damage == "gone":
        run.tree_scores().unlink()
    elif damage == "broken":
        run.tree_scores().write_bytes(b"ARROW1")
    setup = open_run(run)
    panel, split = setup.panel, setup.split
    rivals = baselines_of(run, setup.config, panel, split)
    days = slice(split.val.start, split.val.stop)
    trees_DN = np.nan_to_num(rivals.boosted_DN)
    assert trees_DN.std() > 0
    # blended with themselves, at another scale, the trees rank as they do alone
    same = score(panel, "val", split.val, np.repeat(trees_DN[..., None] * 7, 2, axis=2))
    daily = daily_metrics(trees_DN[..., None], panel.y_TNH[days, :, :1], panel.valid_TN[days])
    found = blended(rivals, panel, same, 0)
    assert found["blend_rank_ic"] == pytest.approx(float(np.nanmean(daily.rank_ic_DH)), abs=1e-6)
    assert found["blend_rank_ic_se"] > 0


def test_every_epoch_tells_the_blend(tmp_path):
    run = make_run(tmp_path, make_panel(), make_config(objective__lightgbm="auto"))
    assert main([str(run.path)]) == 0
    with LastWord(run.trial(0).exit, 1) as word:
        run_trial(run, 0, 1, word)
    assert word.state == "complete"
    row = json.loads(run.trial(0).metrics.read_text())["epochs"][-1]
    assert row["val"]["1"]["blend_rank_ic"] is not None
    assert "blend_rank_ic" not in row["val"]["5"]
