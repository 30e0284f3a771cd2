"""What limits an epoch: from where its time went, and what the GPU did meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

from atft_core.run.events import Json
from atft_core.run.wording import finite

DATA_BOUND = 0.10
"""Share of the train time spent waiting for data from which the feed is the limit."""
VALIDATION_BOUND = 0.50
"""Share of an epoch spent in validation from which validation is the limit."""
OVERHEAD_BOUND = 0.50
"""Share of an epoch spent on nothing but overhead from which that is the limit."""
MEMORY_BOUND = 80.0
"""Median share (%) of the time in which the GPU's memory is read or written from which that is the
limit. The utilisation beside it cannot tell: a kernel that waits for memory counts as busy."""
IDLE_GPU = 40.0
"""Median utilisation (%) below which a GPU that never waits for data is held up by launches."""


@dataclass(slots=True)
class Split:
    """Where the time of some epochs went, in seconds, and what the GPU did in their train spans."""

    wait: float
    compute: float
    validate: float
    rest: float
    gpu: float | None = None
    """Utilisation in %, the median of an epoch; None: not measured."""
    memory: float | None = None
    """The share of the time in which its memory was read or written, in %."""
    fed: float | None = None
    """GB a second that the feed delivered."""

    @property
    def total(self) -> float:
        """Seconds."""
        return self.wait + self.compute + self.validate + self.rest

    @property
    def wait_share(self) -> float:
        """Of the train time."""
        return self.wait / (self.wait + self.compute)

    def add(self, other: Split) -> None:
        """More epochs: times add up, what the GPU did is weighed by them."""
        share = other.total / (self.total + other.total)
        self.gpu = _mean(self.gpu, other.gpu, share)
        self.memory = _mean(self.memory, other.memory, share)
        self.fed = _mean(self.fed, other.fed, share)
        self.wait += other.wait
        self.compute += other.compute
        self.validate += other.validate
        self.rest += other.rest


def _mean(a: float | None, b: float | None, share: float) -> float | None:
    """`share` is the weight of the second one."""
    if a is None or b is None:
        return b if a is None else a
    return a + share * (b - a)


def split_of(time: Json, seconds: float, gpu: Json | None, rates: Json) -> Split | None:
    """The split of one epoch; None when it reported no times."""
    wait, compute = finite(time.get("wait")), finite(time.get("compute"))
    if wait is None or compute is None or wait + compute <= 0:
        return None
    validate = max(0.0, finite(time.get("validate")) or 0.0)
    rest = max(0.0, (finite(seconds) or 0.0) - wait - compute - validate)
    seen = gpu or {}
    return Split(wait, compute, validate, rest, finite(seen.get("p50")),
                 finite(seen.get("memory")), finite(rates.get("gb_per_s")))  # fmt: skip


def limit(split: Split) -> str:
    """The word for it."""
    if split.wait_share > DATA_BOUND:
        return "data-bound"
    if split.validate / split.total > VALIDATION_BOUND:
        return "validation-bound"
    if split.rest / split.total > OVERHEAD_BOUND:
        return "overhead-bound"
    if split.memory is not None and split.memory >= MEMORY_BOUND:
        return "memory-bound"
    if split.gpu is not None and split.gpu < IDLE_GPU:
        return "launch-bound"
    return "compute-bound"


def evidence(word: str, split: Split) -> str:
    """The numbers behind the word."""
    duty = "GPU not measured" if split.gpu is None else f"GPU busy {split.gpu:.0f} %"
    wait = f"wait {percent(split.wait_share)}"
    match word:
        case "data-bound":
            fed = "" if split.fed is None else f" at {split.fed:.2g} GB/s"
            return f"{percent(split.wait_share)} of the train time waits for data{fed}, {duty}"
        case "validation-bound":
            share = percent(split.validate / split.total)
            return f"{share} of the epoch validates, {wait}, {duty}"
        case "overhead-bound":
            share = percent(split.rest / split.total)
            return f"{share} of the epoch is neither training nor validation"
        case "memory-bound" if split.memory is not None:
            return f"the GPU's memory is busy {split.memory:.0f} % of the time, {duty}, {wait}"
        case "launch-bound":
            return f"{duty} although it hardly waits for data ({wait})"
    return f"{percent(split.compute / split.total)} of the epoch computes, {wait}, {duty}"


def percent(share: float) -> str:
    """97 %, 0.4 %: one decimal where it matters."""
    return f"{100 * share:.1f} %" if share < 0.1 else f"{100 * share:.0f} %"
