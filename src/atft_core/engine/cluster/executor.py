"""Trials as Ray tasks. Ray finds a node with room; what becomes of a trial the engine decides."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from atft_core.config.hashing import code_version
from atft_core.config.schema import Config
from atft_core.engine.cluster.connect import connect, first_line
from atft_core.engine.cluster.node import Errand, attend, look
from atft_core.engine.cluster.nodes import Nodes
from atft_core.engine.cluster.slots import ClusterSlots, Need
from atft_core.engine.slots import Node, Slot
from atft_core.run.causes import caused
from atft_core.run.directory import RunDirectory
from atft_core.run.files import read_json

LOOK_SECONDS = 60.0
"""For every node to say what it sees."""
STACK_SECONDS = 5.0
"""For an order to reach a node, and for a process there to write where it is."""


@dataclass
class RayWorker:
    """An attempt that a Ray task keeps on some node."""

    trial: int
    attempt: int
    run: RunDirectory
    ray: Any
    nodes: Nodes
    task: Any
    pid: int = 0
    start_time: float = 0.0
    node: str = ""
    """Where it runs; empty until it does."""
    _ended: bool = False
    _cancelled: bool = False
    _bell: int = field(default_factory=lambda: os.eventfd(0))

    def __post_init__(self) -> None:
        rings = os.dup(self._bell)  # its own: it may ring when nobody waits any more

        def ring(_: Any) -> None:
            os.eventfd_write(rings, 1)
            os.close(rings)

        self.task.future().add_done_callback(ring)

    def running(self) -> bool:
        """Whether the task has not come to its end."""
        if not self._ended:
            ready, _ = self.ray.wait([self.task], timeout=0)
            self._ended = bool(ready)
        return not self._ended

    def placed(self) -> bool:
        """Whether a node has begun with it; before that others may be in its way."""
        if not self.node:
            said = read_json(self.run.trial(self.trial).placed)
            if isinstance(said, dict) and said.get("attempt") == self.attempt:
                self.node = self.nodes.name(str(said.get("node")))
        return bool(self.node)

    def fate(self) -> str:
        """How it ended, for people."""
        if self._bell >= 0:
            os.close(self._bell)
            self._bell = -1
        where = f" on {self.node}" if self.node else ""
        errors = self.ray.exceptions
        try:
            return str(self.ray.get(self.task))
        except (errors.NodeDiedError, errors.LocalRayletDiedError):
            return caused("LOST_NODE", f"the node of its worker{where} is gone")
        except errors.OutOfMemoryError:
            return caused("OOM", f"Ray ended its worker{where}: the node was out of memory")
        except errors.TaskCancelledError:
            return caused("CRASHED", f"its worker{where} was ended by order")
        except errors.WorkerCrashedError:
            return caused("LOST_NODE", f"what kept its worker{where} was killed, or its node is")
        except errors.RayError as error:
            cause = getattr(error, "cause", None) or error
            return caused("CRASHED", first_line(cause))

    def opened(self) -> int | None:
        """A descriptor that can be read once it has ended."""
        return os.dup(self._bell) if self._bell >= 0 else None

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

    workers_stay = False

    def __init__(self, run: RunDirectory, config: Config, module: str) -> None:
        """EngineError where there is no cluster that may be used."""
        self._run, self._module = run, module
        self._ray = connect(config.ray)
        # Ray prints what it finds in its nodes' logs, hundreds of lines in colours, into the run's.
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 -- to the end
        self._nodes = Nodes(self._ray.nodes)
        self._at_work: dict[int, RayWorker] = {}
        self._umask = 0o027 if config.engine.group else 0o077
        wanted = config.engine.slots
        gpus, cpus = config.ray.gpus, config.ray.cpus
        if config.train.device == "cpu":
            gpus = 0.0
        if gpus == "auto":
            some = any(node.gpus for node in self._nodes.seen)
            gpus = float(config.train.devices_per_trial) if some else 0.0
        self._need = Need(gpus, cpus)
        threads = config.train.threads or max(1, int(cpus))
        most = wanted if isinstance(wanted, int) else None
        self.slots = ClusterSlots(self._nodes, self._need, most, threads)

    def why_unfit(self) -> str:
        """What stands against running here: room, another version, or a node that sees no run."""
        facts = self._run.facts()
        words = str(self._run.path), str(facts.get("id")), str(facts.get("cache", ""))
        alive = [row for row in self._ray.nodes() if row.get("Alive")]
        asked = {
            self._nodes.name(row["NodeID"]): self._on(row["NodeID"]).remote(*words) for row in alive
        }
        self._ray.wait(list(asked.values()), num_returns=len(asked), timeout=LOOK_SECONDS)
        for name, answer in asked.items():
            if why := self._why_unlike(answer):
                return f"node {name}: {why}"
        if not self.slots.places:
            return f"no node of the cluster has room for a trial ({self._need})"
        return ""

    def _why_unlike(self, answer: Any) -> str:
        errors = self._ray.exceptions
        try:
            said = self._ray.get(answer, timeout=0)
        except errors.GetTimeoutError:
            return f"it has not answered for {LOOK_SECONDS:.0f} s"
        except (errors.TaskUnschedulableError, errors.NodeDiedError, errors.WorkerCrashedError):
            return ""  # it is gone, which Ray itself finds out some seconds later
        except errors.RayError as error:  # above all: atft is not installed there
            return first_line(getattr(error, "cause", None) or error)
        if not said["why"] and said["code"] != code_version():
            return f"it has version {said['code']} of atft, this engine is {code_version()}"
        return str(said["why"])

    def _on(self, node_id: str) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        there = NodeAffinitySchedulingStrategy(node_id=node_id, soft=False)
        return self._ray.remote(look).options(num_cpus=0, max_retries=0, scheduling_strategy=there)

    def start(self, trial: int, attempt: int, slot: Slot) -> RayWorker:
        """Hand an attempt to Ray, which never tries it again by itself: the engine does."""
        self._run.trial(trial).placed.unlink(missing_ok=True)
        errand = Errand(
            str(self._run.path), str(self._run.facts().get("id")), trial, attempt, self._module,
            slot.threads, self._umask,
        )  # fmt: skip
        task = self._ray.remote(attend).options(
            num_cpus=self._need.cpus, num_gpus=self._need.gpus, max_retries=0,
            name=f"{self._run.path.name}, trial {trial}",
        ).remote(errand)  # fmt: skip
        self._at_work[trial] = RayWorker(trial, attempt, self._run, self._ray, self._nodes, task)
        return self._at_work[trial]

    def nodes(self) -> tuple[Node, ...]:
        """As Ray knows them."""
        return self._nodes.seen

    def adopt(self, trial: int) -> RayWorker | None:
        """One of this engine's: with an engine that ends Ray ends its tasks."""
        known = self._at_work.get(trial)
        return known if known is not None and known.running() else None

    def close(self) -> None:
        """Leave the cluster."""
        self._ray.shutdown()
