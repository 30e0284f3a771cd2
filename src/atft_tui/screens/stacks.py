"""Where the run's processes are right now: the answer of `atft stacks`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.binding import BindingType
from textual.widget import Widget

from atft_core.run.foreign import clean
from atft_tui.bindings import bindings
from atft_tui.format import line, shown_text
from atft_tui.pane import Pane, Row
from atft_tui.screens.live import LiveScreen
from atft_tui.view import View


class StacksPane(Pane):
    """Every process, what the kernel says of it, and its threads."""

    def __init__(self) -> None:
        super().__init__(id="evidence", focus=True)
        self.lines: Sequence[Row] = [Row(line((" asking the processes ...", "$text-muted")))]
        self.file = ""

    def captions(self, view: View) -> tuple[str, str]:
        """Where it is kept."""
        return "Stacks", self.file

    def rows(self, view: View, width: int, height: int) -> Sequence[Row]:
        """As the processes told it."""
        return self.lines


class StacksScreen(LiveScreen[None]):
    """Asked once, when it is opened; y asks again."""

    SCOPE = "stacks"
    BINDINGS: ClassVar[list[BindingType]] = bindings("stacks")

    def __init__(self, run_dir: str) -> None:
        super().__init__()
        self._run_dir = run_dir
        self._pane = StacksPane()

    def body(self) -> Iterable[Widget]:
        """One pane."""
        yield self._pane

    def on_mount(self) -> None:
        """Ask at once."""
        super().on_mount()
        self.action_again()

    def action_again(self) -> None:
        """Ask the processes (again)."""
        self.run_worker(self._ask(), exclusive=True)

    async def _ask(self) -> None:
        outcome = await self.console.run_command(["stacks", self._run_dir, "--json"], looks=True)
        answer = outcome.json()
        if outcome.ok and answer:
            self._pane.file = shown_text(answer.get("file"))
            self._pane.lines = _rows(answer.get("processes"))
        else:
            self._pane.lines = [Row(line((f" {text}", "$text-error")))
                                for text in outcome.complaint]  # fmt: skip
        self._pane.draw()

    def action_close(self) -> None:
        """Back."""
        self.dismiss(None)


def _rows(processes: object) -> list[Row]:
    rows: list[Row] = []
    for each in processes if isinstance(processes, list) else ():
        if not isinstance(each, dict):
            continue
        role, pid, doing = (shown_text(each.get(key)) for key in ("role", "pid", "doing"))
        rows.append(Row(line((f" {role}", "bold $text-accent"), f"  pid {pid}  {doing}")))
        rows += [Row(line(f"   {clean(text, 400)}"))
                 for text in str(each.get("stacks", "")).splitlines()]  # fmt: skip
        rows.append(Row(line("")))
    return rows
