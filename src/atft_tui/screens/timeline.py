"""The timeline: what happened in the run; enter shows the whole screen as it was then."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.content import Content
from textual.widget import Widget

from atft_core.run.moments import Moment
from atft_core.run.wording import duration, several
from atft_tui.bindings import bindings
from atft_tui.format import GLYPHS, clock, cut, day, line, pad
from atft_tui.pane import Pane, Row, Table
from atft_tui.screens.live import LiveScreen
from atft_tui.view import View

_WIDE = 100
"""Cells from which each line has room for its date; else the first of each day has it, in the
place of its run time.
"""
_WHEN, _WIDE_WHEN = 19, 30
"""Cells of a date and a time, and of all three."""
_ABOUT = 12
_TITLE = "Timeline, enter: the whole screen as it was then"


class TimelinePane(Pane):
    """One line per moment, the newest last."""

    def __init__(self) -> None:
        super().__init__(id="moments", focus=True)

    def captions(self, view: View) -> tuple[str, str]:
        """How many, and how long it took; what is new to this person."""
        known = view.moments
        if known.share < 1.0:
            return _TITLE, f"the log is read, {100 * known.share:.0f} %"
        span = known.all[-1].t - known.all[0].t if known.all else 0.0
        new = sum(moment.seq > view.since.seq for moment in known.all) if view.since else 0
        said = f"{several(len(known.all), 'moment')} in {duration(span)}"
        return _TITLE, said + (f", {new} since you left (+)" if new else "")

    def rows(self, view: View, width: int, height: int) -> Sequence[Row]:
        """A head, then every moment."""
        moments = view.moments.all
        if not moments:
            why = "nothing has happened yet" if view.run else "no run is shown"
            return [Row(line((f" {why}", "$text-muted")))]
        when = f"{'date':<11}" if width >= _WIDE else ""
        head = f"   {when}{'time':<8}  {'run time':>8}     {'what':<{_ABOUT}} {'happened'}"
        seen = view.since.seq if view.since else moments[-1].seq
        began = moments[0].t
        return Table(
            [Row(line((head, "$text-muted")))],
            [str(place) for place in range(len(moments))],
            lambda place: _line(
                moments[place], began, width, new=moments[place].seq > seen,
                begins=_begins_day(moments, place),
            ),
        )  # fmt: skip

    def start(self, view: View) -> None:
        """Put the cursor on the moment that is shown, the first new one, or the last."""
        moments = view.moments.all
        if view.past is not None:
            place = view.past.place
        elif view.since is not None:
            seen = view.since.seq
            place = next((i for i, each in enumerate(moments) if each.seq > seen), len(moments) - 1)
        else:
            place = len(moments) - 1
        self._select(str(max(0, place)))
        self.call_after_refresh(self._reveal)  # the size may not be known before


def _begins_day(moments: Sequence[Moment], place: int) -> bool:
    return place == 0 or day(moments[place].t) != day(moments[place - 1].t)


def _line(moment: Moment, began: float, width: int, *, new: bool, begins: bool) -> Content:
    glyph, style = GLYPHS[moment.sign]
    when = f"{clock(moment.t)}  {duration(moment.t - began):>8}"
    if width >= _WIDE:
        when = f"{day(moment.t)} {when}"
    elif begins:
        when = f"{day(moment.t)} {clock(moment.t)}"
    text = f" {'+' if new else ' '} {pad(when, _WIDE_WHEN if width >= _WIDE else _WHEN)} "
    rest = f" {pad(moment.about, _ABOUT)} "
    room = width - len(text) - len(glyph) - len(rest) - 1
    return line((text, "$text-muted"), (glyph, f"bold {style}"), rest, cut(moment.text, room))


class TimelineScreen(LiveScreen[None]):
    """The list of moments, live."""

    SCOPE = "timeline"
    HOME = "moments"
    BINDINGS: ClassVar[list[BindingType]] = bindings("timeline")

    def __init__(self) -> None:
        super().__init__()
        self._pane = TimelinePane()
        self._placed = False

    def body(self) -> Iterable[Widget]:
        """One pane."""
        yield self._pane

    def show(self, view: View) -> None:
        """Draw; the cursor is placed once all is known."""
        super().show(view)
        if not self._placed and view.moments.share >= 1.0 and view.moments.all:
            self._placed = True
            self._pane.start(view)

    @on(Pane.Chosen)
    def _choose(self, event: Pane.Chosen) -> None:
        self.console.rewind(int(event.key))
        self.dismiss(None)

    def action_close(self) -> None:
        """Back."""
        self.dismiss(None)
