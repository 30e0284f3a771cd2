"""Preflight: a sound run passes, and each check can fail."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from train_panels import make_config, make_panel, make_run, relabelled

from atft_core.config.search import default_search
from atft_core.data.splits import Split
from atft_core.data.stored import to_bits, to_float32
from atft_core.model.atft import ATFT
from atft_core.objective import losses
from atft_core.run import plugins
from atft_core.run.directory import RunDirectory
from atft_core.run.files import write_json
from atft_core.train.against import compare
from atft_core.train.baselines import baselines_of, read_baselines, write_baselines
from atft_core.train.loop import middle_block
from atft_core.train.preflight import checks, network, objective
from atft_core.train.preflight.__main__ import main, unused
from atft_core.train.preflight.checks import CHECKS, run_checks
from atft_core.train.preflight.scene import Scene
from atft_core.train.report import LastWord
from atft_core.train.results import read_table
from atft_core.train.setup import feed_of, make_setup
from atft_core.train.worker import run_trial

torch.set_num_threads(1)
SEARCH = {
    "train.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    "train.block_days": {"choices": [8, 16]},
    "model.hidden": {"choices": [16, 32]},
    "model.heads": {"choices": [2, 4]},
    "model.graph_dropout": {"low": 0.0, "high": 0.5},
    "model.layers": {"low": 1, "high": 3},
    "loss.sharpe": {"low": 0.0, "high": 0.2},
}


def scene(path, panel=None, disk_bytes=1, split=None, **changes):
    setup = make_setup(make_config(**changes), panel or make_panel())
    setup = replace(setup, split=split or setup.split)
    feed = feed_of(setup)
    block = feed.block(middle_block(setup.split.train, setup.config.train.block_days))
    return Scene(setup, feed, block, disk_bytes, path)


def failed(given):
    return [check["name"] for check in run_checks(given) if not check["ok"]]


def test_a_sound_run_passes_every_check(tmp_path):
    found = run_checks(scene(tmp_path, search=SEARCH, loss__spearman=0.1))
    assert [check["name"] for check in found] == list(CHECKS)
    assert [check for check in found if not check["ok"]] == []
    (searched,) = (c for c in found if c["name"] == "searched parameters take effect")
    assert "7 searched keys" in searched["detail"]


def test_scores_of_any_size_are_compared_relative_to_their_size(tmp_path):
    panel = make_panel()
    raw = replace(panel, x_TNF=to_float32(panel.x_TNF) * np.float32(1e7))
    mixed = {"days of a block do not mix", "later days are not seen"}
    assert not mixed & set(failed(scene(tmp_path, raw)))


def test_a_check_that_breaks_has_failed_and_says_why(tmp_path, monkeypatch):
    def broken(given):
        raise RuntimeError("kernel image is invalid")

    monkeypatch.setitem(checks.CHECKS, "splits are apart", broken)
    (found,) = [c for c in run_checks(scene(tmp_path)) if not c["ok"]]
    assert found["detail"] == "RuntimeError: kernel image is invalid"


def test_every_switch_of_the_network_passes(tmp_path):
    for switch in ("selection", "temporal", "graph", "fan", "san", "market", "linear"):
        assert failed(scene(tmp_path, **{f"model__{switch}": False})) == []


def test_a_term_that_cannot_learn_from_such_blocks_is_named(tmp_path):
    given = scene(tmp_path, train__block_days=4)
    assert failed(given) == ["loss terms pull the right way"]
    assert "no gradient: sharpe" in CHECKS["loss terms pull the right way"](given).detail


def test_a_loss_with_the_wrong_sign_is_caught(tmp_path, monkeypatch):
    given = scene(tmp_path)
    upside_down = replace(given.block, rank_BNH=-given.block.rank_BNH)
    monkeypatch.setattr(
        objective, "composite", lambda pred, rank, *rest: (-(pred * given.block.rank_BNH).sum(), {})
    )
    assert CHECKS["loss terms pull the right way"](given).ok
    assert not CHECKS["loss terms pull the right way"](replace(given, block=upside_down)).ok


class Mixing(torch.nn.Module):
    """A network with the fault that its name says."""

    def __init__(self, fault, lookback):
        super().__init__()
        self.fault, self.lookback = fault, lookback

    def forward(self, x_TNF, market_TM, valid_TN, neighbours_TNK):
        past = self.lookback - 1
        score_TN1 = x_TNF.float().sum(dim=2, keepdim=True)
        if self.fault == "constant":
            return torch.ones_like(score_TN1[past:])
        if self.fault == "blind":
            return score_TN1[:-past] if past else score_TN1
        if self.fault == "days":
            return score_TN1[past:] + score_TN1.mean()
        if self.fault == "stocks":
            return score_TN1[past:] - score_TN1[past:].mean(dim=1, keepdim=True)
        return score_TN1[past:] + score_TN1[past:].flip(0)


@pytest.mark.parametrize(
    ("fault", "names"),
    [
        ("blind", ["the last day is seen"]),
        ("days", ["later days are not seen", "days of a block do not mix",
                  "stocks do not mix without the graph"]),
        ("stocks", ["stocks do not mix without the graph"]),
        ("future", ["later days are not seen", "days of a block do not mix"]),
    ],
)  # fmt: skip
def test_a_network_with_a_fault_is_caught(tmp_path, monkeypatch, fault, names):
    monkeypatch.setattr(network, "_network", lambda *_, **__: Mixing(fault, 5))
    assert failed(scene(tmp_path)) == names


def test_a_network_that_says_the_same_of_every_stock_is_caught(tmp_path, monkeypatch):
    monkeypatch.setattr(network, "_network", lambda *_, **__: Mixing("constant", 5))
    assert failed(scene(tmp_path)) == ["stocks are told apart", "the last day is seen"]


def test_dropout_in_validation_is_caught(tmp_path, monkeypatch):
    monkeypatch.setattr(ATFT, "eval", lambda self: self.train())
    assert "scores do not change" in failed(scene(tmp_path))


@pytest.mark.parametrize("fault", ["no gradient", "left out of the sum"])
def test_a_loss_term_that_is_not_wired_is_caught(tmp_path, monkeypatch, fault):
    given = scene(tmp_path)
    if fault == "no gradient":
        monkeypatch.setitem(
            losses.TERMS, "cs_ic", lambda pred, *rest: losses.cs_ic(pred, *rest).detach()
        )
        names = ["loss terms pull the right way"]
    else:

        def without(pred, rank, gauss, y, mask, loss, horizons):
            if loss.rank_ic and loss.cs_ic:
                loss = loss.model_copy(update={"cs_ic": 0.0})
            return losses.composite(pred, rank, gauss, y, mask, loss, horizons)

        monkeypatch.setattr(objective, "composite", without)
        names = ["every loss term counts"]
    assert failed(given) == names


def test_labels_that_cannot_be_known_are_caught(tmp_path):
    panel = make_panel()
    filled = relabelled(
        panel, np.where(panel.valid_TN[..., None], np.nan_to_num(panel.y_TNH), np.nan)
    )
    given = scene(tmp_path, panel=filled)
    assert failed(given) == ["missing labels stay missing"]
    assert "30 labels of horizon 1" in CHECKS["missing labels stay missing"](given).detail


def test_a_loss_that_feels_missing_labels_is_caught(tmp_path):
    given = scene(tmp_path)
    block = given.block
    felt = replace(block, y_BNH=torch.nan_to_num(block.y_BNH))
    assert failed(replace(given, block=felt)) == ["missing labels stay missing"]


@pytest.mark.parametrize(
    "search",
    [
        {"data.neighbours": {"choices": [4, 8]}},  # the cache is built once for all trials
        {"loss.spearman": {"choices": [0.1, 0.1]}},
        {"model.heads": {"choices": [2, 3]}},  # 3 does not divide hidden
    ],
)
def test_a_searched_key_without_effect_or_without_a_trial_is_caught(tmp_path, search):
    assert failed(scene(tmp_path, search=search)) == ["searched parameters take effect"]


def test_the_shipped_search_passes(tmp_path):
    search = {key: space.model_dump() for key, space in default_search().items()}
    assert failed(scene(tmp_path, search=search)) == []


@pytest.mark.parametrize("key", ["train.sparsity", "train.weight_decay", "model.market_noise"])
def test_what_is_no_part_of_the_network_takes_effect_too(tmp_path, key):
    search = {key: {"low": 0.1, "high": 0.9}}
    assert failed(scene(tmp_path, search=search)) == []


def test_a_switched_off_block_makes_its_parameter_idle(tmp_path):
    search = {"model.layers": {"choices": [1, 2]}}
    given = scene(tmp_path, search=search, model__graph=False)
    assert failed(given) == ["searched parameters take effect"]


def test_a_split_without_purge_is_caught(tmp_path):
    split = Split(train=range(10, 90), val=range(92, 120), holdout=range(126, 150), purge_days=5)
    given = scene(tmp_path, split=split)
    assert failed(given) == ["splits are apart"]
    assert "-2 and 2 days" in CHECKS["splits are apart"](given).detail


def test_a_feature_that_is_the_label_is_named(tmp_path):
    panel = make_panel()
    x = panel.float_features(range(150))
    x[..., 3] = np.nan_to_num(panel.y_TNH[..., 1]) * 100
    given = scene(tmp_path, panel=replace(panel, x_TNF=to_bits(x)))
    assert failed(given) == ["no feature is the label"]
    assert "x3" in CHECKS["no feature is the label"](given).detail


def test_too_little_disk_is_caught(tmp_path):
    assert failed(scene(tmp_path, disk_bytes=10**18)) == ["the disk has room"]


def test_a_validation_without_labels_is_caught(tmp_path):
    panel = make_panel()
    panel.y_TNH[90:] = np.nan
    assert failed(scene(tmp_path, panel=panel)) == ["metrics know good from bad"]


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    config = make_config(engine__n_trials=3, search=SEARCH)
    largest = {"model.hidden": 32, "model.layers": 3}
    run = make_run(tmp_path_factory.mktemp("p"), make_panel(), config, ({}, largest))
    assert main([str(run.path)]) == 0
    return run


def test_preflight_writes_checks_estimate_and_baselines(checked):
    found = json.loads(checked.preflight.read_text())
    assert all(check["ok"] for check in found["checks"])
    estimate = found["estimate"]
    epochs = 2 * estimate["epoch_seconds"]
    assert estimate["trial_seconds"] == pytest.approx(estimate["startup_seconds"] + epochs)
    assert estimate["sweep_seconds"] == pytest.approx(3 * estimate["trial_seconds"])
    assert estimate["block_seconds"] > 0 < estimate["startup_seconds"]
    assert set(found["baselines"]) == {"1", "5"}
    assert set(found["baselines"]["1"]) == {"reversal", "ridge"}
    assert set(found["baselines"]["1"]["ridge"]) == {
        "rank_ic", "rank_ic_se", "rank_ic_t", "days",
    }  # fmt: skip


def test_the_estimate_of_the_disk_is_enough_and_not_absurd(checked):
    need = json.loads(checked.preflight.read_text())["estimate"]["disk_bytes"] / 3
    with LastWord(checked.trial(1).exit, 1) as word:
        run_trial(checked, 1, 1, word)
    files = [path for path in checked.trial(1).path.rglob("*") if path.is_file()]
    used = sum(path.stat().st_size for path in files)
    assert 0.3 * used < need < 3 * used


def test_epochs_are_compared_with_the_best_baseline_of_the_run(checked):
    table = {f.name: str(f.type) for f in read_table(checked.baselines()).schema}
    assert list(table) == ["split", "date", "horizon", "name", "rank_ic"]
    found = json.loads(checked.preflight.read_text())["baselines"]
    with LastWord(checked.trial(0).exit, 1) as word:
        run_trial(checked, 0, 1, word)
    row = json.loads(checked.trial(0).metrics.read_text())["epochs"][-1]["val"]
    for horizon in ("1", "5"):
        best = max(found[horizon], key=lambda name: found[horizon][name]["rank_ic"])
        assert row[horizon]["baseline"] == best
        gain = row[horizon]["rank_ic"] - found[horizon][best]["rank_ic"]
        assert row[horizon]["baseline_diff"] == pytest.approx(gain, abs=1e-9)
        assert row[horizon]["baseline_diff_se"] > 0


@pytest.mark.parametrize("damage", [b"", b"ARROW1 and nothing that follows", None])
def test_baselines_that_cannot_be_read_are_made_again(tmp_path, damage):
    setup, run = make_setup(make_config(), make_panel()), RunDirectory(tmp_path)
    path = run.baselines()
    write_baselines(run, 0, setup.panel, setup.split)
    before = read_baselines(path)
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage)
    again = baselines_of(run, setup.config, setup.panel, setup.split)
    assert again.daily == before == read_baselines(path)
    assert again.boosted_DN is None


def test_without_baselines_there_is_no_comparison():
    assert compare({}, 1, np.array([], "datetime64[D]"), None, 0) == {}


def test_a_run_that_cannot_be_opened_is_an_error_of_one_line(tmp_path, capsys):
    run = make_run(tmp_path, make_panel(), make_config())
    write_json(run.run_json, {"cache": str(tmp_path / "gone.arrow")})
    assert main([str(run.path)]) == 1
    assert "Traceback" not in capsys.readouterr().out


def test_weights_that_no_float_holds_are_caught(tmp_path):
    given = scene(tmp_path, loss__huber=1e39)
    assert "every loss term counts" in failed(given)
    assert "not finite" in CHECKS["every loss term counts"](given).detail


def test_what_a_plug_in_brings_and_nobody_asked_for_is_said(monkeypatch):
    bring = {"TERMS": {"tail": print, "body": print, "drawn": print}, "BLOCKS": {"trend": print}}
    monkeypatch.setattr(plugins, "_LOADED", {"1": bring, "2": {"TERMS": {"of_another": print}}})
    drawn = {"loss.own.drawn": {"low": 0.0, "high": 1.0}}
    config = make_config(loss__own={"tail": 0.1, "body": 0.0}, search=drawn)
    said = list(unused(config, {"a.py": "1"}))
    assert [each.split(":")[0] for each in said] == [
        "The plug-in's loss term body has no weight",
        "The plug-in's part of the model trend is not used",
    ]
    assert list(unused(make_config(), {})) == []
