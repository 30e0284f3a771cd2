"""The demo's default trial finds a planted signal, and nothing where there is nothing."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from atft_core.config.hashing import config_hash
from atft_core.config.load import resolve
from atft_core.config.render import to_toml
from atft_core.cross_section import ranked_targets
from atft_core.data.build import ensure_cache
from atft_core.data.cache import write_cache
from atft_core.data.leaks import panel_leaks
from atft_core.data.panel import open_panel
from atft_core.data.synthetic import write_panel
from atft_core.objective.losses import TERMS
from atft_core.run.directory import create
from atft_core.run.files import write_json
from atft_core.run.runbook import load
from atft_core.run.shipped import shipped
from atft_core.train.report import LastWord
from atft_core.train.worker import run_trial

pytestmark = pytest.mark.slow
torch.set_num_threads(1)
EPOCHS = 3


def demo_config(panel, seed, **changes):
    """The demo as `make demo` runs it, on another panel and with another seed; keys with __."""
    runbook = load(shipped("demo.toml"))
    flags = {"data.path": str(panel), "train.seed": seed, "train.threads": 1,
             "train.max_epochs": EPOCHS}  # fmt: skip
    flags |= {key.replace("__", "."): value for key, value in changes.items()}
    return resolve(runbook=runbook.config, runbook_name="demo.toml", flags=flags).config


def shuffled_by_day(panel, seed):
    """The same panel; each day deals its labels to other stocks that have one."""
    rng = np.random.default_rng(seed)
    y_TNH = np.array(panel.y_TNH)
    for day, valid in enumerate(panel.valid_TN):
        stocks = np.flatnonzero(valid)
        y_TNH[day, stocks] = y_TNH[day, rng.permutation(stocks)]
    return relabelled(panel, y_TNH)


def moved(panel, days):
    """The same panel; each day has the labels of `days` days later."""
    y_TNH = np.roll(panel.y_TNH, -days, axis=0)
    came_round = slice(-days, None) if days > 0 else slice(0, -days)
    y_TNH[came_round] = np.nan
    return relabelled(panel, np.where(panel.valid_TN[..., None], y_TNH, np.nan))


def a_day_further(panel, seed):
    return moved(panel, 1)


def relabelled(panel, y_TNH):
    rank_TNH, gauss_TNH = ranked_targets(y_TNH, panel.valid_TN)
    return dataclasses.replace(panel, y_TNH=y_TNH, rank_TNH=rank_TNH, gauss_TNH=gauss_TNH)


def validation(home, *, seed, signal=1.0, change=None, **changes):
    """Validation metrics of trial 0 at horizon 1, on a panel that was changed."""
    home.mkdir(exist_ok=True)
    write_panel(home / "panel.parquet", seed=seed, signal=signal)
    config = demo_config(home / "panel.parquet", seed, **changes)
    cache = ensure_cache(config)
    if change:
        write_cache(home / "changed.arrow", change(open_panel(cache), seed))
        cache = home / "changed.arrow"
    run = create(home / "run")
    facts = {"schema": 1, "cache": str(cache), "config_hash": config_hash(config)}
    write_json(run.run_json, facts)
    run.config.write_text(to_toml(config, {}))
    run.trial(0).path.mkdir()
    write_json(run.trial(0).params, {"trial": 0, "params": {}})
    with LastWord(run.trial(0).exit, 1) as word:
        run_trial(run, 0, 1, word)
    return json.loads(run.trial(0).metrics.read_text())["val"]["1"]


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "home"


@pytest.mark.parametrize("seed", range(3))
def test_the_planted_signal_is_found_whatever_the_seed(home, seed):
    found = validation(home, seed=seed)
    assert found["rank_ic"] > 0.05
    assert found["rank_ic_t"] > 4


@pytest.mark.parametrize("seed", range(5))
def test_where_nothing_is_planted_nothing_is_found(home, seed):
    assert abs(validation(home, seed=seed, signal=0.0)["rank_ic_t"]) < 3


@pytest.mark.parametrize("seed", range(5))
def test_labels_shuffled_within_each_day_cannot_be_predicted(home, seed):
    found = validation(home, seed=seed, change=shuffled_by_day)
    assert abs(found["rank_ic_t"]) < 3


def test_the_score_falls_when_labels_are_moved_a_day_further(home):
    found = validation(home, seed=0)["rank_ic"]
    further = validation(home.with_name("further"), seed=0, change=a_day_further)["rank_ic"]
    assert further < 0.6 * found


def test_labels_of_the_day_before_are_known_and_named_as_a_leak(home):
    home.mkdir()
    write_panel(home / "panel.parquet", seed=0)
    panel = open_panel(ensure_cache(demo_config(home / "panel.parquet", 0)))
    assert panel_leaks(panel, range(60, 300)) == []
    assert "r1" in {leak.feature for leak in panel_leaks(moved(panel, -1), range(60, 300))}


@pytest.mark.parametrize("term", TERMS)
def test_every_loss_term_alone_learns_to_rank(home, term):
    weights = {f"loss__{name}": float(name == term) for name in TERMS}
    found = validation(home, seed=0, model__quantiles=term == "quantile", **weights)
    assert found["rank_ic"] > 0.05
    assert found["rank_ic_t"] > 4
