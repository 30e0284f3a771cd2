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
from atft_core.data.panel import open_panel
from atft_core.data.synthetic import write_panel
from atft_core.run.directory import create
from atft_core.run.files import write_json
from atft_core.run.runbook import load
from atft_core.run.shipped import shipped
from atft_core.train.report import LastWord
from atft_core.train.worker import run_trial

pytestmark = pytest.mark.slow
torch.set_num_threads(1)
EPOCHS = 3


def demo_config(panel, seed):
    """The demo as `make demo` runs it, on another panel and with another seed."""
    runbook = load(shipped("demo.toml"))
    flags = {"data.path": str(panel), "train.seed": seed, "train.threads": 1,
             "train.max_epochs": EPOCHS}  # fmt: skip
    return resolve(runbook=runbook.config, runbook_name="demo.toml", flags=flags).config


def shuffled_by_day(panel, seed):
    """The same panel; each day deals its labels to other stocks that have one."""
    rng = np.random.default_rng(seed)
    y_TNH = np.array(panel.y_TNH)
    for day, valid in enumerate(panel.valid_TN):
        stocks = np.flatnonzero(valid)
        y_TNH[day, stocks] = y_TNH[day, rng.permutation(stocks)]
    rank_TNH, gauss_TNH = ranked_targets(y_TNH, panel.valid_TN)
    return dataclasses.replace(panel, y_TNH=y_TNH, rank_TNH=rank_TNH, gauss_TNH=gauss_TNH)


def validation(home, *, seed, signal=1.0, shuffle=False):
    """Validation metrics of trial 0 at horizon 1."""
    home.mkdir(exist_ok=True)
    write_panel(home / "panel.parquet", seed=seed, signal=signal)
    config = demo_config(home / "panel.parquet", seed)
    cache = ensure_cache(config)
    if shuffle:
        write_cache(home / "shuffled.arrow", shuffled_by_day(open_panel(cache), seed))
        cache = home / "shuffled.arrow"
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
    assert abs(validation(home, seed=seed, shuffle=True)["rank_ic_t"]) < 3
