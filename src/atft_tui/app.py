"""The console: a window on run directories. It starts commands and draws; it decides nothing.

What the first frame does not need is imported when it is: on a busy box that is half of the start.
"""

from __future__ import annotations

import asyncio
import shlex
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.app import SystemCommand
from textual.await_complete import AwaitComplete
from textual.screen import Screen

from atft_core import launch
from atft_core.run.directory import RunDirectory
from atft_core.run.runbook import Runbook
from atft_core.run.stages import Stage
from atft_tui import commands, preferences
from atft_tui.farewell import farewell
from atft_tui.follow import Follower
from atft_tui.format import shown_path
from atft_tui.machine.watch import MachineWatch
from atft_tui.messages import Heeded, Sampled, Updated
from atft_tui.palette import Palette, system_commands
from atft_tui.rewindable import PAST, RewindableApp
from atft_tui.screens.console import ConsoleScreen
from atft_tui.screens.live import LiveScreen
from atft_tui.terminal.driver import USUAL, ConsoleDriver, Output
from atft_tui.theme import THEMES, after
from atft_tui.view import View
from atft_tui.wishes import WishesWatch

if TYPE_CHECKING:
    from atft_tui.alerting import Teller
    from atft_tui.run_list import Memory
    from atft_tui.screens.runs import RunsScreen

Chosen = Callable[[Path | None], None]
"""Told the directory that was chosen, or that none was."""
PATIENCE = 0.1
"""Seconds that the first frame may wait for the run."""
_NO_LIGATURES = "text { font-variant-ligatures: none; }"


