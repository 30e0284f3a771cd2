"""The main screen."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from rich.cells import cell_len
from textual import events, on
from textual.binding import BindingType
from textual.widget import Widget

from atft_core.run.directory import RunDirectory
from atft_core.run.files import read_regular
from atft_core.run.foreign import clean
from atft_core.run.judge.gates import following
from atft_core.run.state import Trial
from atft_core.run.wording import duration
from atft_tui import trial_table
from atft_tui.bindings import KEYS, Key, bindings, stage_keys
from atft_tui.format import cut, line, relative, shown_path
from atft_tui.layout import TALL, USUAL, Body, Shape
from atft_tui.machine_now import Machine
from atft_tui.pane import Pane, Row
from atft_tui.panes.checklist import ChecklistPane
from atft_tui.panes.curves import CurvesPane
from atft_tui.panes.gpu import GpuPane
from atft_tui.panes.log import LogPane
from atft_tui.panes.stages import StagesPane
from atft_tui.panes.trials import TrialsPane
from atft_tui.panes.verdict import VerdictPane
from atft_tui.screens.entry import EntryLine, Prompt
from atft_tui.screens.rewinding import RewindingScreen
from atft_tui.view import News, View

COPY_LIMIT = 48 << 10
"""Characters of a text that terminals take in one piece."""


class SinceLine(Pane):
    """What happened since this person last looked; until a key is pressed."""

    def rows(self, view: View, width: int, height: int) -> list[Row]:
        """One line: as much as fits, and where all of it is."""
        if view.since is None:
            return [Row(line(""))]
        head = f" since you left ({duration(view.since.away)}): "
        return [Row(line((head, "$text-muted"), (fitting(view.since.said, width - len(head)),
                                                 "$text-warning")))]  # fmt: skip


def fitting(said: Sequence[str], width: int) -> str:
    """What is said first, as far as there is room; then which key tells the rest."""
    for count in range(len(said), 0, -1):
        end = "  (t: all)" if count == len(said) else "; ... (t: all)"
        text = "; ".join(said[:count]) + end
        if cell_len(text) <= width:
            return text
    return cut(said[0], width)


class CommandLine(Pane):
    """The command behind the last key, and how it ended."""

    said: tuple[str, str, str] = ("", "", "")

    def rows(self, view: View, width: int, height: int) -> list[Row]:
        """One line, as it would be typed."""
        command, outcome, style = self.said
        if not command:
            return [Row(line((" $ the command behind each key appears here", "$text-muted")))]
        return [Row(line((f" $ {command}", "$text-muted"), (f"  {outcome}", style)))]


class ConsoleScreen(RewindingScreen):
    """Stages, panes, command line, footer."""

    SCOPE = "main"
    HOME = "trials"
    BINDINGS: ClassVar[list[BindingType]] = bindings("main")

    def __init__(self) -> None:
        super().__init__()
        self._news_read: News | None = None

    def body(self) -> Iterable[Widget]:
        """From top to bottom."""
        yield StagesPane(id="stages")
        yield SinceLine(id="since")
        with Body(self._reshaped):
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
        self.query("#since").set(display=self._has_news(view))
        super().show(view)

    def _has_news(self, view: View) -> bool:
        return view.since is not None and view.past is None and view.since is not self._news_read

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
        self.query_one(Body).give(self._shape)
        checklist, verdict = self.query_one("#checklist"), self.query_one("#verdict")
        if self.has_class("-compact"):
            self.query_one("#body").move_child(verdict, before=checklist)
        else:
            self.query_one("#body").move_child(verdict, after=checklist)

    # The sizes of the panes.

    @property
    def _shape(self) -> Shape | None:
        """As it was left; the compact layout has no choice."""
        if self.has_class("-compact"):
            return None
        known = self.console.preferences
        return known.tall if self.has_class("-tall") else known.usual

    def _reshaped(self, shape: Shape) -> None:
        self.console.prefer(**{"tall" if self.has_class("-tall") else "usual": shape})

    def action_grow(self, size: str, step: int) -> None:
        """Make a column or a row of panes larger."""
        self.query_one(Body).grow(size, step)

    def action_reset_sizes(self) -> None:
        """As they were made."""
        self.console.prefer(usual=USUAL, tall=TALL)
        self.query_one(Body).give(self._shape)

    def on_key(self, event: events.Key) -> None:
        """Stage keys come from the runbook, so they are not in the table of bindings."""
        self._news_read = self.console.view.since if self.console.view else None
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
        """Out of the line that is typed in, else out of the zoom, else out of the past."""
        entry = self.query_one(EntryLine)
        if entry.display:
            entry.close()
        elif self.zoomed:
            self.unzoom()
        else:
            self.console.rewind(None)

    # Filters.

    def action_filter(self) -> None:
        """Filter the trials where they have the focus, else the log."""
        trials = self.query_one(TrialsPane)
        if self.focused is trials:
            self.ask(Prompt("trials /", trial_table.HOW, self._filter_trials, _text(trials.choice)))
            return
        if self.has_class("-compact") and self.zoomed != "log":
            self.action_zoom("log")
        self.query_one(LogPane).action_filter()

    def _filter_trials(self, text: str) -> None:
        pane = self.query_one(TrialsPane)
        view = self.console.view
        known = trial_table.columns(view.state, view.notes) if view else []
        chosen = trial_table.parse(text, known)
        pane.choose(replace(pane.choice, filter=chosen))
        self.console.note("atft status {run} --json")

    # Looking.

    @on(Pane.Chosen)
    def _look(self, event: Pane.Chosen) -> None:
        from atft_tui.screens.evidence import EvidenceScreen
        from atft_tui.screens.trial import TrialScreen

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
        from atft_tui.screens.columns import ColumnsScreen

        pane = self.query_one(TrialsPane)
        self.app.push_screen(ColumnsScreen(pane.choice, pane.choose))

    def action_compare(self) -> None:
        """The marked trials beside each other; of one, beside the one under the cursor."""
        from atft_tui.screens.compare import CompareScreen

        pane = self.query_one(TrialsPane)
        numbers = dict.fromkeys([*pane.marked, *([int(pane.cursor)] if pane.cursor else [])])
        chosen = pane.marked if len(pane.marked) > 1 else list(numbers)
        if len(chosen) < 2:
            self.app.notify("mark a trial (space), then choose another", markup=False)
            return
        self.console.note("atft status {run} --json")
        self.app.push_screen(CompareScreen(chosen))

    def action_against(self) -> None:
        """Before and after: beside another run, which is chosen first."""
        view = self.console.view
        if view is None or view.run is None:
            self.app.notify("there is no run yet", severity="warning", markup=False)
            return
        asked = f"Which run was before {shown_path(view.run.path)}?"
        self.console.choose_other(view.run, asked, self._beside)

    def _beside(self, other: Path | None) -> None:
        from atft_tui.screens.contrast import ContrastScreen

        if other is not None:
            self.console.note(f"atft check {{run}} --against {shlex.quote(shown_path(other))}")
            self.app.push_screen(ContrastScreen(RunDirectory(other)))

    def action_override(self) -> None:
        """The start of the stage that this run should have opened, with a reason."""
        view = self.console.view
        after = following(view.runbook, view.stage) if view else None
        if after is None:
            self.app.notify("no stage comes after this one", severity="warning", markup=False)
            return
        self.console.confirm(after, overrides=True)

    def chosen_trial(self) -> Trial | None:
        """The trial under the cursor."""
        view, cursor = self.console.view, self.query_one(TrialsPane).cursor
        return view.state.trials.get(int(cursor)) if view and cursor else None

    def noted_trial(self) -> Trial | None:
        """The trial under the cursor, where the table has the focus."""
        return self.chosen_trial() if self.focused is self.query_one(TrialsPane) else None

    def action_stacks(self) -> None:
        """Where the run's processes are."""
        from atft_tui.screens.stacks import StacksScreen

        view = self.console.view
        if view is None or view.run is None or not view.live:
            self.app.notify("nothing is running", severity="warning", markup=False)
            return
        self.app.push_screen(StacksScreen(str(relative(view.run.path))))

    def action_settings(self) -> None:
        """What the trial under the cursor was to run with, and what it runs with."""
        from atft_core.run.settings.effective import default_trial
        from atft_tui.screens.settings import SettingsScreen

        view, trial = self.console.view, self.chosen_trial()
        if view is None or view.run is None:
            self.app.notify("no run is shown", severity="warning", markup=False)
            return
        number = trial.number if trial else default_trial(view.state)
        self.console.note(f"atft settings {{run}} {'' if number is None else number}".rstrip())
        self.app.push_screen(SettingsScreen(number))

    def action_runs(self) -> None:
        """All runs that are known."""
        self.console.note("atft status")
        self.console.choose_run()

    def action_copy(self) -> None:
        """The path of the run."""
        view = self.console.view
        if view is None or view.run is None:
            self.app.notify("there is no run yet", severity="warning", markup=False)
            return
        self.copy(str(view.run.path.absolute()), clean(str(view.run.path.absolute())))

    async def action_copy_config(self) -> None:
        """The settings of the run, as one can run them again."""
        view = self.console.view
        if view is None or view.run is None:
            self.app.notify("there is no run yet", severity="warning", markup=False)
            return
        try:
            text = await asyncio.to_thread(read_text, view.run.config)
        except (OSError, ValueError) as error:
            self.app.notify(f"not copied: {clean(str(error))}", severity="warning", markup=False)
            return
        self.copy(text, f"{shown_path(view.run.config)}, {len(text):,} characters")

    def action_help(self) -> None:
        """All keys."""
        from atft_tui.screens.help import HelpScreen

        self.app.push_screen(HelpScreen())

    def action_leave(self) -> None:
        """The run goes on."""
        self.app.exit()


def read_text(path: Path) -> str:
    """A small text file; ValueError when a terminal would not take that much."""
    data = read_regular(path, COPY_LIMIT + 1)
    if len(data) > COPY_LIMIT:
        raise ValueError(f"{path} has more than {COPY_LIMIT:,} bytes")
    return data.decode()


def _text(choice: trial_table.Choice) -> str:
    return choice.filter.text if choice.filter else ""
