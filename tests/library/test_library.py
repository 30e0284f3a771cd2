"""What programs import: lazy, told in docstrings that run, and the same numbers as runs have."""

import doctest
import importlib
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import atft_core as atft
from atft_core.bench.runs import long_run
from atft_core.data.synthetic import write_panel
from atft_core.errors import ConfigError, RunDirectoryError, UsageError
from atft_core.run.state import State


@pytest.mark.parametrize("module", ["panel", "measures", "runs", "training"])
def test_the_examples_of_docstrings_hold(module):
    found = doctest.testmod(importlib.import_module(f"atft_core.library.{module}"))
    assert found.failed == 0
    assert found.attempted or module in ("runs", "training")


def test_every_name_exists_and_has_a_docstring():
    for name in atft.__all__:
        assert getattr(atft, name).__doc__, name
        assert name in dir(atft)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        atft.nothing  # noqa: B018


@pytest.mark.parametrize(
    ("use", "heavy"),
    [
        ("", {"numpy", "torch", "polars", "pydantic"}),
        ("atft_core.open_run", {"numpy", "torch", "polars", "pydantic"}),
        ("atft_core.evaluate", {"torch", "polars", "optuna"}),
        ("atft_core.configure", {"torch", "optuna"}),
        ("atft_core.train_one", {"optuna", "textual"}),
    ],
)
def test_a_name_loads_what_it_needs(use, heavy):
    code = f"import atft_core, sys; {use or 'None'}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not heavy & set(done.stdout.split())


def test_settings_say_what_is_wrong_with_them_and_nothing_else_counts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ATFT_TRAIN_MAX_EPOCHS", "77")
    (tmp_path / "atft.toml").write_text("[train]\nmax_epochs = 66\n")
    assert atft.configure().train.max_epochs == 10
    with pytest.raises(ConfigError, match=r"train\.max_epochs = 0"):
        atft.configure({"train.max_epochs": 0})


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    place = tmp_path_factory.mktemp("library")
    write_panel(place / "p.parquet", stocks=40, days=260)
    config = atft.configure({
        "train.max_epochs": 2, "model.hidden": 16, "model.heads": 2, "model.lookback": 10,
        "split.warmup": 20, "train.block_days": 8, "data.cache_dir": str(place), "search": {},
    })  # fmt: skip
    panel = atft.build_panel(place / "p.parquet", config)
    seen = []
    return atft.train_one(config, panel, watch=seen.append), panel, seen


def test_one_configuration_is_trained_and_measured(trained):
    found, panel, seen = trained
    assert seen == found.epochs and [row["epoch"] for row in seen] == [1, 2]
    assert found.value == pytest.approx(np.median([r["val"]["1"]["rank_ic"] for r in seen]))
    days = found.setup.split.val
    again = atft.evaluate(
        found.predict(days), panel.y_TNH[days.start : days.stop],
        panel.valid_TN[days.start : days.stop], panel.horizons,
    )  # fmt: skip
    assert again == seen[-1]["val"]


def test_predictions_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"must be \[days, stocks, 1\]"):
        atft.evaluate(np.zeros((3, 4)), np.zeros((3, 4)))


def test_a_stock_without_a_prediction_is_left_out():
    rng = np.random.default_rng(0)
    y = rng.standard_normal((30, 40, 1))
    pred = y.copy()
    pred[:, :5] = np.nan
    found = atft.evaluate(pred, y)["1"]
    assert (found["rank_ic"], found["days"]) == (pytest.approx(1.0), 30)


def test_a_run_is_an_object(tmp_path):
    long_run(tmp_path / "night", trials=3, epochs=2)
    run = atft.open_run(tmp_path / "night")
    assert len(run.trials()) == len(run.state.trials) == 4
    assert {"trial", "epoch", "val.1.rank_ic"} <= set(run.epochs().columns)
    assert {row.name for row in run.check()} >= {"val_rank_ic", "epoch_seconds"}
    with pytest.raises(UsageError, match="was ad hoc"):
        replace(run, state=State()).check()
    with pytest.raises(RunDirectoryError, match="not a run directory"):
        atft.open_run(tmp_path)
