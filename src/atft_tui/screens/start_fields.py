"""What can be typed before a start: settings, what follows, a deadline, a reason."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Any

from textual.containers import Horizontal
from textual.suggester import Suggester
from textual.widget import Widget
from textual.widgets import Input, Label

from atft_tui.screens.entry import Field

_HINTS = {
    "settings": "e: key=value, as train.max_epochs=5 loss.spearman=0.1 search.model.hidden=32,64",
    "then": "t: the next stage",
    "until": "u: stop by, as 07:00",
    "override": "o: why this may start although its gate is closed",
}


class SettingSuggester(Suggester):
    """Completes the last word with the value that is set now: to be changed, not remembered."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._known: list[str] = []

    def learn(self, plan: dict[str, Any]) -> None:
        """Take the keys and values from a plan."""
        settings = {key: pair[0] if isinstance(pair, list) and pair else pair
                    for key, pair in plan.get("settings", {}).items()}  # fmt: skip
        path = {"data.path": plan.get("data", {}).get("path")}
        search = {f"search.{key}": entry for key, entry in plan.get("search", {}).items()}
        plain = {k: v for k, v in (path | settings | search).items() if not isinstance(v, list)}
        self._known = [shlex.quote(f"{key}={value}") for key, value in plain.items()]

    async def get_suggestion(self, value: str) -> str | None:
        """The whole line with its last word completed; None where nothing begins like it."""
        before, space, word = value.rpartition(" ")
        found = next((known for known in self._known if word and known.startswith(word)), None)
        return f"{before}{space}{found}" if found else None


def fields(settings: str, suggester: Suggester) -> Iterable[Widget]:
    """The lines below the plan."""
    yield _line("settings", _field("settings", settings, suggester))
    yield _line("then", _field("then"), Label("until "), _field("until"))
    yield _line("reason", _field("override"), id="override-field")


def _line(label: str, *parts: Widget, id: str | None = None) -> Widget:
    return Horizontal(Label(f"{label:9}"), *parts, classes="field", id=id)


def _field(name: str, value: str = "", suggester: Suggester | None = None) -> Input:
    return Field(value, id=name, compact=True, placeholder=_HINTS[name], suggester=suggester)
