"""Logs of the run: filtered by expressions and levels, searched, copied, merged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from textual.binding import BindingType

from atft_core.run.directory import RunDirectory
from atft_core.run.foreign import clean
from atft_core.run.state import State, Trial
from atft_core.run.wording import several
from atft_tui.bindings import bindings
from atft_tui.format import clock, line
from atft_tui.logs import filters, moment
from atft_tui.logs.line import Level
from atft_tui.logs.rows import LogRows, pattern, styled
from atft_tui.logs.scroll import LogScroll, Places
from atft_tui.logs.window import Choice
from atft_tui.pane import Row
from atft_tui.view import View

RUN_LOG = "{run}/logs/ml_training.log"
_SOURCES = ("run", "trial", "both")
_LEVELS = {Level.PLAIN: "", Level.WARNING: "warnings and errors", Level.ERROR: "errors only"}
_MAX_COPY = 48_000
"""Characters that are copied at once; terminals refuse more."""
_WIDE = 90
"""Cells from which there is room for the date."""


class LogPane(LogScroll):
    """The log of the run, of a trial, or both."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("log")

    def __init__(self, id: str | None = None, title: str = "Log", source: str = "run") -> None:
        """`source`: "run", "trial" or "both"."""
        super().__init__(id=id)
        self._title, self._source = title, source
        self.choice = Choice()
        self._number: int | None = None
        """The trial whose log it is."""
        self._search = ""
        self._match: int | None = None
        """Number of the line that was found."""

    def wanted(self, view: View) -> Places:
        """By the source that was chosen."""
        if view.run is None:
            return ()
        run = ("run", view.run.log)
        if self._source == "run":
            return (run,)
        if view.past:
            return (run,) if self._source == "both" else ()
        trial = self._trial(view, view.run)
        return (run, *trial) if self._source == "both" else trial

    def _trial(self, view: View, run: RunDirectory) -> Places:
        """The one that the screen is about, else the running trial, else the one heard of last.

        Nobody who reads is moved to another.
        """
        if view.about is not None:
            self._number = view.about.number
        elif self.following or self._number not in view.state.trials:
            trial = view.state.current or _last_heard(view.state)
            self._number = trial.number if trial else None
        number = self._number
        return () if number is None else ((f"trial {number}", run.trial(number).log),)

    def captions(self, view: View) -> tuple[str, str]:
        """What is left out is always said."""
        shown = self.choice.filter
        kept = f"  /{clean(shown.text, 40)}/" if shown else ""
        news = several(self.read.waiting, "new line")
        paused = f"  paused, {news}" if self.paused else ""
        waiting = f", {news}" if self.read.waiting else ""
        end = f"until {clock(view.now)}" if view.past else "follows"
        mode = end if self.following else f"scrolled up{waiting}: G follows again"
        parts = [
            "paused: space goes on" if self.paused else mode,
            _LEVELS[self.choice.level],
            f"&{clean(self._search, 20)}" if self._search else "",
            " + ".join(tag for tag, _ in self.places or ()) if self._source != "run" else "",
            self.read.trouble[:60],
        ]
        return f"{self._title}{kept}{paused}", "  ".join(filter(None, parts))

    def rows(self, view: View, width: int, height: int) -> Sequence[Row]:
        """The lines that are loaded; the pane scrolls."""
        if not self.read.lines:
            why = self._nothing(past=view.past is not None)
            return [Row(line((f" {why}", "$text-muted")))]
        wide = width >= _WIDE
        tags = [len(tag) for tag, _ in self.places or ()] if self._source == "both" else []
        tag, search = max(tags, default=0), self._search
        match = -1 if self._match is None else self._match - self.read.first
        return LogRows(
            self.read.lines,
            lambda y, each: styled(each, wide=wide, tag=tag, search=search, found=y == match),
        )

    def _nothing(self, *, past: bool) -> str:
        if self.read.trouble:
            return self.read.trouble
        if past and not self.places:
            return "a worker's own lines carry no times: escape to now shows them"
        if self.choice == Choice():
            return "no log yet"
        further = "" if self.read.at_start else f" since {self.read.reached}: pgup looks further"
        return f"no line matches{further}"

    # Which lines.

    def action_filter(self) -> None:
        """By regular expressions."""
        known = self.choice.filter.text if self.choice.filter else ""
        self.host.ask_for("log /", filters.HOW, self._filter, known)

    def _filter(self, text: str) -> None:
        chosen = filters.parse_filter(text)
        self._choose(replace(self.choice, filter=chosen))
        self.host.looked(chosen.command(RUN_LOG) if chosen else f"tail -f {RUN_LOG}")

    def action_level(self) -> None:
        """All lines, warnings and errors, errors only."""
        level = Level((self.choice.level + 1) % len(Level))
        self._choose(replace(self.choice, level=level))

    def _choose(self, choice: Choice) -> None:
        """Stay at the time that is being read."""
        self.choice, self._match = choice, None
        sight = self.in_sight()
        stamp = sight[0].stamp if sight and not self.following else ""
        if not stamp:
            self.resume()
        self.reader.choose(choice, stamp)

    def on_log_scroll_refused(self, event: LogScroll.Refused) -> None:
        """All lines again, and why."""
        self.choice = replace(self.choice, filter=None)
        self.resume()
        self.app.notify(event.why, severity="warning", markup=False)

    def action_source(self) -> None:
        """The run's log, the trial's, both."""
        self._source = _SOURCES[(_SOURCES.index(self._source) + 1) % len(_SOURCES)]
        self._match = None
        self.resume()
        if self.view is not None:
            self.show(self.view)

    def action_jump(self) -> None:
        """To a time."""
        self.host.ask_for("log from ", moment.HOW, self._jump, "")

    def _jump(self, text: str) -> None:
        if text.strip():
            chosen = moment.parse_moment(text)
            self.go_to(chosen)
            stamp = f"{chosen.day or 'YYYY-MM-DD'} {chosen.time}"
            self.host.looked(f"awk '$0 >= \"{stamp}\"' {RUN_LOG}")

    # Searching and copying.

    def action_search(self) -> None:
        """For a text, in the lines that are loaded."""
        self.host.ask_for("log find ", "text, in any case", self._look_for, self._search)

    def _look_for(self, text: str) -> None:
        """The last match in sight or above, else the first below."""
        self._search, self._match = text, None
        below = self.scroll_offset.y + len(self.in_sight())
        if text and not (self._find(below, -1) or self._find(below - 1, 1)):
            self.app.notify(f"no line that is loaded says {clean(text, 40)}", markup=False)
        self.draw()

    def action_find(self, step: int) -> None:
        """The next match below, or above."""
        if not self._search:
            self.action_search()
            return
        place = len(self.read.lines) if self._match is None else self._match - self.read.first
        if not self._find(place, step):
            where = "below" if step > 0 else "above"
            self.app.notify(f"no match {where} in the lines that are loaded", markup=False)
        self.draw()

    def _find(self, place: int, step: int) -> bool:
        looked_for, lines = pattern(self._search), self.read.lines
        for found in range(place + step, len(lines) if step > 0 else -1, step):
            if 0 <= found < len(lines) and looked_for.search(lines[found].whole):
                self.leave()
                self._match = found + self.read.first
                self.show_place(found)
                return True
        return False

    def action_copy(self) -> None:
        """The line that was found, else those in sight, to the clipboard of the terminal."""
        place = -1 if self._match is None else self._match - self.read.first
        found = 0 <= place < len(self.read.lines)
        lines = [self.read.lines[place]] if found else self.in_sight()
        text = "\n".join(each.whole for each in lines)
        if not text:
            return
        self.app.copy_to_clipboard(text[:_MAX_COPY])
        cut = f", the first {_MAX_COPY} characters" if len(text) > _MAX_COPY else ""
        self.app.notify(f"copied {several(len(lines), 'line')}{cut}", markup=False)


def _last_heard(state: State) -> Trial | None:
    return max(state.trials.values(), key=lambda trial: trial.heard, default=None)
