"""The last words: what goes on without the console, and how to come back."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from atft_tui.format import shown_path
from atft_tui.view import View


def farewell(view: View | None) -> list[str]:
    """A few lines for the shell that the person returns to."""
    if view is None or view.run is None or view.status is None:
        return ["No run was shown. `atft-tui` comes back, `atft status` lists runs."]
    where = shlex.quote(shown_path(view.run.path))
    working = view.state.at_work if view.live else []
    at = f", trial {working[0].number} epoch {working[0].epoch}" if len(working) == 1 else (
        f", {len(working)} trials at work" if working else "")  # fmt: skip
    first = "The run goes on" if view.live else "The run"
    said = f"{first}: {where} ({view.status.name}{at})" if view.live else (
        f"{first} {where} is {view.status.name}.")  # fmt: skip
    return [
        said,
        f"  come back   {_typed('atft-tui')} {where}",
        f"  look        {_typed('atft')} status {where}",
    ]


def watched(again: Sequence[str]) -> list[str]:
    """Of a study that belongs to another program: nothing of it is kept here."""
    return [f"The study goes on by itself. Come back: {_typed('atft-tui')} {shlex.join(again)}"]


def _typed(command: str) -> str:
    """A command as it works in this shell: `make demo` puts nothing on the PATH."""
    beside = Path(sys.executable).parent / command
    found = shutil.which(command) or not beside.exists()
    return command if found else shlex.quote(shown_path(beside))
