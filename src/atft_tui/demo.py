"""The demo: a synthetic panel made on first use, and the same dry run without a terminal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from atft_core import launch
from atft_core.errors import EngineError
from atft_core.run.shipped import shipped

PANEL = Path("output") / "demo_panel.parquet"


def runbook() -> Path:
    """The runbook of the demo."""
    return shipped("demo.toml")


def ensure_panel() -> Path:
    """The demo's panel, made if it is not there."""
    if not PANEL.exists():
        PANEL.parent.mkdir(parents=True, exist_ok=True)
        words = ("synth", str(PANEL))
        _say(f"Making the demo panel, once: {launch.shown(*words)}")
        done = subprocess.run(launch.cli(*words), stdout=subprocess.DEVNULL, check=False)
        if done.returncode or not PANEL.exists():
            raise EngineError(
                f"The demo panel {PANEL} could not be made.", hint="`atft doctor` says what lacks."
            )
    return PANEL


def without_screen() -> int:
    """The dry run with plain lines of progress and the checklist; its exit code."""
    words = ("run", "dry", "--runbook", str(runbook()), "--data-path", str(ensure_panel()))
    _say(f"No terminal, so without a screen: {launch.shown(*words)}")
    return subprocess.run(launch.cli(*words), check=False).returncode


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
