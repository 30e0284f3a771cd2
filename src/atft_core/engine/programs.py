"""The programs that an engine starts beside itself, each a module of its own."""

from __future__ import annotations

from dataclasses import dataclass

from atft_core.config.schema import Config


@dataclass(frozen=True)
class Programs:
    """Which modules they are. Others than these only compute nothing: drills and benchmarks."""

    worker: str = "atft_core.train"
    preflight: str = "atft_core.train.preflight"
    conclude: str = "atft_core.train.conclude"
    """Empty: there is nothing to say about all trials together."""


OF_A_COMMAND = Programs("atft_core.command", "atft_core.command.preflight", "")
"""Trials run a program of the user's own."""


def programs_of(config: Config, wanted: Programs) -> Programs:
    """Those of a run, unless others than ours are wanted."""
    return OF_A_COMMAND if config.command.argv and wanted == Programs() else wanted
