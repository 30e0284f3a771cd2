"""Does a larger block cost quality? Validation RankIC by block size, learning rate and seed.

    python benchmarks/block_size.py --data-path panel.parquet --out results.jsonl

One line of JSON per epoch; what is there already is not run again. The Sharpe term is off
for all, since it needs blocks of 8 days. The number of epochs is the same for every block size,
so small blocks take more steps: that is the trade which is measured.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import torch

from atft_core.config.load import resolve
from atft_core.data.build import ensure_cache
from atft_core.data.panel import open_panel
from atft_core.train import results
from atft_core.train.loop import mixed_seed, predict_days, silent, train_epoch
from atft_core.train.setup import build_learner, equip, feed_of, make_setup

BLOCKS = (32, 16, 8, 4, 1)
SEEDS = (0, 1, 2)
KEPT = ("ic", "rank_ic", "rank_ic_se", "days")


def main() -> None:
    """Run what is missing, cheapest first."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data-path", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--rates", type=float, nargs="+", default=[1e-3])
    parser.add_argument("--blocks", type=int, nargs="+", default=BLOCKS)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    done = _done(args.out)
    for block, rate, seed in product(args.blocks, args.rates, SEEDS):
        if (block, rate, seed, args.epochs) in done:
            continue
        for row in run(args.data_path, block, rate, seed, args.epochs):
            with args.out.open("a") as file:
                file.write(json.dumps(row) + "\n")


def _done(out: Path) -> set[tuple[int, float, int, int]]:
    rows = map(json.loads, out.read_text().splitlines()) if out.exists() else ()
    return {
        (row["block"], row["rate"], row["seed"], row["epochs"])
        for row in rows
        if row["epoch"] == row["epochs"]
    }


def run(path: Path, block: int, rate: float, seed: int, epochs: int) -> Iterator[dict[str, Any]]:
    """One training with these settings; a row per epoch."""
    settings = [
        f"train.block_days={block}", f"train.learning_rate={rate}", f"train.seed={seed}",
        f"train.max_epochs={epochs}", "loss.sharpe=0",
    ]  # fmt: skip
    config = resolve(assignments=settings, flags={"data.path": str(path)}).config
    setup = make_setup(config, open_panel(ensure_cache(config)))
    feed = feed_of(setup)
    learner, days = equip(setup, build_learner(setup, trial=0)), setup.split.val
    for epoch in range(1, epochs + 1):
        began = time.perf_counter()
        report = train_epoch(
            learner, feed, setup.split.train, seed=mixed_seed(seed, 0), epoch=epoch, tick=silent
        )
        pred_DNH = predict_days(learner, feed, days, tick=silent, phase="validate")
        scores = results.score(setup.panel, "val", days, pred_DNH).summary
        yield {
            "panel": path.parent.name + "/" + path.stem,
            "block": block, "rate": rate, "seed": seed, "epochs": epochs, "epoch": epoch,
            "steps": report.batches, "seconds": round(time.perf_counter() - began, 2),
            "loss": report.values["loss"],
            "val": {h: {k: found[k] for k in KEPT} for h, found in scores.items()},
        }  # fmt: skip


if __name__ == "__main__":
    main()
