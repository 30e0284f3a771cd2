"""The main screen."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import ClassVar

from textual import events, on
from textual.binding import BindingType
from textual.containers import Grid
from textual.widget import Widget

from atft_core.run.foreign import clean
from atft_tui.bindings import KEYS, Key, bindings, stage_keys
from atft_tui.format import line, relative
from atft_tui.machine import Machine
from atft_tui.pane import Pane, Row
from atft_tui.panes.checklist import ChecklistPane
from atft_tui.panes.curves import CurvesPane
from atft_tui.panes.gpu import GpuPane
from atft_tui.panes.log import LogPane
from atft_tui.panes.stages import StagesPane
from atft_tui.panes.trials import TrialsPane
from atft_tui.panes.verdict import VerdictPane
from atft_tui.screens.evidence import EvidenceScreen
from atft_tui.screens.filter import FilterLine
from atft_tui.screens.help import HelpScreen
from atft_tui.screens.live import LiveScreen
from atft_tui.screens.question import QuestionScreen
from atft_tui.screens.trial import TrialScreen
from atft_tui.view import View


class SinceLine(Pane):
    """What happened since this person last looked; until a key is pressed."""

    def rows(self, view: View, width: int, height: int) -> list[Row]:
        """One line."""
        return [Row(line((f" {view.since}", "$text-warning")))]


class CommandLine(Pane):
    """The command behind the last key, and how it ended."""

    said: tuple[str, str, str] = ("", "", "")

    def rows(self, view: View, width: int, height: int) -> list[Row]:
        """One line, as it would be typed."""
        command, outcome, style = self.said
        if not command:
            return [Row(line((" $ the command behind each key appears here", "$text-muted")))]
        return [Row(line((f" $ {command}", "$text-muted"), (f"  {outcome}", style)))]


class ConsoleScreen(LiveScreen[None]):
    """Stages, panes, command line, footer."""

    SCOPE = "main"
    HOME = "trials"
    BINDINGS: ClassVar[list[BindingType]] = bindings("main")

    def __init__(self) -> None:
        super().__init__()
        self._news_read = False

    def body(self) -> Iterable[Widget]:
        """From top to bottom."""
        yield StagesPane(id="stages")
        yield SinceLine(id="since")
        with Grid(id="body"):
            yield GpuPane(id="gpu")
            yield ChecklistPane(id="checklist", focus=True)
            yield VerdictPane(id="verdict")
            yield TrialsPane(id="trials", focus=True)
            yield CurvesPane(id="curves", title="5 Curves by epoch")
            yield LogPane(id="log", title="6 Log")
        yield FilterLine(id="filter")
        yield CommandLine(id="command")

    def extra_keys(self) -> list[Key]:
        """The keys of the stages."""
        return stage_keys(self.console.runbook)

    def on_mount(self) -> None:
        """The trials have the focus: enter opens one."""
        super().on_mount()
        self.query_one(f"#{self.HOME}").focus()

    def show(self, view: View) -> None:
        """Draw; the line about the past only while it is news."""
        self.query("#since").set(display=bool(view.since) and not self._news_read)
        super().show(view)

    def show_machine(self, machine: Machine) -> None:
        """Draw a look at the machine."""
        for pane in self.query(GpuPane):  # none while the screen is being made or torn down
            pane.show_machine(machine)

    def show_command(self, command: str, outcome: str, style: str) -> None:
        """What was done last."""
        for pane in self.query(CommandLine):
            pane.said = (clean(command), clean(outcome), style)
            pane.draw()

    def on_resize(self, event: events.Resize) -> None:
        """In the compact layout the verdict spans both columns above the checklist."""
        super().on_resize(event)
        checklist, verdict = self.query_one("#checklist"), self.query_one("#verdict")
        if self.has_class("-compact"):
            self.query_one("#body").move_child(verdict, before=checklist)
        else:
            self.query_one("#body").move_child(verdict, after=checklist)

    def on_key(self, event: events.Key) -> None:
        """Stage keys come from the runbook, so they are not in the table of bindings."""
        self._news_read = True
        self.query_one("#since").display = False
        for stage in self.console.runbook.stages:
            if event.character == stage.hotkey and not self.too_small:
                event.stop()
                self.console.confirm(stage)

    def action_zoom(self, name: str) -> None:
        """Also say which command shows the same."""
        super().action_zoom(name)
        self.console.note(next(key.twin for key in KEYS if key.action == f"zoom({name!r})"))

    def action_back(self) -> None:
        """Out of the filter line, else out of the zoom."""
        filter_line = self.query_one(FilterLine)
        if filter_line.display:
            filter_line.close()
            self.query_one(LogPane).focus()
        else:
            self.unzoom()

    # The log filter.

    def action_filter(self) -> None:
        """Type a regular expression for the log."""
        if self.has_class("-compact") and self.zoomed != "log":
            self.action_zoom("log")
        self.query_one(FilterLine).open(self.query_one(LogPane).filter)

    @on(FilterLine.Chosen)
    def _apply_filter(self, event: FilterLine.Chosen) -> None:
        pane = self.query_one(LogPane)
        pane.set_filter(event.chosen)
        pane.focus()
        log = "{run}/logs/ml_training.log"
        if event.chosen is None:
            self.console.note(f"tail -f {log}")
            return
        option = "-vE" if event.chosen.inverse else "-E"
        pattern = shlex.quote(event.chosen.text.removeprefix("!"))
        self.console.note(f"tail -f {log} | grep {option} {pattern}")

    # Looking.

    @on(Pane.Chosen)
    def _look(self, event: Pane.Chosen) -> None:
        if isinstance(event.pane, TrialsPane):
            self.console.note("atft status {run} --json")
            self.app.push_screen(TrialScreen(int(event.key)))
        elif isinstance(event.pane, ChecklistPane):
            self.console.note("atft check {run}")
            self.app.push_screen(EvidenceScreen(event.key))

    def action_help(self) -> None:
        """All keys."""
        self.app.push_screen(HelpScreen())

    def action_leave(self) -> None:
        """The run goes on."""
        self.app.exit()

    # Acting on the run.

    def action_stop(self) -> None:
        """Stop after the running trial."""
        self._stop(now=False)

    def action_stop_now(self) -> None:
        """Stop at once, after a question."""
        view = self.console.view
        if view is None or not view.live:
            self._stop(now=True)
            return
        detail = "The running trial loses what it did since its last checkpoint; r resumes it."
        self.app.push_screen(
            QuestionScreen("Stop the run now?", detail),
            lambda yes: self._stop(now=True) if yes else None,
        )

    def _stop(self, *, now: bool) -> None:
        view = self.console.view
        if view is None or view.run is None or not view.live:
            self.app.notify("nothing is running", severity="warning", markup=False)
            return
        self._act(["stop", str(relative(view.run.path)), *(["--now"] if now else [])])

    def action_resume(self) -> None:
        """Continue a run that stopped or died."""
        view = self.console.view
        if view is None or view.run is None or view.live:
            self.app.notify("there is nothing to resume", severity="warning", markup=False)
            return
        self._act(["resume", str(relative(view.run.path)), "--detach"])

    def _act(self, words: list[str]) -> None:
        async def act() -> None:
            outcome = await self.console.run_command(words)
            if not outcome.ok:
                said = "\n".join(outcome.complaint)
                self.app.notify(said, severity="error", timeout=15, markup=False)

        self.run_worker(act())
