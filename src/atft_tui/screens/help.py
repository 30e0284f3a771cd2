"""All keys with their commands, and what the signs mean."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import BindingType
from textual.content import Content
from textual.widget import Widget

from atft_core.run.foreign import clean
from atft_tui.bindings import KEYS, Key, bindings, stage_keys
from atft_tui.format import GLYPHS, cut, line
from atft_tui.pane import Pane, Row
from atft_tui.screens.live import LiveScreen
from atft_tui.view import View

_TITLES = {
    "main": "main screen", "list": "in a pane", "trials": "in the trial table",
    "checklist": "in the checklist", "curves": "in the curves", "log": "in the log",
    "timeline": "timeline",
    "trial": "trial", "evidence": "evidence", "compare": "trials beside each other",
    "runs": "list of runs", "stacks": "stacks", "settings": "settings",
    "confirm": "before a start",
}  # fmt: skip
_WORDS = {
    "PASS": "passed", "FAIL": "failed", "PENDING": "may still change", "UNKNOWN": "not measured",
    "RUNNING": "running", "LOCKED": "locked, or given up",
}  # fmt: skip


class HelpPane(Pane):
    """The table of keys."""

    def captions(self, view: View) -> tuple[str, str]:
        """How to leave."""
        return "Keys", "escape: back"

    def rows(self, view: View, width: int, height: int) -> list[Row]:
        """Signs first: they are what a newcomer asks about."""
        rows = [*(Row(content) for content in _signs()), Row(Content(""))]
        keys = [*stage_keys(view.runbook), *KEYS]
        for scope, title in _TITLES.items():
            rows.append(Row(line((f" {title}", "bold $text-muted"))))
            rows += [Row(_key(key, width)) for key in keys if key.scope == scope]
            if scope == "main":
                palette = Key("main", "", "ctrl+p", "", "", "all commands, by name")
                rows.append(Row(_key(palette, width)))
            rows.append(Row(Content("")))
        return rows


def _signs() -> list[Content]:
    lines = []
    words = list(_WORDS.items())
    for three in (words[:3], words[3:]):
        parts: list[str | tuple[str, str]] = [" "]
        for word, said in three:
            glyph, style = GLYPHS[word]
            parts += [(glyph, f"bold {style}"), f" {said:19}"]
        lines.append(line(*parts))
    about = "RankIC within the noise of the best trial, by the best one's own error"
    return [*lines, line(" ", ("~ ", "bold $text-muted"), f" {about}")]


def _key(key: Key, width: int) -> Content:
    room = min(64, width - 14)
    twin = key.twin.replace("{run}", "RUN_DIR")
    shown = f"  {twin}" if twin and width - 14 - room > 20 else ""
    return line(
        (f"  {key.shown:9} ", "$text-accent"), f"{cut(clean(key.help), room):{room}}",
        (shown, "$text-muted"),
    )  # fmt: skip


class HelpScreen(LiveScreen[None]):
    """`?`"""

    SCOPE = "help"
    BINDINGS: ClassVar[list[BindingType]] = bindings("help")

    def body(self) -> Iterable[Widget]:
        """One pane."""
        yield HelpPane(id="help", focus=True)

    def action_close(self) -> None:
        """Back."""
        self.dismiss(None)
