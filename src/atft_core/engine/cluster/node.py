"""What a Ray task does on its node: look around, or keep a worker until it ends.

The worker is the same program as on one machine, and speaks through the trial's directory.
"""

from __future__ import annotations

import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from atft_core.config.hashing import code_version
from atft_core.engine.local import LocalWorker, spawn
from atft_core.engine.slots import Slot
from atft_core.engine.workers import kill, wait
from atft_core.errors import AtftError, EngineError
from atft_core.gpu import GpuSampler
from atft_core.gpu.visible import VARIABLE as CUDA_NAMES
from atft_core.run.directory import RunDirectory
from atft_core.run.files import write_json
from atft_core.run.lock import Holder, probe
from atft_core.run.plugins import VOUCHED
from atft_core.run.processes.alive import clear_group

LOOK_SECONDS = 60.0
"""For the run's storage to answer."""
TICK_SECONDS = 0.2
"""Between two moments at which an order to end is heard."""
LEFT_SECONDS = 120.0
"""For a worker of the same trial that loses its own keeper just now, or its node: a server of NFS
keeps the locks of a machine without power for a while."""


@dataclass(frozen=True)
class Errand:
    """An attempt at a trial, as it is sent to a node."""

    run: str
    sees: tuple[str, ...]
    """The words of `look`: what must still be so where the trial begins."""
    trial: int
    attempt: int
    module: str
    threads: int
    umask: int
    """A group may read the run where the engine says so."""
    vouched: str
    """Sums of plug-ins that the engine has checked: nobody has allowed any on this machine."""
    cut_off: bool
    """Its last worker was on a node that is gone for the engine, and may not be for itself."""


def look(run: str, run_id: str, cache: str, code: str) -> str:
    """Why a node is of no use to a run, whose engine has that version; empty where it is."""
    if why := _why_unseen(RunDirectory(Path(run)), run_id):
        return why
    if cache and not Path(cache).exists():
        return f"it does not see {cache}: data.cache_dir must lie on storage that all nodes share"
    try:
        with tempfile.TemporaryFile(dir=run) as file:
            file.write(b"seen")
    except OSError as error:
        return f"it cannot write to {run}: {error.strerror}"
    if code_version() != code:
        return f"it has version {code_version()} of atft, this engine is {code}"
    return ""


def attend(errand: Errand) -> str:
    """Start the worker and stay until it ends; how it ended, for people.

    EngineError, before there is a worker, where it would not see what it needs, or the trial is
    somebody else's.
    """
    run, node = RunDirectory(Path(errand.run)), f"node {socket.gethostname()}"
    if why := _in_time(lambda: look(errand.run, *errand.sees)):
        raise EngineError(f"{node}: {why}")
    os.umask(errand.umask)
    _wait_for_turn(run, errand)
    slot = Slot(0, threads=errand.threads)
    with _sampled(run, errand.trial):
        number = _own_number()
        os.environ[VOUCHED] = errand.vouched
        try:
            worker = spawn(run, errand.trial, errand.attempt, errand.module, slot, kept=True)
        except OSError as error:
            raise EngineError(f"{node}: no worker can be started there: {error}") from error
        return _kept(run, worker, number)


def _in_time(look_around: Callable[[], str]) -> str:
    """What a look says; a share that hangs must not take the trial with it."""
    said: list[str] = []
    looking = threading.Thread(target=lambda: said.append(look_around()), daemon=True)
    looking.start()
    looking.join(LOOK_SECONDS)
    return said[0] if said else f"the run's storage has not answered for {LOOK_SECONDS:.0f} s"


def _own_number() -> str:
    import ray

    return str(ray.get_runtime_context().get_node_id())


def _why_unseen(run: RunDirectory, run_id: str) -> str:
    """A network file system may be missing here, or another directory lie in its place."""
    try:
        seen = run.facts().get("id")
    except (OSError, AtftError):
        return f"it does not see {run.path}: runs must lie on storage that all nodes share"
    return "" if seen == run_id else f"{run.path} is another run there"


def _wait_for_turn(run: RunDirectory, errand: Errand) -> None:
    """A worker whose keeper was killed goes with it, but not in the same moment; one whose node is
    cut off goes when Ray ends there.
    """
    lock, waited = run.trial(errand.trial).lock, 0.0
    busy = (Holder.ENGINE, Holder.UNKNOWN) if errand.cut_off else (Holder.ENGINE,)
    while (holder := probe(lock)) in busy:
        if waited > LEFT_SECONDS and holder is Holder.UNKNOWN:
            return  # nobody will ever know more
        if waited > LEFT_SECONDS:
            raise EngineError(f"another worker still holds {lock}")
        wait([], TICK_SECONDS)
        waited += TICK_SECONDS


@contextmanager
def _sampled(run: RunDirectory, trial: int) -> Iterator[None]:
    """The GPUs that the trial was given, into its directory."""
    if not os.environ.get(CUDA_NAMES):
        yield
        return
    sampler = GpuSampler(run.trial(trial).gpu, own_only=True)
    sampler.start()
    try:
        yield
    finally:
        sampler.stop()


def _kept(run: RunDirectory, worker: LocalWorker, number: str) -> str:
    """Whatever goes wrong from here on, the worker ends with it."""
    try:
        placed = {"attempt": worker.attempt, "node": number, "pid": worker.pid, "t": time.time()}
        write_json(run.trial(worker.trial).placed, placed, durable=False)
        while worker.running():
            wait([worker], TICK_SECONDS)
    finally:  # Ray interrupts a task that is cancelled
        for waiting in kill(worker, lambda: True):
            wait([waiting], TICK_SECONDS)
        clear_group(worker.pid)  # what a program of the user's own has left
    return worker.fate().reason
