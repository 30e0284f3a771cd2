"""What an engine knows of the GPUs that its trials share: which are well, and how full they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from atft_core.gpu import GpuSampler
from atft_core.run.state import State, Trial
from atft_core.run.wording import finite

SPARE = 1.1
"""What a trial took, times this, has to be free for another one,"""
CONTEXT_BYTES = 2**30
"""and this much for CUDA itself."""


@dataclass(frozen=True)
class MeasuredCards:
    """By the sampler, and by what workers said that they took."""

    state: State
    sampler: GpuSampler

    def broken(self, gpu: str) -> str:
        """Why nothing can be computed on that card; empty where it is well, or is not needed."""
        if self.state.on_gpu is False:  # whatever there is
            return ""
        return next(filter(None, map(self.sampler.broken, gpu.split(","))), "")

    def has_room(self, gpu: str, others: Sequence[int]) -> bool:
        """Whether one more trial fits on that card, or those, beside these trials.

        Only when all of them have told what they took: one that loads its panel just now leaves
        less than it seems.
        """
        took = [_peak(self.state.trial(number)) for number in others]
        room = [self.sampler.free_memory(name) for name in gpu.split(",")]
        if None in room or None in took:
            return False
        free = min(each for each in room if each is not None)
        return free >= SPARE * max(peak for peak in took if peak) + CONTEXT_BYTES


def _peak(trial: Trial) -> float | None:
    """Bytes of the GPU that a trial took at most, by its newest epoch."""
    return finite(trial.epochs[-1].rates.get("peak_bytes")) if trial.epochs else None
