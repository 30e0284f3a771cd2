"""One trial on several devices: each rank sees a run of consecutive days of every block.

The model works day by day, the loss does not (the Sharpe term is one number of all days of a
block). So what the ranks predict is put together, each computes the loss of the whole block and
from it the gradient of its own predictions, and the gradients of the weights are summed: the same
sum as on one device, whatever the loss is made of. Weights, averages and optimisers stay the same
on all ranks.

Shapes: R ranks, B days of a block, D days, N stocks, H horizons.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import accumulate
from pathlib import Path
from typing import Protocol

import torch
import torch.distributed as dist
from torch import Tensor, nn

from atft_core.errors import CheckpointError

MEET_SECONDS = 600.0
"""For all ranks to import torch and open the panel."""


class Ranks(Protocol):
    """The processes that work at a trial together."""

    index: int
    """This one's; the first one is the worker that the engine knows."""
    count: int

    def share(self, days: range) -> range:
        """What of some days is this rank's."""

    def whole(self, parts: Sequence[Tensor], days: int) -> list[Tensor]:
        """Tensors of this rank's part of `days` [b, ...] as those of all ranks [days, ...].

        Gradients flow into this rank's own part alone.
        """

    def sum_gradients(self, weights: Iterable[nn.Parameter]) -> None:
        """Each gradient becomes the sum of those of all ranks."""

    def align(self, *models: nn.Module) -> None:
        """Take over the first rank's weights: rounding must not lead the ranks apart."""

    def agree(self, epoch: int) -> None:
        """All go on from the same epoch; CheckpointError where they do not."""

    def close(self) -> None:
        """There is nothing left to do together."""


class Alone:
    """One device."""

    index = 0
    count = 1

    def share(self, days: range) -> range:
        """All of them."""
        return days

    def whole(self, parts: Sequence[Tensor], days: int) -> list[Tensor]:
        """As they are."""
        return list(parts)

    def sum_gradients(self, weights: Iterable[nn.Parameter]) -> None:
        """There are no others."""

    def align(self, *models: nn.Module) -> None:
        """There are no others."""

    def agree(self, epoch: int) -> None:
        """There are no others."""

    def close(self) -> None:
        """There are no others."""


class Group:
    """Ranks of torch.distributed: NCCL between GPUs, gloo between processes on the CPU."""

    def __init__(self, meet: Path, index: int, count: int, device: torch.device) -> None:
        """Wait for the others; they meet in a file, so no port is open to strangers."""
        self.index, self.count = index, count
        self._device = device
        dist.init_process_group(
            "nccl" if device.type == "cuda" else "gloo",
            init_method=f"file://{meet}",
            rank=index,
            world_size=count,
            timeout=timedelta(seconds=MEET_SECONDS),
        )
        dist.barrier()  # the first epoch's seconds are no one's imports

    def share(self, days: range) -> range:
        """Its part: consecutive days, as many as the others have, or one more."""
        start = sum(self._sizes(len(days))[: self.index])
        return days[start : start + self._sizes(len(days))[self.index]]

    def _sizes(self, days: int) -> list[int]:
        each, rest = divmod(days, self.count)
        return [each + (rank < rest) for rank in range(self.count)]

    def whole(self, parts: Sequence[Tensor], days: int) -> list[Tensor]:
        """All ranks' parts, gathered at once."""
        sizes = self._sizes(days)
        widths = [part[0].numel() for part in parts]
        own = torch.cat([part.detach().float().flatten(1) for part in parts], dim=1)
        padded = own.new_zeros(max(sizes), own.shape[1])
        padded[: len(own)] = own
        found = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(found, padded)
        wholes = []
        for part, stop, width in zip(parts, accumulate(widths), widths, strict=True):
            pieces = [
                each[:size, stop - width : stop].view(size, *part.shape[1:]).to(part.dtype)
                for each, size in zip(found, sizes, strict=True)
            ]
            pieces[self.index] = part
            wholes.append(torch.cat(pieces))
        return wholes

    def sum_gradients(self, weights: Iterable[nn.Parameter]) -> None:
        """All of them in one message."""
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        start = 0
        for gradient in gradients:
            gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
            start += gradient.numel()

    def align(self, *models: nn.Module) -> None:
        """Weights and buffers, one after the other: once an epoch."""
        for model in models:
            for tensor in model.state_dict().values():
                dist.broadcast(tensor, src=0)

    def agree(self, epoch: int) -> None:
        """All go on from the same epoch; CheckpointError where they do not."""
        own = torch.tensor([epoch], device=self._device)
        found = [torch.empty_like(own) for _ in range(self.count)]
        dist.all_gather(found, own)
        epochs = [int(each) for each in found]
        if len(set(epochs)) > 1:
            raise CheckpointError(
                f"the ranks of the trial go back to different epochs: {epochs}",
                hint="A checkpoint can be read by one of them and not by another.",
            )

    def close(self) -> None:
        """Leave."""
        dist.destroy_process_group()
