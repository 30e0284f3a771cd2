"""Alerts while somebody watches: which are new, and how they are told.

The console tells on its own terminal: a line on the screen, the bell, the desktop. The engine runs
the hook and the webhooks, so those come once, however many consoles are open.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import Literal

from textual.app import App

from atft_core.notify.message import message
from atft_core.notify.settings import Loaded
from atft_core.notify.terminal import wanted
from atft_core.run.alerts import BY_STATUS, rank, standing_by_status, standing_trials
from atft_core.run.state import Alert
from atft_core.run.wording import several
from atft_tui.format import shown_path
from atft_tui.view import View

_AT_ONCE, _AT_ONCE_SMALL = 3, 1
"""Alerts of one moment that are told one by one; of the others only the number."""
_SMALL_HEIGHT = 34
_SEVERITY: dict[str, Literal["information", "warning", "error"]] = {
    "info": "information", "error": "error",
}  # fmt: skip
_SECONDS = {"info": 6.0}
"""For which one stays on the screen, by level."""
_USUAL_SECONDS = 15.0


_What = tuple[str, int | None]
"""What an alert is about: its key, and the trial that hangs."""


class News:
    """Which alerts came since this console was opened, run by run."""

    def __init__(self, opened: float) -> None:
        """`opened`: when this console was."""
        self._opened = opened
        self._run: object = None
        self._told = 0
        """Alerts of the log that were seen."""
        self._standing: set[_What] = set()
        """What began, by log or by status, and is not over: told once, whoever noticed first."""

    def of(self, view: View) -> list[Alert]:
        """The alerts that the view before this one did not have."""
        by_status, on = _by_status(view), _on(view)
        run = view.run and (view.run.path, view.state.started)
        if run != self._run:
            self._run = run
            began_here = view.state.started >= self._opened
            self._told = 0 if began_here else len(view.state.alerts)
            self._standing = set() if began_here else on
        before, self._standing = self._standing, on
        fresh = [each for each in view.state.alerts[self._told :]
                 if each.ended or _what(each) not in before]  # fmt: skip
        self._told = len(view.state.alerts)
        if by_status and _what(by_status) not in before | set(map(_what, fresh)):
            fresh.append(by_status)
        return fresh


def _by_status(view: View) -> Alert | None:
    status = view.status
    if status is None:
        return None
    return standing_by_status(status.name, status.reason, view.state, status.trial)


def _what(alert: Alert) -> _What:
    return alert.key, alert.trial


def _on(view: View) -> set[_What]:
    """What the status can tell and now holds."""
    by_status = _by_status(view)
    told = {(key, trial) for key in BY_STATUS for trial in standing_trials(view.state, key)}
    return told | ({_what(by_status)} if by_status else set())


def tell(app: App[None], view: View, alerts: Sequence[Alert], loaded: Loaded) -> str:
    """Show alerts on the screen, the worst of many; what the terminal is to be sent for them."""
    told = [] if loaded.off else [a for a in alerts if a.key not in loaded.settings.silent]
    at_once = _AT_ONCE if app.size.height >= _SMALL_HEIGHT else _AT_ONCE_SMALL
    worst = sorted(told, key=lambda alert: rank(alert.level))[-at_once:]
    if len(told) > len(worst):
        rest = several(len(told) - len(worst), "alert")
        app.notify(f"{rest} more: key 2 lists them", markup=False)
    bell, sequences = "", ""
    for alert in worst:
        said = message(alert, view.state, view.run)
        app.notify(
            said.text,
            title=f"{said.level}: {said.stage}",
            severity=_SEVERITY.get(said.level, "warning"),
            timeout=_SECONDS.get(said.level, _USUAL_SECONDS),
            markup=False,
        )
        found = wanted(loaded.settings, said, os.environ)
        bell = found.pop("bell", bell)
        sequences += "".join(found.values())
    return bell + sequences


class Teller:
    """Tells what is new, as this person wants to be told; before that is known, it waits."""

    def __init__(self, app: App[None], opened: float) -> None:
        self._app, self._news = app, News(opened)
        self._loaded: Loaded | None = None
        self._view: View | None = None
        self._waiting: list[Alert] = []

    def tell(self, view: View) -> str:
        """Show the alerts that came with a view; what the terminal is to be sent for them."""
        self._view = view
        self._waiting += self._news.of(view)
        if self._loaded is None:
            return ""
        alerts, self._waiting = self._waiting, []
        return tell(self._app, view, alerts, self._loaded)

    def heed(self, loaded: Loaded, complaint: str) -> str:
        """Settings that were read, the first time or again; what the terminal is to be sent.

        What is wrong with them is said, and the usual ones hold.
        """
        before, self._loaded = self._loaded, loaded
        if complaint:
            self._app.notify(complaint, severity="warning", timeout=15, markup=False)
        elif before is not None:
            self._app.notify(_changed(before, loaded), markup=False)
        return self.tell(self._view) if self._view is not None else ""


def _changed(before: Loaded, after: Loaded) -> str:
    """Which keys differ; their values may be secrets."""
    old, new = asdict(before.settings), asdict(after.settings)
    keys = ", ".join(key for key in new if new[key] != old[key])
    return f"{shown_path(after.path)} was read again: {keys or 'nothing'} changed"
