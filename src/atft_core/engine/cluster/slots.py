"""Slots of a cluster: as many as its nodes have room for, be it taken by others or not."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from atft_core.config.schema import Config
from atft_core.engine.cluster.connect import connect
from atft_core.engine.cluster.nodes import Nodes, node_of
from atft_core.engine.slots import Node, Slot, Slots
from atft_core.errors import EngineError

PATIENCE_SECONDS = 600.0
"""For so long a run waits where no node has room for any trial: machines are started again."""


@dataclass(frozen=True)
class Need:
    """What a trial takes of its node."""

    gpus: float
    cpus: float

    def fits(self, node: Node) -> int:
        """How many trials a node has room for."""
        if not node.alive or node.why:
            return 0
        by_cores = _floor(node.cpus / self.cpus)
        if not self.gpus:
            return by_cores
        shared = _floor(1 / self.gpus) if self.gpus < 1 else 0  # a share is one of one card
        by_cards = _floor(node.gpus) * shared if shared else _floor(node.gpus / self.gpus)
        return min(by_cards, by_cores)

    def __str__(self) -> str:
        gpus = f"{self.gpus:g} GPU and " if self.gpus else ""
        return f"{gpus}{self.cpus:g} CPU"


def need_of(config: Config, *, gpus: bool) -> Need:
    """Of each trial of a run; `gpus`: "auto" means GPUs."""
    each = config.train.devices_per_trial
    wanted = 0.0 if config.train.device == "cpu" else config.ray.gpus
    if wanted == "auto":
        wanted = float(each) if gpus else 0.0
    return Need(wanted, max(config.ray.cpus, each))


def refuse_small_cluster(config: Config) -> None:
    """Where no machine that is there now could take a trial; found out before there is a run."""
    if config.engine.executor != "ray":
        return
    nodes = [node_of(row, "") for row in connect(config.ray).nodes()]
    need = need_of(config, gpus=any(node.alive and node.gpus for node in nodes))
    if not any(need.fits(node) for node in nodes):
        raise EngineError(
            f"{config.ray.address}: {why_no_room(need, nodes)}.",
            hint="Lower ray.cpus, ray.gpus or train.devices_per_trial, or add a larger node: "
            "`atft cluster up --join HOST:PORT` there.",
        )


def why_no_room(need: Need, nodes: Sequence[Node]) -> str:
    """What a trial takes, and what the largest machine has."""
    useful = [node for node in nodes if node.alive and not node.why]
    compared = f"{need}"
    if useful:
        largest = max(useful, key=lambda node: (node.gpus if need.gpus else 0, node.cpus))
        has = Need(largest.gpus if need.gpus else 0, largest.cpus)
        compared += f"; the largest node has {has}"
    return f"no node of the cluster has room for a trial ({compared})"


def _floor(number: float) -> int:
    """Three tenths fit three times into nine tenths."""
    return math.floor(number + 1e-9)


class ClusterSlots(Slots):
    """A trial takes any that is free: where it was before does not matter to it."""

    def __init__(self, nodes: Nodes, need: Need, most: int | None, threads: int) -> None:
        """`most`: at once, however large the cluster is; `threads`: of each worker."""
        self._nodes = nodes
        self._need = need
        self._most = most
        self._threads = threads
        self._taken: dict[int, Slot] = {}
        self._queue: set[int] = set()
        self._had_room = time.monotonic()

    @property
    def places(self) -> tuple[Slot, ...]:
        """Those that there are just now."""
        room = sum(self._need.fits(node) for node in self._nodes.seen)
        if room:
            self._had_room = time.monotonic()
        count = room if self._most is None else min(room, self._most)
        return tuple(Slot(number, threads=self._threads) for number in range(count))

    def take(self, trial: int) -> Slot | None:
        """A free slot; the node of the one it had may be gone."""
        self._taken.pop(trial, None)
        return self._take_free(trial)

    @property
    def free(self) -> list[Slot]:
        """None while more trials are at work than there is room for: a node was lost."""
        places, taken = self.places, {slot.number for slot in self._taken.values()}
        if len(self._taken) >= len(places):
            return []
        return [slot for slot in places if slot.number not in taken]

    @property
    def broken(self) -> str:
        """Why no slot is of any use; a cluster without room is waited for, a while."""
        if self.places or time.monotonic() - self._had_room < PATIENCE_SECONDS:
            return ""
        return self.why_none

    @property
    def why_none(self) -> str:
        """Why there is no slot."""
        unfit = [f"{node.name}: {node.why}" for node in self._nodes.seen if node.alive and node.why]
        told = f"; not used: {'; '.join(unfit)}" if unfit else ""
        return f"{why_no_room(self._need, self._nodes.seen)}{told}"

    def why_broken(self, slot: Slot) -> str:
        """A slot is on no node in particular; one that is of no use makes them fewer."""
        return ""
