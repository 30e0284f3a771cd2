"""How well does a configuration rank? Several seeds against the baselines, paired by day.

    python benchmarks/ranking.py --data-path panel.parquet --config objective/rank --out rows.jsonl

One line of JSON for each seed, one for the mean of their standardised scores, and one for the
equal blend of that with LightGBM (when installed): RankIC on validation and holdout with its
Newey-West error, differences to each baseline, processor seconds. Beside a panel of `atft synth
--like planted` also the correlation with the true signal. Choose by validation: every run of this
looks at the holdout.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from atft_core.baselines.boosted import boosted_predictions
from atft_core.baselines.simple import ridge_predictions, signal_predictions
from atft_core.config.load import resolve
from atft_core.data.build import ensure_cache
from atft_core.data.panel import Panel, open_panel
from atft_core.data.planted import alignment
from atft_core.data.splits import Split
from atft_core.model.atft import count_parameters
from atft_core.objective.metrics import daily_metrics
from atft_core.objective.significance import newey_west_mean, paired_difference
from atft_core.train.baselines import boosted_horizon
from atft_core.train.ensemble import ensemble
from atft_core.train.flops import step_flops
from atft_core.train.loop import middle_block, mixed_seed, predict_days, silent, train_epoch
from atft_core.train.phases import enter
from atft_core.train.setup import Setup, build_learner, equip, feed_of, make_setup

LAG = 5
"""Days over which daily RankIC is taken to be correlated."""
PARTS = ("val", "holdout")

Scores = dict[str, np.ndarray]
"""Scores [D, N] by part."""


def main() -> None:
    """Baselines first, then seeds, then their means."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data-path", type=Path, required=True)
    parser.add_argument("--config", action="append", default=[])
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--name", default="")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    config = resolve(
        config_files=[Path(name) for name in args.config],
        assignments=[*args.set, "search={}"],
        flags={"data.path": str(args.data_path)},
    ).config
    setup = make_setup(config, open_panel(ensure_cache(config)))
    study = Study(setup, config.label.horizons.index(config.objective.horizon), args.data_path)
    for row in study.rows(args.seeds):
        line = json.dumps({"panel": study.name, "config": args.name} | row)
        print(line, flush=True)
        with args.out.open("a") as file:
            file.write(line + "\n")


