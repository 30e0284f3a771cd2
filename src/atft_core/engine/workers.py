"""Worker processes: started in sessions of their own, recognised again, ended for certain."""

from __future__ import annotations

import os
import platform
import select
import signal
import subprocess
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from atft_core.config.secret import VARIABLE as SECRET
from atft_core.engine.slots import Slot
from atft_core.gpu.visible import VARIABLE as CUDA_NAMES
from atft_core.launch import program
from atft_core.run import user
from atft_core.run.causes import caused
from atft_core.run.directory import RunDirectory
from atft_core.run.faults import after, before
from atft_core.run.files import open_to_write, write_json
from atft_core.run.lock import Holder, owner, probe
from atft_core.run.processes.alive import alive, signal_group, signal_listener, start_time
from atft_core.run.processes.cgroups import oom_kills

GRACE_SECONDS = 20.0
"""From the request to stop to SIGTERM; a block takes far less."""
STACK_SECONDS = 0.5
"""For a process to write where it is."""
TERM_SECONDS = 5.0
"""From SIGTERM to SIGKILL."""


@dataclass(frozen=True)
class Worker:
    """An attempt at a trial. `process` is None when an earlier engine started it."""

    trial: int
    attempt: int
    pid: int
    start_time: float
    process: subprocess.Popen[bytes] | None = None
    oom_kills: int = 0
    """How often the kernel had killed for want of memory when it was started."""

    def running(self) -> bool:
        """Whether it is still at work; reaps it when it is not."""
        if self.process is not None:
            return self.process.poll() is None
        return alive(self.pid, self.start_time)

    def fate(self) -> str:
        """How it ended, for people."""
        code = None if self.process is None else self.process.returncode
        if code is None:
            return caused("CRASHED", "the worker of an earlier engine vanished")
        if code == -signal.SIGKILL and oom_kills() > self.oom_kills:
            return caused("OOM", "the kernel killed it for want of memory")
        if code < 0:
            return caused("CRASHED", f"the worker was killed by {signal.Signals(-code).name}")
        said = f"the worker ended with exit code {code} and no last word"
        return caused("CRASHED", said)


def spawn(run: RunDirectory, trial: int, attempt: int, module: str, slot: Slot) -> Worker:
    """Start an attempt in a fresh interpreter; its output goes to the trial's log."""
    directory = run.trial(trial)
    before("worker start")
    killed_before = oom_kills()
    directory.control.unlink(missing_ok=True)
    with open_to_write(directory.log, append=True) as log:
        process = subprocess.Popen(
            program(module, run.path, "--trial", trial, "--attempt", attempt, *_share(slot)),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment() | ({CUDA_NAMES: slot.gpu} if slot.gpu else {}),
        )
    after("worker start")
    return Worker(trial, attempt, process.pid, start_time(process.pid), process, killed_before)


def _share(slot: Slot) -> list[object]:
    return ["--threads", slot.threads] if slot.threads else []


def environment() -> dict[str, str]:
    """The environment of a process that computes.

    Threads of OpenMP (libgomp) that wait spin by default, and beside another busy program they spin
    in its way: an epoch of .8 s took up to 76 s. With fewer spins it takes 2.6 s there, and .8 s
    on a quiet machine as before (docs/experiments.md).
    """
    ours = {"GOMP_SPINCOUNT": "3000", "TORCHINDUCTOR_CACHE_DIR": str(user.cache() / "compiled")}
    given = {name: value for name, value in os.environ.items() if name != SECRET}
    return {**ours, **_keep_freed_memory(), **given, "PYTHONUNBUFFERED": "1"}


def _keep_freed_memory() -> dict[str, str]:
    """Let malloc use freed tensors again instead of asking the kernel for zeroed pages each time.

    A training step on the CPU spends a third of its time there otherwise. glibc before 2.36 takes
    such values for mistakes, and does worse than without them.
    """
    name, version = platform.libc_ver()
    if name != "glibc" or tuple(map(int, version.split(".")[:2])) < (2, 36):
        return {}
    return {"MALLOC_MMAP_THRESHOLD_": str(2**32), "MALLOC_TRIM_THRESHOLD_": str(2**33)}


def adopt(run: RunDirectory, trial: int) -> Worker | None:
    """The worker that already holds the trial, whether or not the log knows of it."""
    lock = run.trial(trial).lock
    if probe(lock) is not Holder.ENGINE:
        return None
    who = owner(lock)
    pid, attempt = who.get("pid"), who.get("attempt")
    if not isinstance(pid, int) or not isinstance(attempt, int):
        return None  # it has the lock and is about to say who it is
    started = start_time(pid)
    return Worker(trial, attempt, pid, started) if started else None


def tell(run: RunDirectory, trial: int, op: str) -> None:
    """Leave a word for the worker: stop or prune."""
    write_json(run.trial(trial).control, {"op": op}, durable=False)


def wait(workers: Sequence[Worker], seconds: float) -> None:
    """Until one of them ends, or for so long."""
    ends = [opened for worker in workers if (opened := _opened(worker)) is not None]
    try:
        if len(ends) < len(workers):  # one is gone; or this is not Linux
            seconds = min(seconds, 0.05)
        select.select(ends, [], [], seconds)
    finally:
        for descriptor in ends:
            os.close(descriptor)


def _opened(worker: Worker) -> int | None:
    try:
        return os.pidfd_open(worker.pid)
    except (OSError, AttributeError):
        return None


def end(worker: Worker, *, patience: float) -> Generator[Worker, None, None]:
    """Wait for the worker to end by itself, then end it and everything that it started."""
    if (yield from _ended(worker, patience)):
        return
    signal_listener(worker.pid, worker.start_time, signal.SIGUSR1)  # where it hangs: stacks.txt
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        signal_group(worker.pid, worker.start_time, signal_number)
        if (yield from _ended(worker, TERM_SECONDS)):
            return


def kill(worker: Worker, patient: Callable[[], bool]) -> Generator[Worker, None, None]:
    """End a worker that does not answer, and all that it started, once it has said where it is.

    One that waits for a disk goes when the disk answers: for so long as `patient` says.
    """
    if signal_listener(worker.pid, worker.start_time, signal.SIGUSR1):  # to stacks.txt
        yield from _ended(worker, STACK_SECONDS)
    while worker.running() and patient():
        signal_group(worker.pid, worker.start_time, signal.SIGKILL)
        yield worker


def _ended(worker: Worker, seconds: float) -> Generator[Worker, None, bool]:
    """Whether it ends in so long."""
    give_up = time.monotonic() + seconds
    while worker.running():
        if time.monotonic() > give_up:
            return False
        yield worker
    return True