class ConsoleApp(RewindableApp):
    """Threads in, screens out."""

    TITLE = "atft"
    CSS_PATH = "console.tcss"

    def __init__(
        self,
        runbook: Runbook,
        directory: Path | None = None,
        options: Sequence[str] = (),
        output: Output = USUAL,
    ) -> None:
        """`options` are added to every `atft run` that is started from here."""
        super().__init__(output)
        self.preferences = preferences.load()
        self._saver = ThreadPoolExecutor(1)  # one after the other, the newest last
        for theme in THEMES:
            self.register_theme(theme)
        self._dress(self.preferences.theme)
        self.runbook, self.options = runbook, list(options)
        self._directory = directory
        self._known: Memory | None = None
        self.view: View | None = None
        self.main = ConsoleScreen()
        self._command = ""
        self._opened = time.time()
        self._teller: Teller | None = None
        self._follower = Follower(runbook, directory, self._follow)
        self._viewed = threading.Event()
        self._watch = MachineWatch(lambda machine: self.post_message(Sampled(machine)))
        self._wishes = WishesWatch(lambda *found: self.post_message(Heeded(*found)))

    def on_load(self) -> None:
        """What will be shown is read while the screen is made."""
        threading.excepthook = self._thread_died
        self._follower.start()

    def on_mount(self) -> None:
        """A short run is there in the first frame; a long one comes when it has been read."""
        self._viewed.wait(PATIENCE)
        self.push_screen(self.main)
        self.theme_changed_signal.subscribe(self, lambda theme: self.prefer(theme=theme.name))
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        """What the first frame did not need."""
        from atft_tui.alerting import Teller

        self._watch.start()
        self._wishes.start()
        self._teller = Teller(self, self._opened)
        if self.view is not None:
            self._tell(self.view)

    def on_unmount(self) -> None:
        """Remember what was seen."""
        self._watch.stop()
        self._wishes.stop()
        self._follower.stop()
        self._saver.shutdown(wait=False)
        threading.excepthook = threading.__excepthook__

    def remember(self) -> None:
        """Note how far this run has been seen; also called when the terminal is gone."""
        self._follower.remember()

    def farewell(self) -> list[str]:
        """What is said on the way out."""
        return farewell(self._follower.live)

    def _thread_died(self, died: threading.ExceptHookArgs) -> None:
        """A screen that silently stopped following would be a lie."""
        from rich.traceback import Traceback

        if died.exc_value is not None:
            trace = Traceback.from_exception(died.exc_type, died.exc_value, died.exc_traceback)
            self.call_later(self.panic, trace)

    def _follow(self, view: View) -> None:
        """From the following thread: the newest view."""
        if self.view is None:
            self.view = view  # perhaps before there is a screen to post it to
            self._viewed.set()
        self.post_message(Updated(view))

    def on_updated(self, message: Updated) -> None:
        """Draw the newest view on every screen."""
        before, past = self.view, message.view.past
        self.view = message.view
        if message.view.reading:
            pass  # there is nothing yet that could be told
        elif past is None:
            self._watch.watch(message.view)
            self._tell(message.view)
        else:
            self.stay_at(past)
            if before is None or before.past is None or before.past.moment is not past.moment:
                self.note(f"atft status {{run}} --at {past.moment.seq}")
        for screen in self.screen_stack:
            if isinstance(screen, LiveScreen):
                screen.show(message.view)

    def _tell(self, view: View) -> None:
        """What is new and should not wait until somebody looks."""
        self._send(self._teller.tell(view) if self._teller else "")

    def on_heeded(self, message: Heeded) -> None:
        """Tell alerts as this person wants by now."""
        self._send(self._teller.heed(message.loaded, message.complaint) if self._teller else "")

    def _send(self, sequences: str) -> None:
        """To the terminal, beside the screen."""
        if sequences and self._driver is not None:
            self._driver.write(sequences)

    def on_sampled(self, message: Sampled) -> None:
        """Draw the newest look at the machine."""
        self.main.show_machine(message.machine)

    # Commands: everything that is done is done by `atft`, and said.

    def record(self, command: str, outcome: str = "", style: str = "$text-muted") -> None:
        """Show the command behind a key, and how it ended."""
        self._command = command
        self.main.show_command(command, outcome, style)

    def note(self, twin: str) -> None:
        """Show the command that would show the same as a key that only looks."""
        shown = self.view.run if self.view else None
        run = shlex.quote(shown_path(shown.path)) if shown else "RUN_DIR"
        self.record(twin.replace("{run}", run))

    async def run_command(self, words: Sequence[str], *, looks: bool = False) -> commands.Outcome:
        """Run `atft WORDS` and show that and how; `looks`: it changes nothing."""
        if self.place is not None and not looks:
            return commands.Outcome(2, "", PAST, 0.0)
        shown = launch.shown(*(word for word in words if word != "--json"))
        self.record(shown, "...")
        try:
            outcome = await commands.run(*words, looks=looks)
        except asyncio.CancelledError:
            self.record(shown, "not waited for")
            raise
        if outcome.ok:
            self.record(shown, f"ok {outcome.seconds:.1f} s", "$text-success")
        else:
            self.record(shown, outcome.complaint[0], "$text-error")
        return outcome

    def confirm(self, stage: Stage, values: Sequence[str] = (), *, overrides: bool = False) -> None:
        """Show what a start would do; `values` are settings that a remedy suggests."""
        from atft_tui.screens.confirm import ConfirmScreen

        if not self.refuses:
            screen = ConfirmScreen(stage, self.options, values, overrides=overrides)
            self.push_screen(screen, self._show_run)

    def choose_run(self) -> None:
        """Let somebody choose among all known runs."""
        self.push_screen(self._runs(), self._show_run)

    def choose_other(self, shown: RunDirectory, asked: str, then: Chosen) -> None:
        """Let somebody choose a run beside the one that is shown."""
        self.push_screen(self._runs(asked, without=shown), then)

    def _runs(self, asked: str = "", without: RunDirectory | None = None) -> RunsScreen:
        from atft_tui.places import known_runs
        from atft_tui.run_list import Memory
        from atft_tui.screens.runs import RunsScreen

        self._known = self._known or Memory()
        shown = self.view.run if self.view else None
        places = [place for place in (shown and shown.path.parent, self._directory) if place]

        def find() -> list[RunDirectory]:
            known, left_out = known_runs(self.runbook, places), without and without.path.absolute()
            return [run for run in known if run.path.absolute() != left_out]

        return RunsScreen(find, self._known, asked)

    def _show_run(self, run_dir: Path | None) -> None:
        if run_dir is None:
            return
        self._follower.show(run_dir)
        while self.screen is not self.main:
            self.pop_screen()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """What the palette offers."""
        return system_commands(self)

    # What is remembered of a person.

    def _dress(self, name: str) -> None:
        """The theme to begin with. One of ours needs no second parsing of all styles."""
        if name in self.available_themes and name not in {theme.name for theme in THEMES}:
            self.theme = name
            return
        known = name if name in self.available_themes else THEMES[0].name
        self.set_reactive(ConsoleApp.theme, known)
        self.stylesheet.set_variables(self.get_css_variables())

    def prefer(self, **changes: Any) -> None:
        """Note a choice; the file is written beside the screen's work."""
        chosen = replace(self.preferences, **changes)
        if chosen != self.preferences:
            self.preferences = chosen
            self._saver.submit(preferences.save, chosen)

    def action_next_theme(self) -> None:
        """The next of our colours."""
        self.theme = after(self.theme)
        self.notify(f"colours: {self.theme}", markup=False)

    def action_picture(self) -> None:
        """What is on the screen, as a file."""
        name = time.strftime("atft-%Y%m%d-%H%M%S.svg")
        try:
            path = Path(self.save_screenshot(name, str(Path.cwd())))
        except OSError as error:
            self.notify(f"no picture: {error}", severity="error", markup=False)
            return
        self.notify(f"picture: {shown_path(path)}", markup=False)

    def export_screenshot(self, *, title: str | None = None, simplify: bool = False) -> str:
        """As an SVG file in which `>=` and `->` stay two characters each."""
        drawn = super().export_screenshot(title=title, simplify=simplify)
        return drawn.replace("<style>", f"<style>{_NO_LIGATURES}", 1)

    def action_command_palette(self) -> None:
        """The palette, unless it is open."""
        if not isinstance(self.screen, Palette):
            self.push_screen(Palette())

    def pop_screen(self) -> AwaitComplete:
        """The main screen stays, whoever is told twice to go."""
        return AwaitComplete() if self.screen is self.main else super().pop_screen()

    def action_redraw(self) -> None:
        """Another program wrote on this terminal."""
        if isinstance(self._driver, ConsoleDriver):
            self._driver.redraw()

    def action_help_quit(self) -> None:
        """ctrl+c is too easily pressed for something that is not a shell."""
        self.notify("q leaves the console; the run goes on", markup=False)
