"""The programs that an engine starts beside itself, each a module of its own."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Programs:
    """Which modules they are. Others than these only compute nothing: drills and benchmarks."""

    worker: str = "atft_core.train"
    preflight: str = "atft_core.train.preflight"
    conclude: str = "atft_core.train.conclude"
