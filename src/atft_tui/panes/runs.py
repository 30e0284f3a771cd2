"""The table of runs: how each is or ended, when, how good, how big, whose, and what was noted."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Sequence
from dataclasses import dataclass

from textual.content import Content
from textual.message import Message

from atft_core.run.foreign import clean
from atft_core.run.wording import MISSING, ratio, several, size
from atft_tui.apart import cut_apart, shared_ends
from atft_tui.format import GLYPHS, cut, cut_left, line, pad, shown_path
from atft_tui.pane import Pane, Row, Table
from atft_tui.run_list import Line, Listing, RunFilter
from atft_tui.view import View

_STATES = {
    "RUNNING": "RUNNING", "PAUSED": "UNKNOWN", "STOPPING": "RUNNING", "FINISHED": "PASS",
    "HUNG": "FAIL", "FAILED": "FAIL", "DIED": "FAIL",
}  # fmt: skip
"""Glyph of each state; what is not here is UNKNOWN."""
_PATH, _LONG = 20, 48
"""Cells that a path gets at least and at most."""
_NOTE = 12
"""Cells below which a note would only be a riddle."""


@dataclass(frozen=True)
class _Widths:
    """What the columns get."""

    stage: int
    path: int
    note: int


class RunsPane(Pane):
    """One row per run; enter shows it in the console."""

    class Moved(Message):
        """The cursor is on another run, or the run is another one than before."""

    def __init__(self, id: str | None = None, asked: str = "") -> None:
        """`asked`: what the run is chosen for; nothing: to be shown."""
        super().__init__(id=id, focus=True)
        self._asked = asked
        self.listing = Listing(known=-1)
        self.filter: RunFilter | None = None
        self.archived = False
        """Whether archived runs are listed, too."""
        self._lines: list[Line] = []
        self._ends: dict[str, int] = {}
        """What the paths of these lines have in common at their ends."""

    def take(self, listing: Listing) -> None:
        """Draw a newer list."""
        self.listing = listing
        self.choose(self.filter, archived=self.archived)

    def choose(self, chosen: RunFilter | None, *, archived: bool) -> None:
        """List other runs."""
        self.filter, self.archived = chosen, archived
        kept = (each for each in self.listing.lines if archived or not each.found.archived)
        self._lines = [each for each in kept if chosen is None or chosen.keeps(each)]
        self._ends = shared_ends([each.key for each in self._lines])
        self.draw()

    def _replace(self, rows: Sequence[Row]) -> None:
        super()._replace(rows)
        self.post_message(self.Moved())

    def _select(self, key: str) -> None:
        super()._select(key)
        self.post_message(self.Moved())

    @property
    def chosen(self) -> Line | None:
        """The run under the cursor."""
        return next((each for each in self._lines if each.key == self.cursor), None)

    def captions(self, view: View) -> tuple[str, str]:
        """The filter is always visible, and so is how many runs are not."""
        known, read = self.listing.known, len(self.listing.lines)
        if self.listing.trouble:
            return "Runs", self.listing.trouble
        usual = "Runs, newest first" if self.filter is None else "Runs"
        parts = [self._asked or usual]
        if self.filter is not None:
            parts.append(f"/{clean(self.filter.text, 40)}/ {len(self._lines)} of {read}")
        if known < 0 or read < known:
            return "  ".join(parts), f"reading {read} of {max(known, read)} ..."
        away = sum(each.found.archived for each in self.listing.lines)
        hidden = f", {away} archived {'shown' if self.archived else 'not shown (A)'}"
        return "  ".join(parts), several(read, "run") + (hidden if away else "")

    def rows(self, view: View, width: int, height: int) -> Sequence[Row]:
        """A header, then the runs."""
        widths = self._widths(width)
        stage = f"{pad('stage', widths.stage)}  " if widths.stage else ""
        head = (
            f"    {'state':11}{'made':>6}  {stage}{'trials':>7}  {'RankIC':>6}  {'+-':>4}  "
            f"{'disk':>9}  {pad('run', widths.path)}  {'note' if widths.note else ''}"
        )
        header = Row(line((head.rstrip(), "$text-muted")))
        if not self._lines:
            return [header, *(Row(line((f"    {text}", "$text-muted"))) for text in self._empty())]
        shown, ends, now = self._lines, self._ends, time.time()
        here = view.run.path.absolute() if view.run else None
        return Table(
            [header],
            [each.key for each in shown],
            lambda i: _row(
                shown[i],
                widths,
                now,
                ends[shown[i].key],
                here=shown[i].found.run.path.absolute() == here,
            ),
        )

    def _empty(self) -> list[str]:
        if self.listing.known < 0 or len(self.listing.lines) < self.listing.known:
            return ["looking ..."]
        if self.listing.lines:
            return ["no run matches (/ changes the filter, A shows archived ones)"]
        if self._asked:
            return ["there is no other run here", "", "/ and a path: look there"]
        return ["no run yet", "", "escape, then d starts the dry run", "/ and a path: look there"]

    def _widths(self, width: int) -> _Widths:
        stage = 8 if width >= 110 else 0
        room = width - 57 - (stage + 2 if stage else 0)
        path = max(_PATH, min(_LONG, room // 2))
        note = room - path - 2
        return _Widths(stage, path, note) if note >= _NOTE else _Widths(stage, room, 0)


class AboutPane(Pane):
    """The run under the cursor: where it is, and all that is written about it."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.chosen: Line | None = None

    def rows(self, view: View, width: int, height: int) -> Sequence[Row]:
        """The place, then what is said about it."""
        if self.chosen is None:
            return []
        where = clean(str(self.chosen.found.run.path.absolute()))
        said = textwrap.wrap(_said(self.chosen), max(20, width - 2)) or ["no note (i), no tags (#)"]
        rows = [line((f" {cut_left(where, width - 2)}", ""))]
        return [Row(each) for each in [*rows, *(line((f" {t}", "$text-muted")) for t in said)]]


