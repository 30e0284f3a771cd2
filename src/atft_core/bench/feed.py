"""What the feeds deliver, as a fraction of what this machine can copy; and what others deliver.

Shapes: T days, N stocks, F features, L lookback, B prediction days of a block.

Delivered are bytes in the consumer's own buffers: opening a file, or handing out a view, is not
reading. Per second of processor time, because a machine is rarely quiet; the copy limit and the
feed are timed in turn on the same blocks.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor

from atft_core.bench.machine import machine
from atft_core.bench.panels import random_panel, whole_split
from atft_core.bench.peers import BLOCK_DAYS, LOOKBACK, peers
from atft_core.bench.timing import paired, seconds
from atft_core.data.blocks import Block
from atft_core.data.feeds import Feed, MappedFeed, ResidentFeed
from atft_core.data.panel import Panel, open_panel
from atft_core.data.ring import RingFeed
from atft_core.errors import UsageError

CPU = torch.device("cpu")
PANEL_BYTES = 2**30
"""A grid panel is at most this large: fewer days when there are many features."""
KINDS: dict[str, type[ResidentFeed] | type[MappedFeed]] = {
    "resident": ResidentFeed,
    "mmap": MappedFeed,
}
PROCESSES = 4
"""Trials that share a panel."""


@dataclass(frozen=True)
class FeedSizes:
    """What is measured."""

    stocks: int = 1000
    days: int = 1000
    features: tuple[int, ...] = (16, 64, 256, 395)
    lookbacks: tuple[int, ...] = (20, 60, 120)
    block_days: int = 16
    blocks: int = 40
    pairs: int = 7
    peer_seconds: float = 4.0


def bench_feed(sizes: FeedSizes, say: Callable[[str], None]) -> dict[str, Any]:
    """All comparisons, as JSON. Raises UsageError when a panel would be too short."""
    _check_days(sizes)
    torch.set_num_threads(1)
    found: dict[str, Any] = {"machine": machine(), "sizes": vars(sizes)}
    with TemporaryDirectory(prefix="atft-bench-") as scratch:
        found["grid"] = list(_grid(sizes, Path(scratch), say))
        limits = [row["copy_gb_per_cpu_s"] for row in found["grid"]]
        found["copy_gb_per_cpu_s"] = round(float(np.median(limits)), 2)
        panel = random_panel(Path(scratch) / "panel.arrow", sizes.stocks, sizes.days, 64)
        say("ring against a DataLoader worker")
        found["ring"] = _ring(panel, sizes)
        say("opening")
        found["open"] = _opening(panel)
        say(f"{PROCESSES} processes")
        found["memory"] = shared_memory(panel)
        found["peers"] = peers(panel, Path(scratch), sizes.peer_seconds, say)
    return found


def _days(sizes: FeedSizes, features: int) -> int:
    """Days of the grid's panel with so many features."""
    return min(sizes.days, PANEL_BYTES // (sizes.stocks * features * 4))


def _check_days(sizes: FeedSizes) -> None:
    needed = max(*sizes.lookbacks, LOOKBACK) + max(sizes.block_days, BLOCK_DAYS) + 1
    days = _days(sizes, max(sizes.features))
    if days < needed:
        raise UsageError(
            f"a panel of {days} days is too short: {needed} are needed.",
            hint=f"Panels are at most {PANEL_BYTES // 2**30} GiB: fewer stocks or features leave "
            "room for more days.",
        )


def _grid(sizes: FeedSizes, scratch: Path, say: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    for features in sizes.features:
        days = _days(sizes, features)
        path = scratch / "grid.arrow"
        panel = random_panel(path, sizes.stocks, days, features)
        for lookback in sizes.lookbacks:
            for name, kind in KINDS.items():
                say(f"{name}, F = {features}, L = {lookback}")
                with closing(kind(panel, panel.market_TM, lookback, CPU)) as feed:
                    yield _point(feed, panel, lookback, sizes)
        del panel
        path.unlink()


def _point(feed: Feed, panel: Panel, lookback: int, sizes: FeedSizes) -> dict[str, Any]:
    days, stocks, features = panel.x_TNF.shape
    spans = _spans(panel, lookback, sizes.block_days, sizes.blocks)
    first = feed.block(spans[0])
    landed = [torch.empty_like(part) for part in _parts(first)]
    pieces = list(_random_pieces(panel, landed, len(spans)))

    def copy() -> None:
        for piece in pieces:
            for mine, part in zip(landed, piece, strict=True):
                mine.copy_(part)

    def deliver() -> None:
        for block in feed.blocks(spans):
            for mine, part in zip(landed, _parts(block), strict=True):
                mine.copy_(part)

    pair = paired(copy, deliver, sizes.pairs, clock=time.process_time)
    return {
        "feed": feed.name,
        "N": stocks,
        "T": days,
        "F": features,
        "L": lookback,
        "B": sizes.block_days,
        "dtype": "float32",
        "fraction_of_copy": round(pair.ratio, 3),
        "spread": [round(each, 3) for each in pair.spread],
        "copy_gb_per_cpu_s": round(first.nbytes * len(spans) / pair.base / 1e9, 2),
    }


def _parts(block: Block) -> tuple[Tensor, ...]:
    """All that is delivered of a block."""
    return (block.x_TNF, block.valid_TN, block.y_BNH, block.rank_BNH, block.gauss_BNH)


def _random_pieces(panel: Panel, landed: list[Tensor], count: int) -> Iterator[list[Tensor]]:
    """As many bytes as a block has, in as many pieces, from random places of the same memory."""
    memory = torch.from_numpy(np.array(panel.x_TNF)).flatten().view(torch.uint8)
    random = np.random.default_rng(1)
    for _ in range(count):
        starts = [int(random.integers((len(memory) - part.nbytes) // 64)) * 64 for part in landed]
        yield [
            memory[start : start + part.nbytes].view(part.dtype).view(part.shape)
            for start, part in zip(starts, landed, strict=True)
        ]


def _spans(panel: Panel, lookback: int, block_days: int, count: int) -> list[range]:
    """Random blocks."""
    last = len(panel.dates_T) - block_days
    starts = np.random.default_rng(0).integers(lookback - 1, last + 1, size=count)
    return [range(int(start), int(start) + block_days) for start in starts]


class BlockDataset(torch.utils.data.Dataset[Tensor]):
    """The same blocks as a Dataset for worker processes."""

    def __init__(self, cache: str, spans: list[range], lookback: int) -> None:
        self.cache, self.spans, self.lookback = cache, spans, lookback
        self._panel: Panel | None = None

    def __len__(self) -> int:
        return len(self.spans)

    def __getitem__(self, i: int) -> Tensor:
        self._panel = self._panel or open_panel(Path(self.cache))
        days = self.spans[i]
        seen = slice(days.start - self.lookback + 1, days.stop)
        return torch.from_numpy(np.array(self._panel.x_TNF[seen]))


def _ring(panel: Panel, sizes: FeedSizes) -> dict[str, Any]:
    """One producer against one spawned DataLoader worker, wall clock, after both have started."""
    lookback = LOOKBACK
    spans = _spans(panel, lookback, sizes.block_days, sizes.blocks)
    feed = RingFeed(panel, panel.market_TM, lookback, CPU, workers=1, prefetch=2)
    data = BlockDataset(panel.facts["cache"], spans, lookback)
    loader = torch.utils.data.DataLoader(
        data, batch_size=None, num_workers=1, multiprocessing_context="spawn",
        persistent_workers=True, prefetch_factor=2,
    )  # fmt: skip
    size = next(iter(feed.blocks(spans[:1]))).x_TNF.nbytes
    landed = torch.empty(size, dtype=torch.uint8)

    def through_ring() -> None:
        for block in feed.blocks(spans):
            landed.view(torch.float32).view(block.x_TNF.shape).copy_(block.x_TNF)

    def through_loader() -> None:
        for x_TNF in loader:
            landed.view(torch.float32).view(x_TNF.shape).copy_(x_TNF)

    with closing(feed):
        pair = paired(through_loader, through_ring, sizes.pairs)
    return {
        "ratio": round(pair.ratio, 2),
        "spread": [round(each, 2) for each in pair.spread],
        "gb_per_s": round(size * len(spans) / pair.ours / 1e9, 2),
        "against": "DataLoader, 1 spawned worker, same blocks",
    }


def _opening(panel: Panel) -> dict[str, Any]:
    """From a closed cache to the first block, after imports."""

    def open_and_read() -> None:
        opened = open_panel(Path(panel.facts["cache"]))
        split = whole_split(len(opened.dates_T), LOOKBACK)
        first = split.train.start + len(split.train) // 2
        with closing(MappedFeed(opened, opened.market_TM, LOOKBACK, CPU)) as feed:
            feed.block(range(first, first + 8)).x_TNF.sum()

    times = [seconds(open_and_read) for _ in range(5)]
    return {"seconds": round(float(np.median(times)), 4), "panel_bytes": panel.x_TNF.nbytes}


READER = """
import sys
from pathlib import Path
import torch
from atft_core.bench.panels import whole_split
from atft_core.data.blocks import eval_blocks
from atft_core.data.feeds import MappedFeed
from atft_core.data.panel import open_panel

def pss():
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024

torch.zeros(10).sum()
panel = open_panel(Path(sys.argv[1]))
split = whole_split(len(panel.dates_T), 60)
print("base", flush=True)
sys.stdin.readline()
print(pss(), flush=True)
sys.stdin.readline()
feed = MappedFeed(panel, panel.market_TM, 60, torch.device("cpu"))
total = sum(float(b.x_TNF[-8:].sum()) for b in feed.blocks(eval_blocks(split.train, 8)))
print("read", flush=True)
sys.stdin.readline()
print(pss(), flush=True)
sys.stdin.readline()
"""


def shared_memory(panel: Panel) -> dict[str, Any]:
    """Memory of several processes that read all of one panel, over what they need anyway.

    Proportional set sizes: a page that n processes share counts 1/n for each.
    """
    command = [sys.executable, "-c", READER, panel.facts["cache"]]
    readers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(PROCESSES)
    ]
    try:
        _ask(readers)  # all have started
        base = [int(word) for word in _ask(readers)]
        _ask(readers)  # all have read everything
        full = [int(word) for word in _ask(readers)]
    finally:
        for reader in readers:
            reader.kill()
            reader.communicate()
    size = panel.x_TNF.nbytes
    grown = sum(full) - sum(base)
    return {"processes": PROCESSES, "panel_bytes": size, "ratio": round(grown / size, 3)}


def _ask(readers: list[subprocess.Popen[str]]) -> list[str]:
    """The next line of each, after all have been told to go on."""
    answers = []
    for reader in readers:
        if reader.stdin is not None and reader.stdout is not None:
            answers.append(reader.stdout.readline().strip())
    for reader in readers:
        if reader.stdin is not None:
            reader.stdin.write("\n")
            reader.stdin.flush()
    return answers
