"""The last words: what goes on without the console, and how to come back."""

from __future__ import annotations

import shlex

from atft_tui.format import shown_path
from atft_tui.view import View


def farewell(view: View | None) -> list[str]:
    """A few lines for the shell that the person returns to."""
    if view is None or view.run is None or view.status is None:
        return ["No run was shown. `atft-tui` comes back, `atft status` lists runs."]
    where = shlex.quote(shown_path(view.run.path))
    trial = view.state.current
    at = f", trial {trial.number} epoch {trial.epoch}" if trial and view.live else ""
    first = "The run goes on" if view.live else "The run"
    said = f"{first}: {where} ({view.status.name}{at})" if view.live else (
        f"{first} {where} is {view.status.name}.")  # fmt: skip
    return [said, f"  come back   atft-tui {where}", f"  look        atft status {where}"]