class Study:
    """One panel, one configuration."""

    def __init__(self, setup: Setup, horizon: int, path: Path) -> None:
        self.setup, self.horizon = setup, horizon
        self.boosted = boosted_horizon(setup.config, setup.panel) is not None
        self.name = f"{path.parent.name}/{path.stem}"
        self.days = {"val": setup.split.val, "holdout": setup.split.holdout}
        self.truth = _truth(path.with_suffix(".alpha.parquet"), setup.panel)
        self.baselines: dict[str, Scores] = {}

    def rows(self, seeds: list[int]) -> Iterator[dict[str, Any]]:
        """All results, one by one."""
        for name, scores, seconds in self._baselines():
            yield self._row(name, scores, seconds)
            self.baselines[name] = scores
        models = []
        for seed in seeds:
            began = time.process_time()
            models.append(self._train(seed))
            yield self._row(f"seed {seed}", models[-1], time.process_time() - began)
        mean = self._blend(models)
        yield self._row("seeds", mean, 0.0) | self._cost()
        if "lightgbm" in self.baselines:
            both = self._blend([mean, self.baselines["lightgbm"]])
            yield self._row("seeds + lightgbm", both, 0.0)

    def _baselines(self) -> Iterator[tuple[str, Scores, float]]:
        panel, h = self.setup.panel, self.horizon
        for name in signal_predictions(panel, range(1)):
            yield name, self._each(lambda s, n=name: signal_predictions(panel, s.val)[n][..., h]), 0
        began = time.process_time()
        ridge = self._each(lambda s: ridge_predictions(panel, s)[..., h])
        yield "ridge", ridge, time.process_time() - began
        for name, lagged in (("lightgbm", False), ("lightgbm + lags", True)):
            if self.boosted:
                began = time.process_time()
                scores = self._each(lambda s, g=lagged: boosted_predictions(panel, s, h, lagged=g))
                yield name, scores, time.process_time() - began

    def _each(self, predict: Any) -> Scores:
        """Predictions on validation and holdout, each as if it were the validation."""
        split = self.setup.split
        asked = {"val": split, "holdout": Split(split.train, split.holdout, split.holdout,
                                                split.purge_days)}  # fmt: skip
        return {part: np.asarray(predict(asked[part]), np.float64) for part in PARTS}

    def _train(self, seed: int) -> Scores:
        setup = self.setup
        feed, learner = feed_of(setup), equip(setup, build_learner(setup, seed))
        for epoch in range(1, setup.config.train.max_epochs + 1):
            enter(learner, setup.config.loss, epoch)
            train_epoch(learner, feed, setup.split.train, seed=mixed_seed(seed, 0), epoch=epoch,
                        tick=silent)  # fmt: skip
        return {
            part: predict_days(learner, feed, self.days[part], tick=silent, phase=part)[
                ..., self.horizon
            ].astype(np.float64)
            for part in PARTS
        }

    def _cost(self) -> dict[str, Any]:
        """Size of the network, and what a step on one block of training days takes."""
        setup = self.setup
        feed, learner = feed_of(setup), build_learner(setup, 0)
        block = feed.block(middle_block(setup.split.train, setup.config.train.block_days))
        return {
            "parameters": count_parameters(learner.model),
            "gflop_step": round(step_flops(learner.model, block) / 1e9, 3),
        }

    def _blend(self, models: list[Scores]) -> Scores:
        """Their equal mean, each standardised by day."""
        valid = {part: self.setup.panel.valid_TN[d.start : d.stop] for part, d in self.days.items()}
        return {
            part: ensemble([model[part][..., None] for model in models], valid[part])[..., 0]
            for part in PARTS
        }

    def _daily(self, scores: Scores, part: str) -> np.ndarray:
        panel, days = self.setup.panel, slice(self.days[part].start, self.days[part].stop)
        y_DN1 = panel.y_TNH[days, :, self.horizon, None]
        return daily_metrics(scores[part][..., None], y_DN1, panel.valid_TN[days]).rank_ic_DH[:, 0]

    def _row(self, name: str, scores: Scores, seconds: float) -> dict[str, Any]:
        row: dict[str, Any] = {"model": name, "cpu_s": round(seconds, 1)}
        for part in PARTS:
            daily_D = self._daily(scores, part)
            found = newey_west_mean(daily_D, LAG)
            row[part] = {"rank_ic": found.mean, "se": found.se, "t": found.t, "days": found.n,
                         "icir": float(np.nanmean(daily_D) / np.nanstd(daily_D))}  # fmt: skip
            for other, theirs in self.baselines.items():
                gain = paired_difference(daily_D, self._daily(theirs, part), LAG)
                row[part][f"over {other}"] = {"mean": gain.mean, "t": gain.t}
            if self.truth is not None:
                days = slice(self.days[part].start, self.days[part].stop)
                known = np.isfinite(self.truth[days])
                row[part]["alignment"] = float(
                    np.nanmean(alignment(scores[part], np.nan_to_num(self.truth[days]), known))
                )
        return row


def _truth(path: Path, panel: Panel) -> np.ndarray | None:
    """The planted signal [T, N], NaN where there is no row; None for a real panel."""
    if not path.is_file():
        return None
    rows = pl.read_parquet(path)
    truth_TN = np.full((len(panel.dates_T), len(panel.codes)), np.nan)
    day = {date: t for t, date in enumerate(panel.dates_T.astype("datetime64[D]").tolist())}
    stock = {code: n for n, code in enumerate(panel.codes)}
    t = [day[date] for date in rows["date"].to_list()]
    n = [stock[code] for code in rows["code"].to_list()]
    truth_TN[t, n] = rows["alpha"].to_numpy()
    return truth_TN


if __name__ == "__main__":
    main()
