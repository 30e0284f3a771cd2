"""Where workers compute at once: each slot is one GPU, or a share of one, or of the CPU's cores."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from atft_core.config.schema import Config
from atft_core.run.causes import caused


@dataclass(frozen=True)
class Slot:
    """A worker's place."""

    number: int
    gpu: str = ""
    """Its card, or cards, as CUDA_VISIBLE_DEVICES names them; empty: whatever the worker finds."""
    threads: int = 0
    """CPU threads; 0: as many as there are cores."""


@dataclass(frozen=True)
class Node:
    """A machine of a cluster."""

    name: str
    gpus: float = 0.0
    cpus: float = 0.0
    alive: bool = True
    why: str = ""
    """Why no trial is sent there, although it is alive."""


class Cards(Protocol):
    """What is known of the GPUs."""

    def broken(self, gpu: str) -> str:
        """Why nothing can be computed on that card; empty where it is well, or is not needed."""

    def has_room(self, gpu: str, others: Sequence[int]) -> bool:
        """Whether one more trial fits on that card, beside these trials."""


def plan_slots(config: Config, gpus: Sequence[str], cores: int) -> tuple[Slot, ...]:
    """One slot for each GPU, or as many as asked for, spread over the GPUs; at least one.

    Where a trial needs several GPUs, a slot has as many. Threads are divided where several workers
    share the cores.
    """
    wanted, each = config.engine.slots, config.train.devices_per_trial
    cards = [] if config.train.device == "cpu" else list(gpus)
    if each > 1 and cards:
        groups = [cards[i : i + each] for i in range(0, len(cards) - each + 1, each)]
        cards = [",".join(group) for group in groups or [cards]]
    count = wanted if isinstance(wanted, int) else max(1, len(cards))
    threads = config.train.threads or (max(1, cores // count) if count > 1 else 0)
    return tuple(Slot(n, cards[n % len(cards)] if cards else "", threads) for n in range(count))


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0))


class Slots:
    """Which trial is in which slot."""

    def __init__(self, places: Sequence[Slot], cards: Cards) -> None:
        self._places = tuple(places)
        self._cards = cards
        self._taken: dict[int, Slot] = {}
        """By trial. Two may be in one slot for a while: workers that an engine found at work."""
        self._queue: set[int] = set()
        """Trials that have begun and found no slot."""

    @property
    def places(self) -> tuple[Slot, ...]:
        """All that there are."""
        return self._places

    def forget(self) -> None:
        """All are free."""
        self._taken.clear()
        self._queue.clear()

    def of(self, trial: int) -> Slot | None:
        """The one that a trial has."""
        return self._taken.get(trial)

    def keep(self, trial: int, number: int) -> None:
        """The slot of a worker that was found at work."""
        places = self.places or (Slot(number),)
        known = [slot for slot in places if slot.number == number]
        self._taken[trial] = known[0] if known else places[-1]

    def take(self, trial: int) -> Slot | None:
        """The slot for a trial's next worker: where it was, else a free one; None: not yet."""
        mine = self._taken.get(trial)
        if mine is not None and not self.why_broken(mine):
            return mine
        return self._take_free(trial)

    def _take_free(self, trial: int) -> Slot | None:
        free = self.free
        if not free:
            self._queue.add(trial)
            return None
        self._queue.discard(trial)
        self._taken[trial] = free[0]
        return free[0]

    def release(self, trial: int) -> None:
        """It is through."""
        self._taken.pop(trial, None)
        self._queue.discard(trial)

    @property
    def spare(self) -> bool:
        """Whether one is left for a trial that has not begun: those that have come first."""
        return len(self.free) > len(self._queue)

    @property
    def free(self) -> list[Slot]:
        """Slots in which a worker could begin now, those of idle cards first."""
        taken = {slot.number for slot in self._taken.values()}
        left = (slot for slot in self.places if slot.number not in taken)
        fit = [slot for slot in left if not self.why_broken(slot) and self._has_room(slot)]
        return sorted(fit, key=lambda slot: len(self._beside(slot)))

    @property
    def broken(self) -> str:
        """Why no slot is of any use; empty where one is."""
        whys = [self.why_broken(slot) for slot in self.places]
        return "" if "" in whys else caused("LOST_GPU", whys[0])

    def why_broken(self, slot: Slot) -> str:
        """Why nothing can be computed in that slot; empty where something can."""
        return self._cards.broken(slot.gpu) if slot.gpu else ""

    def _beside(self, slot: Slot) -> list[int]:
        """The trials on its card."""
        return [trial for trial, other in self._taken.items() if slot.gpu and other.gpu == slot.gpu]

    def _has_room(self, slot: Slot) -> bool:
        others = self._beside(slot)
        return not others or self._cards.has_room(slot.gpu, others)
