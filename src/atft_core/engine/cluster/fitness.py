"""Which nodes of a cluster may be used: each is asked what it sees before a trial goes there.

They come and go while a run is under way, so the answers are gathered beside the trials.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from atft_core.engine.cluster.connect import first_line
from atft_core.engine.cluster.node import LOOK_SECONDS, look

AGAIN_SECONDS = 30.0
"""Until a node of no use is asked again: a share may have been away for a moment."""


class Fitness:
    """What stands against each node, by Ray's number for it."""

    def __init__(self, ray: Any, *words: str) -> None:
        """`words`: what `look` is asked with."""
        self._ray, self._words = ray, words
        self._why: dict[str, str] = {}
        self._asked: dict[str, tuple[Any, float]] = {}
        """The answers that are out, and since when."""
        self._heard: dict[str, float] = {}
        """When each answered last."""
        self._refused: dict[str, str] = {}
        self._alive: set[str] = set()
        """As of the last look."""

    def of(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """Of those that are alive and have been looked at; empty where nothing stands against it.

        A node that is seen for the first time is asked, and not waited for.
        """
        alive = [row["NodeID"] for row in rows if row["Alive"]]
        self._alive = set(alive)
        now = time.monotonic()
        for number in alive:
            due = self._why.get(number, "not known") and now - self._heard.get(number, -math.inf)
            if number not in self._asked and due and due > AGAIN_SECONDS:
                self._asked[number] = self._ask(number), now
        self._listen()
        known = {**self._why, **self._refused}
        return {number: known[number] for number in alive if number in known}

    def refuse(self, number: str, why: str) -> None:
        """It is of no use until Ray is started there again, which gives it another number."""
        self._refused[number] = why

    def ask_again(self) -> None:
        """A node may have lost what it saw at first; until it answers, what it said stands."""
        for number in self._alive & set(self._why) - set(self._asked):
            self._asked[number] = self._ask(number), time.monotonic()

    def _ask(self, number: str) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        there = NodeAffinitySchedulingStrategy(node_id=number, soft=False)
        task = self._ray.remote(look).options(num_cpus=0, max_retries=0, scheduling_strategy=there)
        return task.remote(*self._words)

    def _listen(self) -> None:
        now = time.monotonic()
        for number, (answer, since) in list(self._asked.items()):
            ready, _ = self._ray.wait([answer], timeout=0)
            if ready:
                del self._asked[number]
                self._take_in(number, answer)
            elif now - since > LOOK_SECONDS:  # it is still listened to
                self._why[number] = f"it has not answered for {LOOK_SECONDS:.0f} s"

    def _take_in(self, number: str, answer: Any) -> None:
        errors = self._ray.exceptions
        self._heard[number] = time.monotonic()
        try:
            self._why[number] = str(self._ray.get(answer))
        except (errors.TaskUnschedulableError, errors.NodeDiedError):
            del self._heard[number]  # it is gone, which Ray itself finds out some seconds later
        except errors.WorkerCrashedError:
            self._why[number] = "what looked around there was killed"
        except errors.RayError as error:  # above all: atft is not installed there
            self._why[number] = first_line(getattr(error, "cause", None) or error)
