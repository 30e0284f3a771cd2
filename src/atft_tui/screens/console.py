"""The main screen."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import replace
from typing import ClassVar

from textual import events, on
from textual.binding import BindingType
from textual.containers import Grid
from textual.widget import Widget

from atft_core.run.foreign import clean
from atft_core.run.state import State, Trial
from atft_tui import trial_table
from atft_tui.bindings import KEYS, Key, bindings, stage_keys
from atft_tui.format import line, relative
from atft_tui.machine import Machine
from atft_tui.pane import Pane, Row
from atft_tui.panes.checklist import ChecklistPane
from atft_tui.panes.curves import CurvesPane
from atft_tui.panes.gpu import GpuPane
from atft_tui.panes.log import LogPane, parse_filter
from atft_tui.panes.stages import StagesPane
from atft_tui.panes.trials import TrialsPane
from atft_tui.panes.verdict import VerdictPane
from atft_tui.screens.acting import ActingScreen
from atft_tui.screens.columns import ColumnsScreen
from atft_tui.screens.compare import CompareScreen
from atft_tui.screens.entry import EntryLine, Prompt
from atft_tui.screens.evidence import EvidenceScreen
from atft_tui.screens.help import HelpScreen
from atft_tui.screens.stacks import StacksScreen
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


class ConsoleScreen(ActingScreen):
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
            yield CurvesPane(id="curves")
            yield LogPane(id="log", title="6 Log")
        yield EntryLine(id="entry")
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
        """Out of the line that is typed in, else out of the zoom."""
        entry = self.query_one(EntryLine)
        if entry.display:
            entry.close()
        else:
            self.unzoom()

    # Filters.

    def action_filter(self) -> None:
        """Filter the trials where they have the focus, else the log."""
        trials = self.query_one(TrialsPane)
        if self.focused is trials:
            self.ask(Prompt("trials /", trial_table.HOW, self._filter_trials, _text(trials.choice)))
            return
        if self.has_class("-compact") and self.zoomed != "log":
            self.action_zoom("log")
        pane = self.query_one(LogPane)
        known = pane.filter.text if pane.filter else ""
        self.ask(Prompt("log /", "regular expression; ! first: exclude", self._filter_log, known))

    def _filter_trials(self, text: str) -> None:
        pane = self.query_one(TrialsPane)
        state = self.console.view.state if self.console.view else State()
        chosen = trial_table.parse(text, trial_table.columns(state))
        pane.choose(replace(pane.choice, filter=chosen))
        self.console.note("atft status {run} --json")

    def _filter_log(self, text: str) -> None:
        chosen = parse_filter(text)
        self.query_one(LogPane).set_filter(chosen)
        log = "{run}/logs/ml_training.log"
        if chosen is None:
            self.console.note(f"tail -f {log}")
            return
        option = "-vE" if chosen.inverse else "-E"
        pattern = shlex.quote(chosen.text.removeprefix("!"))
        self.console.note(f"tail -f {log} | grep {option} {pattern}")

    # Looking.

    @on(Pane.Chosen)
    def _look(self, event: Pane.Chosen) -> None:
        if isinstance(event.pane, TrialsPane | CurvesPane):
            self.console.note("atft status {run} --json")
            self.app.push_screen(TrialScreen(int(event.key)))
        elif isinstance(event.pane, ChecklistPane):
            self.console.note("atft check {run}")
            self.app.push_screen(EvidenceScreen(event.key))

    @on(TrialsPane.Marked)
    def _overlay(self) -> None:
        marked = self.query_one(TrialsPane).marked
        self.query_one(CurvesPane).choose(marked, f"marked: {', '.join(map(str, marked))}")

    def action_columns(self) -> None:
        """Choose the columns of the trial table."""
        pane = self.query_one(TrialsPane)
        self.app.push_screen(ColumnsScreen(pane.choice, pane.choose))

    def action_compare(self) -> None:
        """The marked trials beside each other; of one, beside the one under the cursor."""
        pane = self.query_one(TrialsPane)
        numbers = dict.fromkeys([*pane.marked, *([int(pane.cursor)] if pane.cursor else [])])
        chosen = pane.marked if len(pane.marked) > 1 else list(numbers)
        if len(chosen) < 2:
            self.app.notify("mark a trial (space), then choose another", markup=False)
            return
        self.console.note("atft status {run} --json")
        self.app.push_screen(CompareScreen(chosen))

    def chosen_trial(self) -> Trial | None:
        """The trial under the cursor."""
        view, cursor = self.console.view, self.query_one(TrialsPane).cursor
        return view.state.trials.get(int(cursor)) if view and cursor else None

    def action_stacks(self) -> None:
        """Where the run's processes are."""
        view = self.console.view
        if view is None or view.run is None or not view.live:
            self.app.notify("nothing is running", severity="warning", markup=False)
            return
        self.app.push_screen(StacksScreen(str(relative(view.run.path))))

    def action_help(self) -> None:
        """All keys."""
        self.app.push_screen(HelpScreen())

    def action_leave(self) -> None:
        """The run goes on."""
        self.app.exit()


def _text(choice: trial_table.Choice) -> str:
    return choice.filter.text if choice.filter else ""
