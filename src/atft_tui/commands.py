"""Every action is an `atft` command in a process of its own: the screen never waits for one."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any

from atft_core import launch
from atft_core.run.foreign import clean


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether it did what it was asked."""
        return self.code == 0

    @property
    def complaint(self) -> list[str]:
        """What it said was wrong: a few clean lines."""
        lines = [clean(line) for line in self.err.strip().splitlines() if line.strip()]
        return lines[-6:] or [f"it ended with exit code {self.code} and said nothing"]

    def json(self) -> dict[str, Any]:
        """Its answer; empty when that was no JSON object."""
        try:
            value = json.loads(self.out)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}


async def run(*args: str, looks: bool = False) -> Outcome:
    """Run `atft ARGS`. In its own session: a dropped line does not stop half a start.

    One that only `looks` is ended when nobody waits for its answer any more.
    """
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *launch.cli(*args),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        out, err = await process.communicate()
    except asyncio.CancelledError:
        if looks and process.returncode is None:
            process.terminate()
            await process.communicate()
        raise
    return Outcome(
        process.returncode or 0,
        out.decode(errors="replace"),
        err.decode(errors="replace"),
        time.monotonic() - began,
    )
