"""How the time of an epoch grows with the panel: twice the days, features or stocks.

    python benchmarks/growth.py --out growth.json

Each size is timed in turn with the base size, train and validation epoch together; the median
ratio of the pairs is reported. The graph is that of the eight nearest neighbours.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from gpu import Sizes, full_panel

from atft_core.bench.machine import machine
from atft_core.bench.timing import paired
from atft_core.config.schema import Config
from atft_core.train.loop import predict_days, silent, train_epoch
from atft_core.train.setup import build_learner, equip, feed_of, make_setup

BASE = Sizes(300, 1000, 64, 20, (64,), (16,))
DOUBLED = {
    "T": replace(BASE, days=2 * BASE.days),
    "F": replace(BASE, features=2 * BASE.features),
    "N": replace(BASE, stocks=2 * BASE.stocks),
}


def main() -> None:
    """Time, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--pairs", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    base = epoch_of(BASE)
    rows = []
    for name, sizes in DOUBLED.items():
        pair = paired(base, epoch_of(sizes), args.pairs)
        rows.append({"doubled": name, "growth": round(1 / pair.ratio, 2), "sizes": asdict(sizes)})
    found = {"machine": machine(), "base": asdict(BASE), "growth": rows}
    text = json.dumps(found, indent=1)
    print(text)
    if args.out:
        args.out.write_text(text + "\n")


def epoch_of(sizes: Sizes) -> Callable[[], Any]:
    """A train and a validation epoch on a random panel of that size."""
    config = Config.model_validate(
        {
            "split": {"warmup": sizes.lookback},
            "model": {
                "hidden": sizes.hidden[0],
                "lookback": sizes.lookback,
                "messages": ["neighbours"],
                "fan": True,
                "san": True,
            },
            "train": {"block_days": sizes.blocks[0], "device": "cpu"},
            "search": {},
        }
    )
    setup = make_setup(config, full_panel(sizes))
    feed, learner = feed_of(setup), equip(setup, build_learner(setup, trial=0))

    def run() -> None:
        train_epoch(learner, feed, setup.split.train, seed=0, epoch=1, tick=silent)
        predict_days(learner, feed, setup.split.val, tick=silent, phase="validate")

    return run


if __name__ == "__main__":
    main()
