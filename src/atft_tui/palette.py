"""What ctrl+p offers: every stage, and every key of the main screen, by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from textual.app import SystemCommand
from textual.await_complete import AwaitComplete
from textual.command import CommandPalette, SearchIcon

from atft_core.run.foreign import clean
from atft_tui.bindings import KEYS

if TYPE_CHECKING:
    from atft_tui.app import ConsoleApp


def system_commands(app: ConsoleApp) -> Iterator[SystemCommand]:
    """Titles are parsed as markup by the palette, so a runbook's brackets become parentheses."""
    for stage in app.runbook.stages:
        title = clean(stage.title).replace("[", "(").replace("]", ")")
        about = f"key {clean(stage.hotkey)}: atft run {stage.key}"
        yield SystemCommand(f"Start: {title}", about, partial(app.confirm, stage))
    for key in KEYS:
        if key.scope == "main" and key.action != "back":
            act = partial(app.main.run_action, key.action)
            title = key.help.split(";")[0]
            yield SystemCommand(title[0].upper() + title[1:], f"key {key.shown}", act)
    copy = partial(app.main.run_action, "copy_config")
    yield SystemCommand("Copy config", "the effective settings of the run, as TOML", copy)
    yield SystemCommand("Colours", "choose a theme", app.action_change_theme)


class Palette(CommandPalette):
    """Textual's, where keys may come faster than its list is filled; without its emoji."""

    def on_mount(self) -> None:
        """Two characters wide in some terminals, one in others: it would move what follows."""
        self.query_one(SearchIcon).icon = ">"

    def dismiss(self, result: None = None) -> AwaitComplete:
        """Only what is on top goes."""
        return super().dismiss(result) if self.is_current else AwaitComplete()

    def _action_command_list(self, action: str) -> None:
        with suppress(KeyError):  # a page further in a list that has not been laid out
            super()._action_command_list(action)
