"""What a trial is made of: configuration, panel, split, device, network. All from the run's files.

Nothing is read from the environment: config.toml and params.json decide.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from atft_core.config.hashing import config_hash
from atft_core.config.load import read_resolved, with_values
from atft_core.config.schema import Config
from atft_core.data.cache import open_whole
from atft_core.data.choose import make_feed
from atft_core.data.feeds import Feed
from atft_core.data.market import market_inputs
from atft_core.data.panel import Panel
from atft_core.data.splits import Split, split_of
from atft_core.errors import ConfigError, DataError, RunDirectoryError
from atft_core.model.atft import ATFT, Stocks
from atft_core.objective.losses import resolve
from atft_core.objective.significance import newey_west_mean
from atft_core.run import plugins
from atft_core.run.access import refuse_own_program
from atft_core.run.directory import RunDirectory
from atft_core.run.files import read_json
from atft_core.run.wording import several
from atft_core.train.checkpoint import Owner
from atft_core.train.kept import keep_statistics
from atft_core.train.loop import days_at_once, mixed_seed
from atft_core.train.step import Learner, make_learner

MARKET_LAG = 60
"""Days after which the state of the market counts as another."""


@dataclass(frozen=True)
class Setup:
    """Everything that decides what a trial computes."""

    config: Config
    panel: Panel
    split: Split
    device: torch.device


def open_run(run: RunDirectory) -> Setup:
    """The run's own configuration, as trial 0 has it; maps the panel, computes nothing."""
    facts = run.facts()
    _enter_plugins(run, facts)
    return make_setup(read_resolved(run.config), open_whole(Path(facts["cache"])))


def _enter_plugins(run: RunDirectory, facts: Mapping[str, Any]) -> None:
    """Loss terms and parts of the model that the run was started with."""
    plugins.enter(facts.get("identity", {}).get("plugins"), run.plugins)


def open_trial(run: RunDirectory, number: int, *, rank: int = 0) -> Setup:
    """The run's configuration with the parameters of one trial, on the device of a rank."""
    refuse_own_program(run)
    params: Any = read_json(run.trial(number).params)
    if not isinstance(params, dict) or not isinstance(params.get("params"), dict):
        raise RunDirectoryError(f"{run.trial(number).params} is missing or damaged.")
    values: Mapping[str, Any] = params["params"]
    facts, config = run.facts(), read_resolved(run.config)
    if config_hash(config) != facts.get("config_hash"):
        raise RunDirectoryError(f"{run.config} is not what this run started with: was it edited?")
    _enter_plugins(run, facts)
    panel = open_whole(Path(facts["cache"]))
    try:
        return make_setup(with_values(config, values), panel, rank)
    except DataError as error:  # the panel is as it was: these parameters ask too much of it
        raise ConfigError(error.message, hint=error.hint) from error


def make_setup(config: Config, panel: Panel, rank: int = 0) -> Setup:
    """Split and device for a configuration and its panel."""
    if panel.horizons != config.label.horizons:
        raise ConfigError(
            f"label.horizons = {list(config.label.horizons)}, but the panel cache has "
            f"{list(panel.horizons)}.",
            hint="Start a new run: the cache is built at its start.",
        )
    resolve(config.loss)
    split = split_of(config, panel.dates_T)
    device = choose_device(config.train.device)
    if device.type == "cuda" and config.train.devices_per_trial > 1:
        device = torch.device("cuda", rank)
    return Setup(config, panel, split, device)


def refuse_few_devices(setup: Setup) -> None:
    """Before ranks are started; what needs one device is content with one."""
    wanted, found = setup.config.train.devices_per_trial, torch.cuda.device_count()
    if setup.device.type == "cuda" and found < wanted:
        raise ConfigError(
            f"train.devices_per_trial = {wanted}, but torch finds {several(found, 'CUDA device')}."
        )


def choose_device(wanted: str) -> torch.device:
    """CUDA where it exists, unless told otherwise; ConfigError when it is asked for in vain."""
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            "train.device = cuda, but torch finds no CUDA device.",
            hint="`atft doctor` shows what torch and the driver say.",
        )
    return torch.device(wanted)


def feed_of(setup: Setup) -> Feed:
    """Where this trial's blocks come from."""
    config, panel = setup.config, setup.panel
    market_TM = market_inputs(panel.market_TM, setup.split.train)
    return make_feed(panel, market_TM, config.model.lookback, setup.device, config.data)


def configured_threads(config: Config) -> int:
    """CPU threads of a worker that has the machine for itself."""
    return config.train.threads or len(os.sched_getaffinity(0))


def build_learner(setup: Setup, trial: int) -> Learner:
    """A new network with weights drawn from (seed, trial), and its optimiser."""
    config, panel = setup.config, setup.panel
    torch.manual_seed(mixed_seed(config.train.seed, trial, 0))
    model = ATFT(
        config.model,
        groups=panel.groups,
        market_error_M=torch.from_numpy(market_errors(panel, setup.split.train)),
        n_horizons=len(panel.horizons),
        stocks=stocks_of(panel),
    )
    return make_learner(model.to(setup.device), config.train, config.loss, panel.horizons)


def market_errors(panel: Panel, train: range) -> NDArray[np.float32]:
    """Standard error of each market input's mean in training [M], in its deviations.

    Newey and West's, but at least that of independent days: what was high for a year was high once.
    """
    scaled_DM = market_inputs(panel.market_TM, train)[train.start : train.stop]
    independent = len(train) ** -0.5
    errors = [newey_west_mean(x_D, MARKET_LAG).se for x_D in scaled_DM.T]
    return np.array([max(error, independent) for error in errors], dtype=np.float32)


def stocks_of(panel: Panel) -> Stocks:
    """What the network has to know of the panel's stocks."""
    return Stocks(
        sector_N=torch.from_numpy(panel.sector_N.copy()),
        edges_NE=torch.from_numpy(panel.edges_NE.copy()),
        weights_NE=torch.from_numpy(panel.edge_weights_NE.copy()),
        neighbours=panel.neighbours_RNK.shape[2],
    )


def equip(setup: Setup, learner: Learner) -> Learner:
    """Give a learner what it needs for epochs, by the memory that is free now; returns it."""
    stocks = len(setup.panel.codes)
    learner.kept = keep_statistics(learner.model, setup.split, stocks, setup.device)
    learner.eval_days = days_at_once(learner, setup.split.val)
    return learner


def owner(setup: Setup, trial: int) -> Owner:
    """Whose checkpoints this trial may go on from."""
    return Owner(trial, config_hash(setup.config))
