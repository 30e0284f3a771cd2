"""Workers on this machine: started in sessions of their own, recognised again by their locks."""

from __future__ import annotations

import os
import platform
import signal
import socket
import subprocess
from dataclasses import dataclass
from typing import Any

from atft_core.config.secret import OF_THE_ENGINE
from atft_core.engine.outcome import Outcome
from atft_core.engine.programs import OF_A_COMMAND
from atft_core.engine.slots import Node, Slot, Slots
from atft_core.engine.workers import STACK_SECONDS, Worker, word_of_exit
from atft_core.gpu.visible import VARIABLE as CUDA_NAMES
from atft_core.launch import program
from atft_core.run import user
from atft_core.run.causes import caused
from atft_core.run.directory import RunDirectory
from atft_core.run.faults import after, before
from atft_core.run.files import open_to_write, read_json
from atft_core.run.lock import Holder, owner, probe
from atft_core.run.plugins import VOUCHED, allowed_of
from atft_core.run.processes.alive import (
    alive,
    clear_group,
    clear_job,
    signal_group,
    signal_listener,
    start_time,
)
from atft_core.run.processes.cgroups import oom_kills


@dataclass(frozen=True)
class LocalWorker:
    """A process. `process` is None when an earlier engine started it."""

    trial: int
    attempt: int
    pid: int
    start_time: float
    process: subprocess.Popen[bytes] | None = None
    node: str = ""
    oom_kills: int = 0
    """How often the kernel had killed for want of memory when it was started."""

    def running(self) -> bool:
        """Whether it is still at work; reaps it when it is not."""
        if self.process is not None:
            return self.process.poll() is None
        return alive(self.pid, self.start_time)

    def placed(self) -> bool:
        """At once."""
        return True

    def to_be_handed_out_anew(self) -> str:
        """It has its place."""
        return ""

    def fate(self) -> Outcome:
        """How it ended, where it left no last word."""
        code = None if self.process is None else self.process.returncode
        if code is None:
            return Outcome("lost", caused("CRASHED", "the worker of an earlier engine vanished"))
        return Outcome("lost", word_of_exit(code, out_of_memory=oom_kills() > self.oom_kills))

    def opened(self) -> int | None:
        """A descriptor that can be read once it is gone."""
        try:
            return os.pidfd_open(self.pid)
        except (OSError, AttributeError):  # it is gone; or this is not Linux
            return None

    def show_stacks(self) -> float:
        """Let it write where it is; for so many seconds that takes."""
        asked = signal_listener(self.pid, self.start_time, signal.SIGUSR1)
        return STACK_SECONDS if asked else 0.0

    def signal(self, number: int) -> None:
        """To it and to all that it started."""
        signal_group(self.pid, self.start_time, number)


@dataclass(frozen=True)
class Local:
    """Trials run on this machine."""

    run: RunDirectory
    module: str
    """The program of a worker."""
    slots: Slots

    def start(self, trial: int, attempt: int, slot: Slot) -> LocalWorker:
        """Start an attempt in a fresh interpreter."""
        return spawn(self.run, trial, attempt, self.module, slot)

    def adopt(self, trial: int) -> LocalWorker | None:
        """The worker that already holds the trial."""
        return adopt(self.run, trial)

    def left(self, trial: int) -> Outcome:
        """Workers go on without an engine; this one came to its end meanwhile."""
        return Outcome("lost", caused("CRASHED", "the worker vanished while no engine watched"))

    def held_elsewhere(self, trial: int) -> str:
        """NFS shows the locks of other hosts."""
        lock = self.run.trial(trial).lock
        who = owner(lock)
        host = str(who.get("host", socket.gethostname()))
        if host == socket.gethostname() or probe(lock) is not Holder.ENGINE:
            return ""
        return f"its worker (pid {who.get('pid')}) is at work on {host}: end it there, or wait"

    def ended(self, worker: Worker, outcome: Outcome) -> None:
        """The sampler sees which card is lost. What a killed worker had started goes, too."""
        if worker.pid and not worker.running():
            clear_group(worker.pid)
            if self.module == OF_A_COMMAND.worker:  # which may start daemons
                clear_job(self.run.trial(worker.trial).path)

    def nodes(self) -> tuple[Node, ...]:
        """There is just this machine."""
        return ()

    def why_unfit(self, *, begun: bool) -> str:
        """The preflight finds out more."""
        return ""

    def close(self) -> None:
        """Workers need nobody: nothing ends with the engine."""


def spawn(
    run: RunDirectory, trial: int, attempt: int, module: str, slot: Slot, *, kept: bool = False
) -> LocalWorker:
    """Start an attempt in a fresh interpreter; its output goes to the trial's log.

    `kept`: it ends with the process that starts it.
    """
    directory = run.trial(trial)
    before("worker start")
    killed_before = oom_kills()
    directory.control.unlink(missing_ok=True)
    with open_to_write(directory.log, append=True) as log:
        process = subprocess.Popen(
            command(
                run,
                trial,
                attempt,
                module,
                slot.threads,
                *(["--kept", os.getpid()] if kept else []),
            ),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**environment(), **vouching(run), **({CUDA_NAMES: slot.gpu} if slot.gpu else {})},
        )
    after("worker start")
    return LocalWorker(
        trial, attempt, process.pid, start_time(process.pid), process, oom_kills=killed_before
    )


def command(
    run: RunDirectory, trial: int, attempt: int, module: str, threads: int, *more: object
) -> list[str]:
    """What starts a worker: `atft worker` says the same."""
    share = ["--threads", threads] if threads else []
    return program(module, run.path, "--trial", trial, "--attempt", attempt, *share, *more)


def vouching(run: RunDirectory) -> dict[str, str]:
    """What lets a process use the run's plug-ins: those of them that this user has allowed, or that
    an engine vouches for to which this process belongs.
    """
    facts: Any = read_json(run.run_json)
    sums = facts.get("identity", {}).get("plugins") if isinstance(facts, dict) else None
    known = [*allowed_of(sums), *filter(None, os.environ.get(VOUCHED, "").split(","))]
    return {VOUCHED: ",".join(known)} if known else {}


def environment() -> dict[str, str]:
    """The environment of a process that computes.

    Threads of OpenMP (libgomp) that wait spin by default, and beside another busy program they spin
    in its way: an epoch of .8 s took up to 76 s. With fewer spins it takes 2.6 s there, and .8 s
    on a quiet machine as before (docs/experiments.md).
    """
    ours = {"GOMP_SPINCOUNT": "3000", "TORCHINDUCTOR_CACHE_DIR": str(user.cache() / "compiled")}
    given = {name: value for name, value in os.environ.items() if name not in OF_THE_ENGINE}
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


def adopt(run: RunDirectory, trial: int) -> LocalWorker | None:
    """The worker that already holds the trial, whether or not the log knows of it."""
    lock = run.trial(trial).lock
    if probe(lock) is not Holder.ENGINE:
        return None
    who = owner(lock)
    pid, attempt = who.get("pid"), who.get("attempt")
    if who.get("host", socket.gethostname()) != socket.gethostname():
        return None  # NFS shows its lock; the number is another process here
    if not isinstance(pid, int) or not isinstance(attempt, int):
        return None  # it has the lock and is about to say who it is
    started = start_time(pid)
    return LocalWorker(trial, attempt, pid, started) if started else None
