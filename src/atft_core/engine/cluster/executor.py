"""Trials as Ray tasks. Ray finds a node with room; what becomes of a trial the engine decides."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from atft_core.config.hashing import code_version
from atft_core.config.schema import Config
from atft_core.engine.cluster.connect import connect, first_line
from atft_core.engine.cluster.fitness import Fitness
from atft_core.engine.cluster.node import LOOK_SECONDS, Errand, attend
from atft_core.engine.cluster.nodes import Nodes
from atft_core.engine.cluster.slots import ClusterSlots, need_of
from atft_core.engine.outcome import Outcome
from atft_core.engine.slots import Node, Slot
from atft_core.engine.workers import Worker, wait
from atft_core.errors import EngineError
from atft_core.run.causes import cause_of, caused
from atft_core.run.directory import RunDirectory
from atft_core.run.files import read_json
from atft_core.run.plugins import allowed_of

STEP_SECONDS = 0.2
"""Between two looks for the answers of nodes."""
NODE_LABEL = "ray.io/node-id"
"""Of every node, by Ray."""
STACK_SECONDS = 5.0
"""For an order to reach a node, and for a process there to write where it is."""


def look_afresh(directory: Path) -> None:
    """NFS may remember for a minute that a file was not there; who lists its directory asks."""
    with suppress(OSError):
        list(directory.iterdir())


class Bell:
    """Rung by a thread of Ray's when a task ends; perhaps when nobody listens any more."""

    def __init__(self) -> None:
        self._descriptor = os.eventfd(0, os.EFD_CLOEXEC)
        self._lock = threading.Lock()

    def ring(self) -> None:
        """It has ended."""
        with self._lock:
            if self._descriptor >= 0:
                os.eventfd_write(self._descriptor, 1)

    def heard_by(self) -> int | None:
        """A descriptor of its own for who waits, that can be read once it was rung."""
        with self._lock:
            return os.dup(self._descriptor) if self._descriptor >= 0 else None

    def put_away(self) -> None:
        """Nobody waits for it any more."""
        with self._lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1


@dataclass
class RayWorker:
    """An attempt that a Ray task keeps on some node."""

    trial: int
    attempt: int
    run: RunDirectory
    ray: Any
    nodes: Nodes
    task: Any
    avoided: tuple[str, ...]
    """Nodes that Ray may not choose for it, by number."""
    pid: int = 0
    start_time: float = 0.0
    number: str = ""
    """Ray's number of the node where it runs; empty until it does."""
    _ended: bool = False
    _cancelled: bool = False
    _bell: Bell = field(default_factory=Bell)

    def __post_init__(self) -> None:
        self.task.future().add_done_callback(lambda _: self._bell.ring())

    @property
    def node(self) -> str:
        """That node's name."""
        return self.nodes.name(self.number) if self.number else ""

    def running(self) -> bool:
        """Whether the task has not come to its end."""
        if not self._ended:
            ready, _ = self.ray.wait([self.task], timeout=0)
            self._ended = bool(ready)
            if self._ended:
                look_afresh(self.run.trial(self.trial).path)
        return not self._ended

    def placed(self) -> bool:
        """Whether a node has begun with it; before that others may be in its way."""
        if not self.number:
            files = self.run.trial(self.trial)
            look_afresh(files.path)
            said = read_json(files.placed)
            if isinstance(said, dict) and said.get("attempt") == self.attempt:
                self.number = str(said.get("node"))
        return bool(self.number)

    def to_be_handed_out_anew(self) -> str:
        """Ray chooses by what was known when it was told."""
        same = self.number or self.avoided == self.nodes.not_to_use
        return "" if same else "other nodes may be used by now"

    def fate(self) -> Outcome:
        """How it ended. A node that would not even begin with it says nothing about its trial."""
        self._bell.put_away()
        try:
            return Outcome("lost", str(self.ray.get(self.task)))
        except self.ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None)
            if isinstance(cause, EngineError):
                return Outcome("refused", cause.message)
            return Outcome("lost", self._why_lost(error))

    def _why_lost(self, error: Exception) -> str:
        where = f" on {self.node}" if self.node else ""
        errors = self.ray.exceptions
        if isinstance(error, errors.NodeDiedError | errors.LocalRayletDiedError):
            return caused("LOST_NODE", f"the node of its worker{where} is gone")
        if isinstance(error, errors.OutOfMemoryError):
            return caused("OOM", f"Ray ended its worker{where}: the node was out of memory")
        if isinstance(error, errors.TaskCancelledError):
            return caused("CRASHED", f"its worker{where} was ended by order")
        if isinstance(error, errors.WorkerCrashedError):
            return caused("LOST_NODE", f"what kept its worker{where} was killed, or its node is")
        return caused("CRASHED", first_line(getattr(error, "cause", None) or error))

    def opened(self) -> int | None:
        """A descriptor that can be read once it has ended."""
        return self._bell.heard_by()

    def show_stacks(self) -> float:
        """Its keeper lets it say where it is, and ends it."""
        self._cancel(force=False)
        return STACK_SECONDS

    def signal(self, number: int) -> None:
        """By its keeper; SIGKILL ends that one, too, and with it all that it started."""
        self._cancel(force=number == signal.SIGKILL)

    def _cancel(self, *, force: bool) -> None:
        """Once only: a second order would interrupt what the first one has begun."""
        if force or not self._cancelled:
            self._cancelled = True
            self.ray.cancel(self.task, force=force)