def _said(each: Line) -> str:
    """Whose it is, if it is not yours; whether it is put away; tags and note."""
    found = each.found
    parts = [f"read-only: {found.locked}"] if found.locked else []
    parts += ["archived"] if found.archived else []
    parts += [found.status.reason] if found.status.name == "UNREADABLE" else []
    noted = clean(found.note.line)
    return "  ".join([*map(clean, parts), *([noted] if noted else [])])


def _row(each: Line, widths: _Widths, now: float, shared: int, *, here: bool) -> Content:
    found = each.found
    glyph, style = GLYPHS[_STATES.get(found.status.name, "UNKNOWN")]
    ended = MISSING if found.ended is None else str(found.ended)
    stage = f"{pad(clean(found.stage or 'ad hoc'), widths.stage)}  " if widths.stage else ""
    quiet = "$text-muted" if found.archived else ""
    sign = "ro " if found.locked and not widths.note else ""  # why, the line below says
    path = sign + cut_apart(shown_path(found.run.path), widths.path - len(sign), shared)
    return line(
        " *"[here], "", (glyph, f"bold {style}"), " ", (f"{found.status.name.lower():11}", style),
        (f"{_when(found.made, now):>6}  ", "$text-muted"),
        (f"{stage}{f'{ended}/{found.planned}':>7}  {ratio(found.best, 6)}", quiet),
        (f"  {ratio(found.best_se, 4)}", "$text-muted"),
        (f"  {size(each.disk):>9}  ", quiet),
        (pad(path, widths.path), quiet or ("bold" if here else "")),
        (f"  {cut(_said(each), widths.note)}" if widths.note else "", "$text-muted"),
    )  # fmt: skip


def _when(t: float, now: float) -> str:
    """The time of day, or the day, or the year when it is long ago."""
    if not 0 < t < now + 86400:  # not said, or not by a clock
        return MISSING
    made, today = time.localtime(t), time.localtime(now)
    if made[:3] == today[:3]:
        return time.strftime("%H:%M", made)
    if now - t < 300 * 86400:
        return time.strftime("%d %b", made)
    return time.strftime("%Y", made)
