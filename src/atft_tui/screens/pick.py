"""Which other run to lay beside the one that is shown."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.widget import Widget

from atft_core.errors import RunDirectoryError
from atft_core.run.directory import RunDirectory, created, find_runs, siblings
from atft_core.run.foreign import clean
from atft_core.run.runbook import Runbook
from atft_tui.bindings import bindings
from atft_tui.format import cut_left, line, pad, shown_path
from atft_tui.pane import Pane, Row
from atft_tui.screens.live import LiveScreen
from atft_tui.view import View


@dataclass(frozen=True)
class Known:
    """A run in the list."""

    path: Path
    stage: str
    made: float


def known_runs(runbook: Runbook, shown: RunDirectory) -> list[Known]:
    """The runs of the runbook's stages and those beside the one shown, newest first."""
    found = [run for stage in runbook.stages for run in siblings(stage.output_dir)]
    found += find_runs(shown.path.parent)
    places = {run.path.absolute() for run in found} - {shown.path.absolute()}
    runs = [Known(path, _stage(path), created(RunDirectory(path)) or 0.0) for path in places]
    return sorted(runs, key=lambda run: (-run.made, str(run.path)))


def _stage(path: Path) -> str:
    try:
        return str(RunDirectory(path).facts().get("stage") or "ad hoc")
    except RunDirectoryError:
        return "?"


class RunsPane(Pane):
    """One line per run."""

    known: Sequence[Known] | None = None

    def captions(self, view: View) -> tuple[str, str]:
        """What is asked."""
        shown = shown_path(view.run.path) if view.run else ""
        return f"Which run was before {cut_left(shown, 40)}?", "enter: beside each other"

    def rows(self, view: View, width: int, height: int) -> Sequence[Row]:
        """Place, stage, date."""
        if self.known is None:
            return [Row(line((" looking ...", "$text-muted")))]
        if not self.known:
            return [Row(line((" there is no other run here", "$text-muted")))]
        room = max(20, width - 32)
        return [
            Row(
                line(f" {pad(cut_left(shown_path(run.path), room), room)} ",
                     (f"{pad(clean(run.stage, 12), 12)} {_date(run.made)}", "$text-muted")),
                str(run.path),
            )
            for run in self.known
        ]  # fmt: skip


def _date(made: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(made)) if made else "?"


class PickScreen(LiveScreen[Path | None]):
    """Answers with a run directory, or None."""

    SCOPE = "pick"
    BINDINGS: ClassVar[list[BindingType]] = bindings("pick")

    def __init__(self, shown: RunDirectory) -> None:
        super().__init__()
        self._shown = shown
        self._pane = RunsPane(id="evidence", focus=True)

    def body(self) -> Iterable[Widget]:
        """One pane."""
        yield self._pane

    def on_mount(self) -> None:
        """Look for runs at once, in a thread: the disk may be slow."""
        super().on_mount()
        self.run_worker(self._find())

    async def _find(self) -> None:
        self._pane.known = await asyncio.to_thread(known_runs, self.console.runbook, self._shown)
        self._pane.draw()

    @on(Pane.Chosen)
    def _answer(self, event: Pane.Chosen) -> None:
        self.dismiss(Path(event.key))

    def action_close(self) -> None:
        """No run."""
        self.dismiss(None)
