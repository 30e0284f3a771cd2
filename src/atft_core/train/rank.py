"""The other ranks of a trial on several devices: processes that the worker starts and watches.

They read the same files, compute their part of the days, and write nothing. They end with the
worker; where one of them ends early the worker does, too, and the engine starts the trial again
from its checkpoint. Not torchrun: it puts ranks into sessions of their own, where nothing would
end them together with a worker that hangs.
"""

from __future__ import annotations

import argparse
import multiprocessing
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import torch

from atft_core.launch import program
from atft_core.run.causes import caused
from atft_core.run.directory import RunDirectory
from atft_core.run.processes.kept import end_with_parent
from atft_core.train import checkpoint
from atft_core.train.loop import mixed_seed, predict_days, silent, train_epoch
from atft_core.train.phases import enter
from atft_core.train.ranks import Group
from atft_core.train.report import RankLost, log, log_to_stdout
from atft_core.train.setup import Setup, build_learner, equip, feed_of, open_trial, owner
from atft_core.train.step import Learner

END_SECONDS = 30.0
"""For a rank to leave after the last epoch."""


class Others:
    """The ranks beside the worker's own."""

    def __init__(self, run: RunDirectory, trial: int, count: int, threads: int) -> None:
        self.meet = run.trial(trial).path / ".ranks.tmp"
        self.meet.unlink(missing_ok=True)  # of an earlier attempt
        words = ("--trial", trial, "--of", count, "--threads", threads)
        self._processes = [
            subprocess.Popen(
                program("atft_core.train.rank", run.path, *words, "--rank", rank),
                stdin=subprocess.DEVNULL,
            )
            for rank in range(1, count)
        ]
        self._closing = False
        for process in self._processes:
            threading.Thread(target=self._watch, args=(process,), daemon=True).start()

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """The worker may wait for what a rank that is gone will never send: it has to end."""
        code = process.wait()
        if code and not self._closing:
            log.error("Rank %d ended with exit code %d", self._processes.index(process) + 1, code)
            sys.stdout.flush()
            RankLost.end_here()

    def lost(self) -> str:
        """Which rank is gone; empty while all are there."""
        for rank, process in enumerate(self._processes, start=1):
            with suppress(subprocess.TimeoutExpired):
                if code := process.wait(timeout=1.0):
                    return caused("CRASHED", f"rank {rank} ended with exit code {code}")
        return ""

    def close(self) -> None:
        """End those that have not ended by themselves."""
        self._closing = True
        for process in self._processes:
            try:
                process.wait(timeout=END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.meet.unlink(missing_ok=True)

    def kill(self) -> None:
        """They wait for a worker that will not go on."""
        self._closing = True
        for process in self._processes:
            process.kill()
            process.wait()
        self.meet.unlink(missing_ok=True)


def join(setup: Setup, meet: Path, rank: int) -> Group:
    """Become one of the ranks."""
    if setup.device.type == "cuda":
        torch.cuda.set_device(setup.device)
    return Group(meet, rank, setup.config.train.devices_per_trial, setup.device)


def main(argv: Sequence[str] | None = None) -> int:
    """A rank, from the checkpoint that all go on from to the last epoch."""
    parser = argparse.ArgumentParser(prog="python -m atft_core.train.rank")
    parser.add_argument("run_dir", type=Path)
    for name in ("trial", "rank", "of", "threads"):
        parser.add_argument(f"--{name}", type=int, required=True)
    args = parser.parse_args(argv)
    end_with_parent()
    log_to_stdout()
    multiprocessing.set_start_method("spawn", force=True)
    run = RunDirectory(args.run_dir)
    setup = open_trial(run, args.trial, rank=args.rank)
    torch.set_num_threads(args.threads)
    ranks = join(setup, run.trial(args.trial).path / ".ranks.tmp", args.rank)
    feed = feed_of(setup)
    learner = equip(setup, build_learner(setup, args.trial))
    learner.ranks = ranks
    try:
        for epoch in range(_begun(run, setup, learner, args.trial) + 1, _last(setup) + 1):
            enter(learner, setup.config.loss, epoch)
            seed = mixed_seed(setup.config.train.seed, args.trial)
            train_epoch(learner, feed, setup.split.train, seed=seed, epoch=epoch, tick=silent)
            predict_days(learner, feed, setup.split.val, tick=silent, phase="validate")
    finally:
        feed.close()
    ranks.close()
    return 0


def _begun(run: RunDirectory, setup: Setup, learner: Learner, trial: int) -> int:
    """Go back to the newest good checkpoint; its epoch."""
    found, _ = checkpoint.newest(run.trial(trial).checkpoints, owner(setup, trial))
    if found is None:
        return 0
    checkpoint.restore(found, learner)
    return found.epoch


def _last(setup: Setup) -> int:
    return setup.config.train.max_epochs


if __name__ == "__main__":
    sys.exit(main())
