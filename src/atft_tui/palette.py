"""What ctrl+p offers: every stage, and every key of the main screen, by name."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from textual.app import SystemCommand

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
