"""`python -m atft_tui.peer`: a plain Textual app with as many panes, for `atft bench console`.

A table, curves as text, a log, a status line: each changes once a second. Nothing is optimised;
it is what a console costs when its screen is left to the toolkit. `--bare` draws one word and is
what the first frame of the console is compared with.
"""

from __future__ import annotations

import math
import sys

from textual.app import App, ComposeResult
from textual.containers import Grid
from textual.coordinate import Coordinate
from textual.widgets import DataTable, RichLog, Sparkline, Static

ROWS = 20
COLUMNS = ("trial", "state", "ep", "RankIC", "IC", "s/ep", "lr")
READY = "Checklist"
"""What is on the screen once it is drawn; the console's word for the same moment."""


class PeerApp(App[None]):
    """Four panes at one change a second."""

    CSS = "Grid { grid-size: 2 2; } Grid > * { border: round $primary; height: 1fr; }"
    TITLE = "peer"

    def __init__(self, *, bare: bool) -> None:
        super().__init__()
        self._bare = bare
        self._ticks = 0
        self._busy: list[float] = []

    def compose(self) -> ComposeResult:
        """The panes."""
        if self._bare:
            yield Static(READY)
            return
        with Grid():
            yield DataTable()
            yield Static(READY, id="checklist")
            yield Sparkline([], id="gpu")
            yield RichLog()

    def on_mount(self) -> None:
        """Fill the table, start the clock."""
        if self._bare:
            return
        table: DataTable[str] = self.query_one(DataTable)
        table.add_columns(*COLUMNS)
        for number in range(ROWS):
            table.add_row(str(number), "done", "10", ".031", ".012", "14.0", "1e-3")
        self.set_interval(1.0, self._tick)

    def _tick(self) -> None:
        self._ticks += 1
        value = f"{0.04 + 0.004 * math.sin(self._ticks):.4f}"
        table: DataTable[str] = self.query_one(DataTable)
        for column in (2, 3, 4):
            table.update_cell_at(Coordinate(0, column), value)
        self.query_one(RichLog).write(f"Epoch {self._ticks} train {value} in 14.0 s")
        self._busy = [*self._busy, 90 + 8 * math.sin(self._ticks)][-60:]
        self.query_one(Sparkline).data = self._busy
        rows = "\n".join(f"ok criterion {i}  {value}  > .04" for i in range(15))
        self.query_one("#checklist", Static).update(f"{READY}\n{rows}")


if __name__ == "__main__":
    PeerApp(bare="--bare" in sys.argv).run()
