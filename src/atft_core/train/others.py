"""The processes beside a worker whose trial has several devices: started, watched, ended by it.

They end with the worker. Where one of them ends early the worker does, too, and the engine starts
the trial again from its checkpoint, unless that one knew better: memory that a card has not, a
loss that is no number.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import torch.distributed as dist

from atft_core.launch import program
from atft_core.run.causes import RANK_LOST, cause_of
from atft_core.run.directory import RunDirectory, TrialDirectory
from atft_core.run.files import read_json
from atft_core.train.report import LastWord, RankFailed, RankLost, is_its_own, log, reason

END_SECONDS = 30.0
"""For a rank to leave after the last epoch."""
SAME_SECONDS = 5.0
"""For the worker to meet by itself what ended a rank: all see the same loss."""


class Others:
    """The ranks beside the worker's own."""

    def __init__(
        self, run: RunDirectory, trial: int, attempt: int, count: int, threads: int
    ) -> None:
        self._files, self._attempt, self._count = run.trial(trial), attempt, count
        self.meet = meeting(self._files, attempt)
        self._tidy_up()
        words = ("--trial", trial, "--attempt", attempt, "--threads", threads)
        self._processes = [
            subprocess.Popen(
                program(
                    "atft_core.train.rank",
                    run.path,
                    *words,
                    "--rank",
                    rank,
                    "--parent",
                    os.getpid(),
                ),
                stdin=subprocess.DEVNULL,
            )
            for rank in range(1, count)
        ]
        self._closing = threading.Event()
        for process in self._processes:
            threading.Thread(target=self._watch, args=(process,), daemon=True).start()

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """The worker may wait for what a rank that is gone will never send: it has to end."""
        if not process.wait() or self._closing.wait(SAME_SECONDS):
            return
        try:
            with LastWord(self._files.exit, self._attempt):
                self._speak_for_the_lost()
        finally:
            sys.stdout.flush()
            os._exit(RANK_LOST)

    @contextmanager
    def blamed(self) -> Iterator[None]:
        """What the worker does together with them: an error that came of one that is gone, or does
        not answer, becomes what that one said, or RankLost. No rank goes on after any error.
        """
        try:
            yield
        except Exception as error:
            try:
                if self._are_to_blame(error):
                    self._speak_for_the_lost()
            finally:
                self.kill()
            raise

    def _are_to_blame(self, error: Exception) -> bool:
        if _of_the_group(error):
            return True
        own = is_its_own(error) or not any(map(_failed, self._processes))
        own = own or any(why == reason(error) for _, why in self._words())
        if own:  # all of them met it
            self._closing.set()
        return not own

    def _words(self) -> list[tuple[str, str]]:
        """State and reason that ranks have left in this attempt."""
        words = (read_json(last_word(self._files, rank)) for rank in range(1, self._count))
        own = [word for word in words
               if isinstance(word, dict) and word.get("attempt") == self._attempt]  # fmt: skip
        return [(str(word.get("state")), str(word.get("reason"))) for word in own]

    def _speak_for_the_lost(self) -> NoReturn:
        """RankFailed with the last word of a rank that knows what happened, else RankLost."""
        self._closing.set()
        for rank, process in enumerate(self._processes, start=1):
            if _failed(process):
                log.error("Rank %d ended with exit code %d", rank, process.returncode)
        for state, why in self._words():
            if state == "blocked" or cause_of(why):
                raise RankFailed(state, why)
        raise RankLost

    def close(self) -> None:
        """End those that have not ended by themselves."""
        self._closing.set()
        for process in self._processes:
            try:
                process.wait(timeout=END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._tidy_up()

    def _tidy_up(self) -> None:
        for path in self._files.path.glob(".rank*.tmp"):
            path.unlink(missing_ok=True)

    def kill(self) -> None:
        """They wait for a worker that will not go on."""
        self._closing.set()
        for process in self._processes:
            process.kill()
            process.wait()
        self._tidy_up()


def _failed(process: subprocess.Popen[bytes]) -> bool:
    """Whether it has ended, or ends just now, and not as it should."""
    try:
        return bool(process.wait(timeout=1.0))
    except subprocess.TimeoutExpired:
        return False


def _of_the_group(error: Exception) -> bool:
    """Whether it tells that ranks could not talk; gloo has no error of its own."""
    return isinstance(error, dist.DistError) or "gloo" in str(error)


def meeting(files: TrialDirectory, attempt: int) -> Path:
    """Where the ranks of an attempt find each other: one that is late finds no later attempt."""
    return files.path / f".ranks{attempt}.tmp"


def last_word(files: TrialDirectory, rank: int) -> Path:
    """Where a rank leaves why it ended."""
    return files.path / f".rank{rank}.tmp"
