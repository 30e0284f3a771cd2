"""The worker: one trial, one attempt, in an interpreter of its own.

It needs nobody: standard output is a file, orders come as a file, and when the engine dies it goes
on and leaves its verdict for the next one. A signal USR1 makes it write all stacks to stacks.txt.
The lock comes before the seconds that importing torch takes: a new engine must not start a second
worker meanwhile.
"""

from __future__ import annotations

import argparse
import multiprocessing
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from atft_core.run.directory import RunDirectory
from atft_core.run.lock import ProcessLock
from atft_core.run.processes.kept import end_with
from atft_core.run.processes.stacks import stacks_on_request
from atft_core.train.report import LastWord, Reporter, log, log_to_stdout, number, state_of


class Compute(Protocol):
    """What a trial consists in."""

    def __call__(
        self, run: RunDirectory, trial: int, attempt: int, word: LastWord, *, threads: int = 0
    ) -> None:
        """From where it was to the end, or to the engine's order; `word` takes how it ended."""


def main(argv: Sequence[str] | None = None, compute: Compute | None = None) -> int:
    """Entry point; 0 when the trial is complete, pruned or stopped. Without `compute` the trial
    trains our model.
    """
    parser = argparse.ArgumentParser(prog="python -m atft_core.train")
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("--trial", type=int, required=True)
    parser.add_argument("--attempt", type=int, required=True)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--kept", type=int, metavar="PID", help="end with the one that starts it")
    args = parser.parse_args(argv)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the terminal may go, the trial goes on
    if args.kept:
        end_with(args.kept)
    log_to_stdout()
    multiprocessing.set_start_method("spawn", force=True)  # a fork beside threads deadlocks
    run = RunDirectory(args.run_dir)
    files = run.trial(args.trial)
    lock = ProcessLock(files.lock, attempt=args.attempt)
    try:
        with (
            stacks_on_request(files.stacks),
            LastWord(files.exit, args.attempt) as word,
        ):
            (compute or run_trial)(run, args.trial, args.attempt, word, threads=args.threads)
    finally:
        lock.release()
    return 0


def run_trial(
    run: RunDirectory, trial: int, attempt: int, word: LastWord, *, threads: int = 0
) -> None:
    """Train from the newest checkpoint to the end, or to the engine's order.

    `threads`: CPU threads of this worker; 0: as the configuration says.
    """
    reporter = Reporter(run.trial(trial), trial, attempt)
    with reporter.journal:
        reporter.tell("load")
        from atft_core.train.trial import finish, prepare, train, write_metrics

        work = prepare(run, trial, reporter, threads=threads)
        try:
            word.state = train(work)
            word.value = finish(work, word.state)
        except Exception as error:
            with suppress(OSError):  # the disk may be why it ends: the error itself is the news
                write_metrics(work, state_of(error))
            raise
        finally:
            word.epoch = work.epoch
            work.feed.close()
    log.info(
        "Trial %d %s after epoch %d, value %s", trial, word.state, word.epoch, number(word.value)
    )
