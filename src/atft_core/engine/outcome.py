"""How an attempt at a trial ends."""

from __future__ import annotations

from dataclasses import dataclass

FINAL = ("complete", "pruned", "failed")
"""Last words that end a trial; "stopped", "blocked" and "lost" do not."""
WORDS = (*FINAL, "stopped", "blocked")
"""Last words that a worker can leave."""


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended. `state` is that of exit.json; "lost" when there is none, "refused" when
    a node would not begin with it.
    """

    state: str
    reason: str = ""
    value: float | None = None


@dataclass(frozen=True)
class End:
    """Why the engine ends an attempt; nothing, where it ends by itself."""

    ordered: bool = False
    """It was told to stop."""
    fate: str = ""
    """What happened to it, where it was lost."""
    over: str = ""
    """Why its trial is over with it."""
