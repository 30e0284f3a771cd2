"""A rank of a trial on several devices, beside the worker's own: a process of its own.

It reads the same files, computes its part of the days, and writes nothing but why it ended. Not
torchrun: it puts ranks into sessions of their own, where nothing would end them together with a
worker that hangs.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from atft_core.run.directory import RunDirectory, TrialDirectory
from atft_core.run.processes.kept import end_with
from atft_core.train import checkpoint
from atft_core.train.loop import mixed_seed, predict_days, silent, train_epoch
from atft_core.train.others import last_word, meeting
from atft_core.train.phases import enter
from atft_core.train.ranks import Group
from atft_core.train.report import LastWord, log_to_stdout
from atft_core.train.setup import Setup, build_learner, equip, feed_of, open_trial, owner
from atft_core.train.step import Learner


def join(setup: Setup, meet: Path, rank: int) -> Group:
    """Become one of the ranks."""
    if setup.device.type == "cuda":
        torch.cuda.set_device(setup.device)
    return Group(meet, rank, setup.config.train.devices_per_trial, setup.device)


def main(argv: Sequence[str] | None = None) -> int:
    """A rank, from the checkpoint that all go on from to the last epoch."""
    parser = argparse.ArgumentParser(prog="python -m atft_core.train.rank")
    parser.add_argument("run_dir", type=Path)
    for name in ("trial", "attempt", "rank", "threads", "parent"):
        parser.add_argument(f"--{name}", type=int, required=True)
    args = parser.parse_args(argv)
    end_with(args.parent)
    log_to_stdout()
    multiprocessing.set_start_method("spawn", force=True)
    torch.set_num_threads(args.threads)
    run = RunDirectory(args.run_dir)
    files = run.trial(args.trial)
    with LastWord(last_word(files, args.rank), args.attempt) as word:
        setup = open_trial(run, args.trial, rank=args.rank)
        _work(setup, files, args.trial, join(setup, meeting(files, args.attempt), args.rank))
        word.state = "complete"
    return 0


def _work(setup: Setup, files: TrialDirectory, trial: int, ranks: Group) -> None:
    """The part of one rank in every epoch that is left."""
    feed = feed_of(setup)
    learner = equip(setup, build_learner(setup, trial))
    learner.ranks = ranks
    seed = mixed_seed(setup.config.train.seed, trial)
    begun = _go_back(files, setup, learner, trial)
    ranks.agree(begun)
    try:
        for epoch in range(begun + 1, setup.config.train.max_epochs + 1):
            enter(learner, setup.config.loss, epoch)
            train_epoch(learner, feed, setup.split.train, seed=seed, epoch=epoch, tick=silent)
            predict_days(learner, feed, setup.split.val, tick=silent, phase="validate")
    finally:
        feed.close()
    ranks.close()


def _go_back(files: TrialDirectory, setup: Setup, learner: Learner, trial: int) -> int:
    """To the newest good checkpoint; its epoch."""
    found, _ = checkpoint.newest(files.checkpoints, owner(setup, trial))
    if found is None:
        return 0
    checkpoint.restore(found, learner)
    return found.epoch


if __name__ == "__main__":
    sys.exit(main())
