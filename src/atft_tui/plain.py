"""Where no screen can be drawn: the same once, as plain lines, by the commands that print it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from atft_core import launch
from atft_tui import demo


def status(directory: Path | None, refusal: str) -> int:
    """How the run, or the runs, stand; `refusal` says why there is no screen."""
    words = ("status", *([str(directory)] if directory else []))
    return _instead(words, refusal)


def dry_run_of_demo(refusal: str) -> int:
    """The demo's dry run, with progress and checklist; its exit code."""
    panel = demo.ensure_panel()
    return _instead(("run", "dry", *demo.options(panel)), refusal)


def _instead(words: tuple[str, ...], refusal: str) -> int:
    sys.stderr.write(f"No screen, since {refusal}. Instead: {launch.shown(*words)}\n")
    sys.stderr.flush()
    return subprocess.run(launch.cli(*words), check=False).returncode
