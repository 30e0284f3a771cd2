"""A grid: every combination in order, and no more than are asked for."""

import pytest

from atft_core.config.schema import Config
from atft_core.engine.space import planned
from atft_core.engine.study import make_pruner, pruning_possible
from atft_core.errors import ConfigError


def config(search, n_trials, sampler="grid"):
    engine = {"n_trials": n_trials, "sampler": sampler, "prune_startup": 1}
    return Config.model_validate({"engine": engine, "search": search})


LAYERS = {"model.layers": {"choices": [0, 1]}}
SEEDS = {"train.seed": {"choices": [0, 1, 2]}}


def test_the_last_key_changes_fastest():
    found = planned(config(LAYERS | SEEDS, 6))
    assert [(each["model.layers"], each["train.seed"]) for each in found] == [
        (0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2),
    ]  # fmt: skip


def test_of_a_huge_grid_only_what_is_asked_for_is_made():
    choices = {"choices": [i / 100 for i in range(100)]}
    keys = ("loss.rank_ic", "loss.cs_ic", "loss.sharpe", "loss.huber", "loss.spearman")
    assert len(planned(config(dict.fromkeys(keys, choices), 7))) == 7


def test_ranges_and_grids_that_are_too_small_are_refused():
    with pytest.raises(ConfigError, match=r"search\.loss\.sharpe is a range"):
        planned(config({"loss.sharpe": {"low": 0.0, "high": 1.0}}, 1))
    with pytest.raises(ConfigError, match="the grid has 2 combinations"):
        planned(config(LAYERS, 3))


def test_without_a_grid_trial_0_is_the_configuration():
    assert planned(config(LAYERS, 3, "tpe")) == [{"model.layers": 0}]


def test_a_grid_is_seen_whole():
    grid = config(LAYERS | SEEDS, 6)
    assert not pruning_possible(grid)
    assert type(make_pruner(grid.engine)).__name__ == "NopPruner"
    assert pruning_possible(config(LAYERS | SEEDS, 6, "tpe"))
