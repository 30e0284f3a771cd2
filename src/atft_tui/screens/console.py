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
from atft_tui.screens.columns import ColumnsScreen
from atft_tui.screens.compare import CompareScreen
from atft_tui.screens.entry import EntryLine, Prompt
from atft_tui.screens.evidence import EvidenceScreen
from atft_tui.screens.help import HelpScreen
from atft_tui.screens.live import LiveScreen
from atft_tui.screens.question import QuestionScreen
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
            self._ask(
                Prompt("trials /", trial_table.HOW, self._filter_trials, _text(trials.choice))
            )
            return
        if self.has_class("-compact") and self.zoomed != "log":
            self.action_zoom("log")
        pane = self.query_one(LogPane)
        known = pane.filter.text if pane.filter else ""
        self._ask(Prompt("log /", "regular expression; ! first: exclude", self._filter_log, known))

    def _ask(self, prompt: Prompt) -> None:
        self.query_one(EntryLine).ask(prompt)

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
        if isinstance(event.pane, TrialsPane):
            self.console.note("atft status {run} --json")
            self.app.push_screen(TrialScreen(int(event.key)))
        elif isinstance(event.pane, ChecklistPane):
            self.console.note("atft check {run}")
            self.app.push_screen(EvidenceScreen(event.key))

    @on(TrialsPane.Marked)
    def _overlay(self) -> None:
        curves = self.query_one(CurvesPane)
        curves.chosen = tuple(self.query_one(TrialsPane).marked)
        curves.draw()

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

    @property
    def _trial(self) -> Trial | None:
        """The trial under the cursor."""
        view, cursor = self.console.view, self.query_one(TrialsPane).cursor
        return view.state.trials.get(int(cursor)) if view and cursor else None

    def action_prune(self) -> None:
        """Give a running trial up, after a question."""
        trial, view = self._trial, self.console.view
        if view is None or view.run is None or trial is None or not (view.live and trial.running):
            self.app.notify("only a running trial can be given up", severity="warning",
                            markup=False)  # fmt: skip
            return
        words = ["prune", str(relative(view.run.path)), str(trial.number)]
        self.app.push_screen(
            QuestionScreen(f"Give trial {trial.number} up?", "It ends as pruned, with the scores "
                           "it has; the sweep goes on with the next one."),
            lambda yes: self._act(words) if yes else None,
        )  # fmt: skip

    def action_enqueue(self) -> None:
        """One more trial, with edited parameters."""
        trial, view = self._trial, self.console.view
        if view is None or view.run is None or trial is None or not view.live:
            self.app.notify("a trial can be added to a running sweep", severity="warning",
                            markup=False)  # fmt: skip
            return
        words = ["enqueue", str(relative(view.run.path)), "--like", str(trial.number)]
        known = {key: str(value) for key, value in trial.params.items()}

        def apply(text: str) -> None:
            typed = dict(_pair(word) for word in shlex.split(text))
            changed = {key: value for key, value in typed.items() if known.get(key) != value}
            sets = [part for pair in changed.items() for part in ("--set", "=".join(pair))]
            self._act([*words, *sets])

        value = shlex.join(f"{key}={value}" for key, value in known.items())
        self._ask(Prompt("one more trial ", "key=value key=value", apply, value))

    def _act(self, words: list[str]) -> None:
        async def act() -> None:
            outcome = await self.console.run_command(words)
            if not outcome.ok:
                said = "\n".join(outcome.complaint)
                self.app.notify(said, severity="error", timeout=15, markup=False)

        self.run_worker(act())


def _pair(word: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    if not equals:
        raise ValueError(f"{word!r} is not key=value")
    return key, value


def _text(choice: trial_table.Choice) -> str:
    return choice.filter.text if choice.filter else ""
