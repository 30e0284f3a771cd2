"""What a check may look at, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from atft_core.data.blocks import Block
from atft_core.data.feeds import Feed
from atft_core.train.setup import Setup


@dataclass(frozen=True)
class Scene:
    """What a check may look at."""

    setup: Setup
    feed: Feed
    block: Block
    """Training days in the middle of the panel."""
    disk_bytes: int
    """What the sweep will leave on disk."""
    path: Path
    """The run directory."""


@dataclass(frozen=True)
class Outcome:
    """Whether it holds, and the numbers that say so."""

    ok: bool
    detail: str
