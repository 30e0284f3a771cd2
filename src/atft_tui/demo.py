"""The demo: its runbook, and a synthetic panel made on first use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from atft_core import launch
from atft_core.errors import EngineError
from atft_core.run.shipped import shipped, typed

PANEL = Path("output") / "demo_panel.parquet"


def runbook() -> Path:
    """The runbook of the demo."""
    return shipped("demo.toml")


def options(panel: Path) -> tuple[str, ...]:
    """What a run of the demo is started with."""
    return ("--runbook", typed(runbook()), "--data-path", str(panel))


def ensure_panel() -> Path:
    """The demo's panel, made if it is not there."""
    if not PANEL.exists():
        PANEL.parent.mkdir(parents=True, exist_ok=True)
        words = ("synth", str(PANEL))
        sys.stderr.write(f"Making the demo panel, once: {launch.shown(*words)}\n")
        done = subprocess.run(launch.cli(*words), stdout=subprocess.DEVNULL, check=False)
        if done.returncode or not PANEL.exists():
            raise EngineError(
                f"The demo panel {PANEL} could not be made.", hint="`atft doctor` says what lacks."
            )
    return PANEL