class Cluster:
    """The executor of a run whose trials are placed by Ray."""

    def __init__(
        self, run: RunDirectory, config: Config, module: str, *, on_gpu: bool | None
    ) -> None:
        """`on_gpu`: whether its trials have computed on GPUs so far; None before the first.

        EngineError where there is no cluster that may be used.
        """
        self._run, self._module = run, module
        self._ray = connect(config.ray)
        # Ray prints what it finds in its nodes' logs, hundreds of lines in colours, into the run's.
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 -- to the end
        self._sees = (
            str(run.facts().get("id")), str(run.facts().get("cache", "")), code_version(),
        )  # fmt: skip
        self._fitness = Fitness(self._ray, str(run.path), *self._sees)
        self._nodes = Nodes(self._ray.nodes, self._fitness.of)
        self._at_work: dict[int, RayWorker] = {}
        self._lost: set[int] = set()
        """Trials whose last worker may be alive on a node that is cut off."""
        self._plugins = run.facts().get("identity", {}).get("plugins")
        self._umask = 0o027 if config.engine.group else 0o077
        wanted = config.engine.slots
        gpus = any(row["Resources"].get("GPU") for row in self._ray.nodes() if row["Alive"])
        self._need = need_of(config, gpus=gpus if on_gpu is None else on_gpu)
        threads = config.train.threads or max(1, int(self._need.cpus))
        most = wanted if isinstance(wanted, int) else None
        self.slots = ClusterSlots(self._nodes, self._need, most, threads)

    def why_unfit(self, *, begun: bool) -> str:
        """What stands against running here: room, another version, or a node that sees no run.

        Of a run that has begun, nodes that are of no use are left out: nobody may be there to mend
        them.
        """
        give_up = time.monotonic() + LOOK_SECONDS
        while (silent := self._nodes.silent()) and time.monotonic() < give_up:
            wait([], STEP_SECONDS)
        self._nodes.look()
        if silent and not begun:
            return f"node {silent[0]}: it has not answered for {LOOK_SECONDS:.0f} s"
        unfit = [node for node in self._nodes.seen if node.alive and node.why]
        if unfit and not begun:
            return f"node {unfit[0].name}: {unfit[0].why}"
        return "" if self.slots.places or begun else self.slots.why_none

    def start(self, trial: int, attempt: int, slot: Slot) -> RayWorker:
        """Hand an attempt to Ray, which never tries it again by itself: the engine does."""
        self._run.trial(trial).placed.unlink(missing_ok=True)
        errand = Errand(
            str(self._run.path), self._sees, trial, attempt, self._module, slot.threads,
            self._umask, ",".join(allowed_of(self._plugins)), trial in self._lost,
        )  # fmt: skip
        avoided = self._nodes.not_to_use
        task = self._ray.remote(attend).options(
            num_cpus=self._need.cpus, num_gpus=self._need.gpus, max_retries=0,
            name=f"{self._run.path.name}, trial {trial}",
            label_selector={NODE_LABEL: f"!in({','.join(avoided)})"} if avoided else None,
        ).remote(errand)  # fmt: skip
        self._at_work[trial] = RayWorker(
            trial, attempt, self._run, self._ray, self._nodes, task, avoided
        )
        return self._at_work[trial]

    def nodes(self) -> tuple[Node, ...]:
        """As Ray knows them."""
        return self._nodes.seen

    def adopt(self, trial: int) -> RayWorker | None:
        """One of this engine's: with an engine that ends Ray ends its tasks."""
        known = self._at_work.get(trial)
        return known if known is not None and known.running() else None

    def left(self, trial: int) -> Outcome:
        """One of an engine that is gone ended with it."""
        known = self._at_work.get(trial)
        return known.fate() if known else Outcome("stopped", "its worker ended with its engine")

    def held_elsewhere(self, trial: int) -> str:
        """A node waits for the lock of one that is about to go."""
        return ""

    def ended(self, worker: Worker, outcome: Outcome) -> None:
        """A node whose card is lost is left out; one that would not begin is asked again."""
        known = self._at_work.get(worker.trial)
        if known is None:
            return
        if cause_of(outcome.reason) == "LOST_GPU" and known.number:
            self._fitness.refuse(known.number, outcome.reason)
        elif outcome.state == "refused":
            self._fitness.ask_again()
        lost = cause_of(outcome.reason) == "LOST_NODE"
        (self._lost.add if lost else self._lost.discard)(worker.trial)

    def close(self) -> None:
        """Leave the cluster."""
        self._ray.shutdown()
