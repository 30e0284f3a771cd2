"""Work that is done a step at a time: it yields whenever it has to wait.

So one thread looks after many trials, and what a trial does from its start to its end still stands
in one function.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import TypeAlias, TypeVar

from atft_core.engine.workers import Worker, wait

T = TypeVar("T")
Steps: TypeAlias = Generator[Worker | None, None, T]
"""It yields the worker whose end it would like to hear of, or nothing."""
TICK_SECONDS = 0.2
"""Between two steps, where no worker ends before: at most 1 % of a core goes to looking."""


def see_through(*several: Steps[None]) -> None:
    """All of them to their ends, together."""
    going = list(several)
    while going:
        waiting = {steps: worker for steps in going for worker in _next(steps)}
        going = list(waiting)
        pause(waiting.values())


def pause(workers: Iterable[Worker | None]) -> None:
    """Until one of them ends, or the next step is due."""
    wait([worker for worker in workers if worker is not None], TICK_SECONDS)


def _next(steps: Steps[None]) -> list[Worker | None]:
    """What it waits for; nothing at all where it is done."""
    try:
        return [next(steps)]
    except StopIteration:
        return []
