"""Every setting of a trial: requested, decided for the trial, found in its worker."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import ClassVar

from textual.binding import BindingType
from textual.content import Content
from textual.widget import Widget

from atft_core.errors import AtftError
from atft_core.run.foreign import clean
from atft_core.run.settings.effective import Effective, effective
from atft_core.run.settings.setting import GLYPH, Mark, Setting, written
from atft_core.run.wording import MISSING
from atft_tui.bindings import bindings
from atft_tui.format import cut, cut_left, line, pad
from atft_tui.pane import Pane, Row
from atft_tui.screens.entry import EntryLine, Prompt
from atft_tui.screens.live import LiveScreen
from atft_tui.view import View

PERIOD = 2.0
"""Seconds between two looks at the processes."""
_HEAD = ("", "setting", "requested", "from", "trial", "worker")
_WIDTHS = {
    150: (12, 27, 28, 22, 24, 24),
    110: (12, 27, 19, 16, 16, 16),
    0: (12, 19, 14, 9, 11, 11),
}
"""Cells of the columns, by the width from which they are used."""
_NOTES = 150
"""Cells from which the reason stands beside the values."""
_STYLE = {
    Mark.DIFFERS: "$text-error", Mark.SAMPLED: "$text-accent", Mark.CHOSEN: "$text-primary",
    Mark.INACTIVE: "$text-muted", Mark.SAME: "$text-muted",
}  # fmt: skip


class SettingsPane(Pane):
    """What differs, with the reasons; then all, by section."""

    def __init__(self) -> None:
        super().__init__(id="evidence", focus=True)
        self.found: Effective | None = None
        self.trouble = ""
        self.wanted = ""
        """Words that a row must contain."""
        self.only = False
        """Whether rows that are simply what was requested are left out."""

    def captions(self, view: View) -> tuple[str, str]:
        """Which trial; how many differ, and what is left out."""
        found = self.found
        if found is None:
            return "Settings", ""
        which = "before the first trial" if found.trial is None else f"trial {found.trial}"
        said = [f"{len(found.differing)} of {len(found.settings)} differ"]
        said += ["only differences"] * self.only
        said += [f"/{clean(self.wanted, 30)}"] * bool(self.wanted)
        return f"Settings, {which}", "   ".join(said)

    def rows(self, view: View, width: int, height: int) -> Sequence[Row]:
        """Whose process was looked at, then the settings."""
        if self.trouble:
            return [Row(line((cut(f" {clean(self.trouble)}", width), "$text-error")))]
        if self.found is None:
            return [Row(line((" looking at files and processes ...", "$text-muted")))]
        return [Row(content) for content in page(self.found, self._shown(self.found), width)]

    def _shown(self, found: Effective) -> list[Setting]:
        kept = (each for each in found.settings if not self.only or each.mark is not Mark.SAME)
        return [each for each in kept if _contains(each, self.wanted)]


def _contains(each: Setting, wanted: str) -> bool:
    text = " ".join([each.key, each.origin, each.note, each.mark, *map(written, _values(each))])
    return all(word in text.lower() for word in wanted.lower().split())


def _values(each: Setting) -> tuple[object, object, object]:
    return each.requested, each.trial, each.worker


def page(found: Effective, shown: Sequence[Setting], width: int) -> list[Content]:
    """The whole text: those that differ first, in full; the others in their sections."""
    style = "$text-muted" if found.seen else "$text-warning"
    lines = [line((cut(f" process: {clean(found.process)}", width), style))]
    lines += [line((cut(f" {clean(text)}", width), "$text-warning")) for text in found.trouble]
    first = [each for each in shown if each.mark is Mark.DIFFERS]
    rest = [each for each in shown if each.mark is not Mark.DIFFERS]
    lines.append(_line(_HEAD, width, "$text-muted"))
    lines += [content for each in first for content in _differing(each, width)]
    if not first:
        lines.append(line((" ok nothing that is shown differs", "$text-success")))
    for section, members in groupby(rest, key=lambda each: each.section):
        lines += [Content(""), line((f" {clean(section, 40)}", "bold $text-muted"))]
        lines += [_row(each, each.key.removeprefix(f"{section}."), width) for each in members]
    return lines


def _differing(each: Setting, width: int) -> list[Content]:
    """The row with its full name, and the reason below it where there is no room beside it."""
    row = _row(each, each.key, width)
    if not each.note or width >= _NOTES:
        return [row]
    return [row, line((cut(f"{'':13}{clean(each.note)}", width), "$text-muted"))]


def _row(each: Setting, name: str, width: int) -> Content:
    word = "" if each.mark is Mark.SAME else f"{GLYPH[each.mark]} {each.mark}"
    requested, trial, worker = (clean(written(value)) or MISSING for value in _values(each))
    cells = (word, clean(name), requested, clean(each.origin) or MISSING, trial, worker)
    note = clean(each.note) if width >= _NOTES else ""
    return _line(cells, width, _STYLE[each.mark], note)


def _line(cells: Sequence[str], width: int, style: str, note: str = "") -> Content:
    """A row of the table; its mark in colour."""
    widths = next(found for least, found in _WIDTHS.items() if width >= least)
    mark, *rest = (
        pad(_fit(cell, wide - 1), wide) for cell, wide in zip(cells, widths, strict=True)
    )
    text = "".join(rest)
    left = max(0, width - sum(widths) - 1)
    plain = style if not mark.strip() and cells is _HEAD else ""
    return line(" ", (mark, style), (text, plain), (cut(note, left), "$text-muted"))


def _fit(cell: str, width: int) -> str:
    """The end of a path says more than its beginning."""
    return cut_left(cell, width) if cell.startswith("/") else cut(cell, width)


class SettingsScreen(LiveScreen[None]):
    """The settings of a trial, looked at again while it runs; left and right: its neighbours."""

    SCOPE = "settings"
    BINDINGS: ClassVar[list[BindingType]] = bindings("settings")

    def __init__(self, number: int | None) -> None:
        super().__init__()
        self.number = number
        self._pane = SettingsPane()
        self._looking = False

    def body(self) -> Iterable[Widget]:
        """One pane, and the line in which the filter is typed."""
        yield self._pane
        yield EntryLine(id="entry")

    def on_mount(self) -> None:
        """Look at once, then now and then."""
        super().on_mount()
        self._look()
        self.set_interval(PERIOD, self._look)

    def _look(self) -> None:
        """One at a time: a slow disk must not be asked again before it has answered."""
        if not self._looking:
            self._looking = True
            self.run_worker(self._read())

    async def _read(self) -> None:
        """Files and processes, beside the screen's thread; again where another trial is wanted."""
        number = None if self.number is None else -1
        while number != self.number:
            number = self.number
            self._show(*await self._found())
        self._looking = False

    async def _found(self) -> tuple[Effective | None, str]:
        view = self.console.view
        if view is None or view.run is None:
            return None, "no run is shown"
        try:
            return await asyncio.to_thread(effective, view.run, view.state, self.number), ""
        except (AtftError, OSError) as error:
            return None, str(error)

    def _show(self, found: Effective | None, trouble: str = "") -> None:
        if (found, trouble) != (self._pane.found, self._pane.trouble):
            self._pane.found, self._pane.trouble = found, trouble
            self._pane.draw()

    def action_step(self, step: int) -> None:
        """The next trial by number."""
        view = self.console.view
        numbers = sorted(view.state.trials) if view else []
        if numbers:
            place = numbers.index(self.number) + step if self.number in numbers else 0
            self.number = numbers[place % len(numbers)]
            self.console.note(f"atft settings {{run}} {self.number}")
            self._look()

    def action_differences(self) -> None:
        """Only what is not simply what was requested; again: all."""
        self._pane.only = not self._pane.only
        self._pane.draw()
        self._pane.scroll_home(animate=False)

    def action_filter(self) -> None:
        """Only the rows that contain some words."""
        hint = "words of a key, an origin, a value; nothing: all"
        self.query_one(EntryLine).ask(Prompt("settings /", hint, self._filter, self._pane.wanted))

    def _filter(self, text: str) -> None:
        self._pane.wanted = text.strip()
        self._pane.draw()
        self._pane.scroll_home(animate=False)

    def action_close(self) -> None:
        """Out of the line that is typed in, else back."""
        entry = self.query_one(EntryLine)
        if entry.display:
            entry.close()
        else:
            self.dismiss(None)
