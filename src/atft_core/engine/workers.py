"""Workers as the engine sees them, wherever they run: told, waited for, ended for certain."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Generator, Sequence
from typing import Protocol

from atft_core.config.schema import Config
from atft_core.engine.outcome import Outcome
from atft_core.engine.slots import Node, Slot, Slots
from atft_core.run.causes import RANK_LOST, caused
from atft_core.run.directory import RunDirectory
from atft_core.run.files import write_json

GRACE_SECONDS = 20.0
"""From the request to stop to SIGTERM; a block takes far less."""
STACK_SECONDS = 0.5
"""For a process to write where it is."""
TERM_SECONDS = 5.0
"""From SIGTERM to SIGKILL."""


class Worker(Protocol):
    """An attempt at a trial."""

    @property
    def trial(self) -> int:
        """Its trial's number."""

    @property
    def attempt(self) -> int:
        """From 1 on."""

    @property
    def pid(self) -> int:
        """Its process on this machine; 0 where it runs on another one."""

    @property
    def start_time(self) -> float:
        """Of that process, in ticks after boot."""

    @property
    def node(self) -> str:
        """The machine of a cluster that it runs on; empty for this one."""

    def running(self) -> bool:
        """Whether it is still at work, or about to begin."""

    def placed(self) -> bool:
        """Whether there was room for it and it has begun."""

    def to_be_handed_out_anew(self) -> str:
        """Why one that waits for its place would be better off by another start; else empty."""

    def fate(self) -> Outcome:
        """How it ended, where it left no last word."""

    def opened(self) -> int | None:
        """A descriptor that can be read once it has ended; None where it has, or none is to be had.

        Whoever asks closes it.
        """

    def show_stacks(self) -> float:
        """Let it write where it is; for so many seconds that takes."""

    def signal(self, number: int) -> None:
        """To it and to all that it started."""


class Executor(Protocol):
    """Where trials run."""

    @property
    def slots(self) -> Slots:
        """How many at once."""

    def start(self, trial: int, attempt: int, slot: Slot) -> Worker:
        """Start an attempt; its output goes to the trial's log."""

    def adopt(self, trial: int) -> Worker | None:
        """The worker that already holds the trial, whether or not the log knows of it."""

    def left(self, trial: int) -> Outcome:
        """How the worker ended that the log knows to be at work, and that cannot be adopted."""

    def held_elsewhere(self, trial: int) -> str:
        """Who holds a trial out of this executor's reach; empty where nobody does."""

    def ended(self, worker: Worker, outcome: Outcome) -> None:
        """What became of an attempt: a place that is to blame for it is not used again."""

    def nodes(self) -> tuple[Node, ...]:
        """The machines of a cluster; none where there is just this one."""

    def why_unfit(self, *, begun: bool) -> str:
        """Why no trial could run there; empty where all is well. `begun`: some have run."""

    def close(self) -> None:
        """The engine ends."""


def tell(run: RunDirectory, trial: int, op: str) -> None:
    """Leave a word for the worker: stop or prune."""
    write_json(run.trial(trial).control, {"op": op}, durable=False)


def wait(workers: Sequence[Worker], seconds: float) -> None:
    """Until one of them ends, or for so long."""
    ends = [opened for worker in workers if (opened := worker.opened()) is not None]
    try:
        if len(ends) < len(workers):  # one is gone
            seconds = min(seconds, 0.05)
        poll = select.poll()  # select(2) knows no descriptor beyond 1,023
        for descriptor in ends:
            poll.register(descriptor, select.POLLIN)
        poll.poll(1000 * seconds)
    finally:
        for descriptor in ends:
            os.close(descriptor)


def end(worker: Worker, *, patience: float) -> Generator[Worker, None, None]:
    """Wait for the worker to end by itself, then end it and everything that it started."""
    if (yield from _ended(worker, patience)):
        return
    worker.show_stacks()  # where it hangs: stacks.txt
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        worker.signal(signal_number)
        if (yield from _ended(worker, TERM_SECONDS)):
            return


def kill(worker: Worker, patient: Callable[[], bool]) -> Generator[Worker, None, None]:
    """End a worker that does not answer, and all that it started, once it has said where it is.

    One that waits for a disk goes when the disk answers: for so long as `patient` says.
    """
    if seconds := worker.show_stacks():  # to stacks.txt
        yield from _ended(worker, seconds)
    while worker.running() and patient():
        worker.signal(signal.SIGKILL)
        yield worker


def grace(config: Config) -> float:
    """From the request to stop to SIGTERM; a program is asked to end first."""
    return GRACE_SECONDS + (config.command.stop_seconds if config.command.argv else 0.0)


def _ended(worker: Worker, seconds: float) -> Generator[Worker, None, bool]:
    """Whether it ends in so long."""
    give_up = time.monotonic() + seconds
    while worker.running():
        if time.monotonic() > give_up:
            return False
        yield worker
    return True


def word_of_exit(code: int, *, out_of_memory: bool) -> str:
    """How a process ended that has left no last word. `out_of_memory`: the kernel has killed one
    for want of it since this one began.
    """
    if code == -signal.SIGKILL and out_of_memory:
        return caused("OOM", "the kernel killed it for want of memory")
    if code == RANK_LOST:
        said = "one of the trial's own ranks ended first: the trial's log says which, and how"
        return caused("CRASHED", said)
    if code < 0:
        return caused("CRASHED", f"the worker was killed by {signal.Signals(-code).name}")
    return caused("CRASHED", f"the worker ended with exit code {code} and no last word")
