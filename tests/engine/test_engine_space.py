"""The search space: every key real, trial 0 the configuration, a resumed trial the same."""

from functools import partial

import optuna
import pytest
from optuna.samplers import TPESampler

from atft_core.config.load import with_values
from atft_core.config.schema import Config
from atft_core.engine.space import configured, distributions, refusal, suggest
from atft_core.engine.study import make_pruner, make_sampler, pruning_possible
from atft_core.errors import ConfigError


def test_the_shipped_space_contains_the_shipped_configuration():
    space = distributions(Config())
    assert set(space) == set(Config().search) == set(configured(Config()))
    assert configured(Config())["loss.rank_ic"] == 0.5


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"train.learning_rate": 1e-5}, "lies outside its search range"),
        ({"model.hidden": 48, "model.heads": 4}, "lies outside its search range"),
        (
            {
                "command.params": {"a": "2..5"},
                "search": {"command.params.a": {"low": 1, "high": 9}},
            },
            "--set search.command.params.a=2..5",
        ),
        ({"search": {"model.hiden": {"choices": [32]}}}, "did you mean model.hidden"),
    ],
)
def test_a_space_that_trial_0_cannot_be_in_is_refused(change, said):
    with pytest.raises(ConfigError, match=said):
        distributions(with_values(Config(), change))


def test_whole_ranges_of_whole_keys_draw_whole_numbers():
    config = with_values(Config(), {"search": {"model.lookback": {"low": 5, "high": 40}}})
    space = distributions(config)
    study = optuna.create_study()
    assert isinstance(suggest(study.ask(), space)["model.lookback"], int)


def test_the_same_seed_and_number_draw_the_same_parameters():
    config = Config()

    def draw(seed, number):
        study = optuna.create_study(sampler=make_sampler(seed, number, distributions(config)))
        return suggest(study.ask(), distributions(config))

    assert draw(0, 3) == draw(0, 3)
    assert draw(0, 3) != draw(0, 4)
    assert draw(0, 3) != draw(1, 3)


def test_what_is_drawn_is_what_optuna_draws_that_reads_the_space_off_its_trials():
    config = Config()
    space = distributions(config)

    def drawn(sampler_of):
        study = optuna.create_study(direction="maximize")
        for number in range(16):
            study.sampler = sampler_of(number)
            trial = study.ask()
            params = suggest(trial, space)
            study.tell(trial, (number * 37 % 101) / 1000)
        return params

    def optunas(number):
        sampler = make_sampler(0, number, space)
        sampler.infer_relative_search_space = partial(
            TPESampler.infer_relative_search_space, sampler
        )
        return sampler

    assert drawn(lambda number: make_sampler(0, number, space)) == drawn(optunas)


def test_pruning_needs_enough_trials_and_epochs():
    few = with_values(Config(), {"engine.n_trials": 5, "train.max_epochs": 20})
    short = with_values(Config(), {"engine.n_trials": 20, "train.max_epochs": 5})
    enough = with_values(Config(), {"engine.n_trials": 20, "train.max_epochs": 15})
    assert [pruning_possible(c) for c in (few, short, enough)] == [False, False, True]


def test_a_bad_trial_is_pruned_after_the_warm_up_and_not_before():
    config = with_values(Config(), {"engine.n_trials": 20, "train.max_epochs": 15})
    study = optuna.create_study(direction="maximize", pruner=make_pruner(config.engine))
    for _ in range(config.engine.prune_startup):
        trial = study.ask()
        for epoch in range(1, 16):
            trial.report(0.05 + 0.001 * epoch, epoch)
        study.tell(trial, 0.06)
    bad = study.ask()
    pruned_at = None
    for epoch in range(1, 16):
        bad.report(-0.05 - 0.001 * epoch, epoch)
        if bad.should_prune():
            pruned_at = epoch
            break
    assert pruned_at is not None
    assert pruned_at > config.engine.prune_warmup


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 1e30, 64.5, True, "64", None, [64]])
def test_a_parameter_that_is_no_value_of_its_range_is_refused_in_words(value):
    config = Config.model_validate({"search": {"model.hidden": {"low": 16, "high": 128}}})
    assert refusal(config, {"model.hidden": 64}) == ""
    assert "model.hidden = " in refusal(config, {"model.hidden": value})
    assert "is missing" in refusal(config, {})
    assert "is not searched" in refusal(config, {"model.hidden": 64, "x\x1b[2J": 1})
