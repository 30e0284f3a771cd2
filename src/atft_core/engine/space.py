"""The search space: dotted configuration keys and the distributions they are drawn from."""

from __future__ import annotations

import math
from itertools import islice, product
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import Trial

from atft_core.config.keys import get, known, suggestion
from atft_core.config.render import toml_value
from atft_core.config.schema import Config
from atft_core.config.search import Choice
from atft_core.errors import ConfigError
from atft_core.run.wording import several


def distributions(config: Config) -> dict[str, BaseDistribution]:
    """One distribution per searched key, in the order of the configuration.

    ConfigError when a key does not exist, or when the configured value, which trial 0 runs, lies
    outside its range.
    """
    space = {key: _distribution(config, key) for key in config.search}
    for key, distribution in space.items():
        value = get(config, key)
        if isinstance(value, str) and not isinstance(distribution, CategoricalDistribution):
            raise ConfigError(
                f"{key} = {value!r} is a text, and numbers are searched for it: "
                f"{toml_value(config.search[key])}.",
                hint=f"Where that was meant as a range: --set search.{key}={value}",
            )
        if not _holds(distribution, value):
            raise ConfigError(
                f"{key} = {value!r} lies outside its search range "
                f"{toml_value(config.search[key])}.",
                hint="Trial 0 runs the configured values: change the value, take the key out of "
                "[search] or widen it there, or search nothing with --set search={}.",
            )
    return space


def _distribution(config: Config, key: str) -> BaseDistribution:
    if not known(key):
        raise ConfigError(f"search names the unknown key {key}{suggestion(key)}.")
    entry = config.search[key]
    if isinstance(entry, Choice):
        return CategoricalDistribution(entry.choices)
    if isinstance(get(config, key), int) and entry.low == int(entry.low):
        return IntDistribution(int(entry.low), int(entry.high), log=entry.log)
    return FloatDistribution(entry.low, entry.high, log=entry.log)


def _holds(distribution: BaseDistribution, value: Any) -> bool:
    match distribution:
        case CategoricalDistribution():
            return value in distribution.choices
        case IntDistribution():
            return bool(distribution.low <= value <= distribution.high and value == int(value))
        case FloatDistribution():
            return bool(distribution.low <= value <= distribution.high)
        case _:
            return False


def refusal(config: Config, params: dict[str, Any]) -> str:
    """Why a trial with these parameters cannot be part of this search; empty when it can."""
    space = distributions(config)
    if unknown := sorted(params.keys() - space.keys()):
        return f"{unknown[0]} is not searched by this run{suggestion(unknown[0])}"
    if missing := sorted(space.keys() - params.keys()):
        return f"a value of {missing[0]} is missing"
    for key, distribution in space.items():
        number = isinstance(params[key], int | float) and not isinstance(params[key], bool)
        categorical = isinstance(distribution, CategoricalDistribution)
        if not (number or categorical) or not _holds(distribution, params[key]):
            return f"{key} = {params[key]!r} lies outside {toml_value(config.search[key])}"
    return ""


def configured(config: Config) -> dict[str, Any]:
    """The parameters of trial 0: the configuration as it stands."""
    return {key: get(config, key) for key in config.search}


def planned(config: Config) -> list[dict[str, Any]]:
    """The trials that are known before the first: those of a grid, in order; else trial 0.

    ConfigError when a grid has a range, which has no end of values, or not enough combinations.
    """
    if config.engine.sampler != "grid":
        return [configured(config)]
    ranges = [key for key, entry in config.search.items() if not isinstance(entry, Choice)]
    if ranges:
        raise ConfigError(
            f"engine.sampler = grid, but search.{ranges[0]} is a range.",
            hint="List its values: --set 'search={\"KEY\" = { choices = [1, 2] }}'",
        )
    choices = [entry.choices for entry in config.search.values() if isinstance(entry, Choice)]
    wanted, there = config.engine.n_trials, math.prod(map(len, choices))
    if there < wanted:
        raise ConfigError(
            f"engine.n_trials = {wanted}, but the grid has {several(there, 'combination')}.",
            hint="Ask for as many trials as there are, or add values to [search].",
        )
    first = islice(product(*choices), wanted)
    return [dict(zip(config.search, values, strict=True)) for values in first]


def suggest(trial: Trial, space: dict[str, BaseDistribution]) -> dict[str, Any]:
    """The trial's parameters; those that the study already stored are returned as stored."""
    return {name: _suggest(trial, name, distribution) for name, distribution in space.items()}


def _suggest(trial: Trial, name: str, distribution: BaseDistribution) -> Any:
    match distribution:
        case CategoricalDistribution():
            return trial.suggest_categorical(name, distribution.choices)
        case IntDistribution():
            return trial.suggest_int(
                name, distribution.low, distribution.high, log=distribution.log
            )
        case FloatDistribution():
            return trial.suggest_float(
                name, distribution.low, distribution.high, log=distribution.log
            )
        case _:
            raise TypeError(f"{name}: {distribution!r}")
