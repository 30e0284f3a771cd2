"""A trained trial as a program without atft: weights, settings, and a graph that torch alone runs.

    scorer.pt2            torch.export: `torch.export.load(path).module()(*inputs)` -> scores
    weights.safetensors   the averaged weights, by their names in the network
    scorer.json           what goes in and comes out, and how far both ways of scoring differ
    config.toml           the trial's settings

Inputs, for the T = lookback days up to the one that is scored, N stocks, F features, M market
inputs: `x_TNF` float32, features made comparable within the day, 0 where missing; `market_TM`
float32, in the deviations of scorer.json; `valid_TN` bool, traded on that day; `neighbours_TNK`
int64, most correlated stocks, -1 = none; then `sector_N` int64, `edges_NE` int64 and `weights_NE`
float32 of the given edges. Scores [1, N, H] of that day, float32. N may be another than the run's.
"""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.export import Dim
from torch.func import functional_call

from atft_core.config.keys import dump, flatten
from atft_core.config.render import to_toml
from atft_core.data.feeds import Feed
from atft_core.errors import UsageError
from atft_core.model.atft import ATFT
from atft_core.run.directory import RunDirectory
from atft_core.run.events import Json
from atft_core.run.files import write_json
from atft_core.train.restore import restored
from atft_core.train.setup import Setup, feed_of, open_trial

CLOSE = 1e-4
"""How far scores may differ, of their deviation: another order of sums in float32."""
_STOCKS = ("sector_N", "edges_NE", "weights_NE")
Inputs: TypeAlias = tuple[Tensor, ...]


class Scorer(nn.Module):
    """The network with what is known of the stocks among its inputs."""

    def __init__(self, model: ATFT) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: Tensor) -> Tensor:
        """Scores [1, N, H]; see the head of this file."""
        stocks = dict(zip(_STOCKS, inputs[4:], strict=True))
        scores_1NH: Tensor = functional_call(self.model, stocks, inputs[:4])
        return scores_1NH


def write(run: RunDirectory, trial: int, target: Path) -> Json:
    """Write the files of a trial into a new directory; returns what scorer.json says.

    The graph is run on other days than those that it was made with, and has to give what the
    network gives. CheckpointError without the weights; UsageError where the directory holds
    something, or the network cannot be written down.
    """
    if target.exists() and any(target.iterdir()):
        raise UsageError(f"{target} is not empty.", hint="Name another directory with --out.")
    setup = open_trial(run, trial)
    model = restored(run, trial, setup).ema.float().cpu().eval()
    with closing(feed_of(setup)) as feed:
        days = setup.split.val
        made_of, seen = _inputs(setup, feed, days[0]), _inputs(setup, feed, days[-1])
    scorer = Scorer(model)
    graph = _exported(scorer, made_of)
    with torch.no_grad():
        wanted, found = scorer(*seen), graph.module()(*seen)
    gap = float((found - wanted).abs().max() / wanted.std())
    if not gap <= CLOSE:  # nor where the scores are all the same
        raise UsageError(f"The written graph differs from the network by {gap:.2g} deviations.")
    target.mkdir(parents=True, exist_ok=True)
    torch.export.save(graph, target / "scorer.pt2")
    save_file(dict(model.state_dict()), target / "weights.safetensors")
    (target / "config.toml").write_text(to_toml(setup.config, {}), encoding="utf-8")
    told = {"run": str(run.facts().get("id", "")), "trial": trial, "differs_by": gap}
    about = told | _about(setup)
    write_json(target / "scorer.json", about)
    for file in target.iterdir():  # each of its writers has a mind of its own
        file.chmod(0o666 & ~_umask())
    return about


def _umask() -> int:
    os.umask(mask := os.umask(0o077))
    return mask


def _inputs(setup: Setup, feed: Feed, day: int) -> Inputs:
    """What the network sees of a day."""
    panel = setup.panel
    block = feed.block(range(day, day + 1))
    of_days = (block.x_TNF.float(), block.market_TM, block.valid_TN, block.neighbours_TNK)
    of_stocks = (
        torch.from_numpy(panel.sector_N.copy()).long(),
        torch.from_numpy(panel.edges_NE.copy()).long(),
        torch.from_numpy(panel.edge_weights_NE.copy()).float(),
    )
    return tuple(each.cpu() for each in (*of_days, *of_stocks))


def _exported(scorer: Scorer, inputs: Inputs) -> Any:
    stocks = Dim("stocks", min=2)
    of_days, of_stocks = {1: stocks}, {0: stocks}
    shapes: Any = (of_days, {}, of_days, of_days, of_stocks, of_stocks, of_stocks)
    try:
        return torch.export.export(scorer, inputs, dynamic_shapes=(shapes,), strict=False)
    except Exception as error:  # above all a part from a plug-in that torch cannot trace
        why = str(error).strip().splitlines()
        raise UsageError(
            f"torch.export cannot write this network down: {why[0] if why else repr(error)}",
            hint="weights.safetensors needs no graph: `atft predict` scores with it.",
        ) from error


def _about(setup: Setup) -> Json:
    panel, config = setup.panel, setup.config
    days = setup.split.train
    market_DM = panel.market_TM[days.start : days.stop].astype(np.float64)
    means, spreads = np.nanmean(market_DM, axis=0), np.nanstd(market_DM, axis=0)
    return {
        "lookback": config.model.lookback,
        "features": list(panel.features),
        "normalise": config.data.normalise,
        "horizons": list(panel.horizons),
        "market": [
            {"name": name, "mean": float(mean), "deviation": float(spread)}
            for name, mean, spread in zip(panel.market_names, means, spreads, strict=True)
        ],
        "sectors": len(set(panel.sector_N.tolist()) - {-1}),
        "neighbours": int(panel.neighbours_RNK.shape[2]),
        "settings": flatten(dump(config.model)),
    }
