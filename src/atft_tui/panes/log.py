"""The end of the run's log: filtered, following, bounded."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, replace

import regex
from textual.content import Content

from atft_core.run.foreign import clean
from atft_tui.format import line
from atft_tui.log_tail import KEEP_LINES
from atft_tui.pane import Pane, Row
from atft_tui.view import LogView, View

_MARKED = (
    (re.compile(r"\b(FAILED|FAIL|lost|Traceback|[Ee]rror)\b"), "$text-error"),
    (re.compile(r"^(Warning|.*\bData warning)\b"), "$text-warning"),
    (re.compile(r"\bVal Metrics\b"), "$text-accent"),
)
_SECONDS = 0.05
"""What an expression may take for one line: some take for ever, and the screen waits for it."""
_STAMP = re.compile(r"^\d{4}-\d\d-\d\d (\d\d:\d\d:\d\d)\S*\s")


@dataclass(frozen=True)
class Filter:
    """A regular expression; a leading `!` keeps what does not match."""

    pattern: regex.Pattern[str]
    inverse: bool
    text: str

    def keeps(self, text: str) -> bool:
        """Whether a line is shown; TimeoutError when that takes too long to find out."""
        return bool(self.pattern.search(text, timeout=_SECONDS)) is not self.inverse


def parse_filter(text: str) -> Filter | None:
    """The filter that was typed, None for an empty one; ValueError says what is wrong with it."""
    inverse = text.startswith("!")
    pattern = text.removeprefix("!")
    try:
        return Filter(regex.compile(pattern), inverse, text) if pattern else None
    except regex.error as error:
        raise ValueError(f"bad expression: {error}") from error


class LogPane(Pane):
    """Newest lines last; it follows until somebody scrolls up, and again from the end."""

    def __init__(self, id: str | None = None, title: str = "Log") -> None:
        super().__init__(id=id, focus=True)
        self._title = title
        self.filter: Filter | None = None
        self._kept: deque[Row] = deque(maxlen=KEEP_LINES)
        self._narrow = False
        self._source: LogView = LogView()
        self._following = True
        self._placing = False
        self._dropped = 0
        """Lines that fell off the top since the last drawing."""

    def set_filter(self, chosen: Filter | None) -> None:
        """Show only what `chosen` keeps."""
        self.filter, self._source = chosen, replace(self._source, total=0)
        self._kept.clear()
        self._following = True
        self.draw()

    def captions(self, view: View) -> tuple[str, str]:
        """The filter is always visible: nothing is missing without saying so."""
        shown = f"  /{clean(self.filter.text, 40)}/" if self.filter else ""
        return (
            f"{self._title}{shown}",
            "follows" if self._following else "scrolled up: G follows again",
        )

    def rows(self, view: View, width: int, height: int) -> list[Row]:
        """All kept lines; the pane scrolls."""
        try:
            self._take_in(view, narrow=width < 90)
        except TimeoutError:
            self.app.notify("the filter takes too long: removed", severity="warning", markup=False)
            self.filter, self._source = None, replace(view.log, total=0)
            self._kept.clear()
            self._take_in(view, narrow=width < 90)
        if not self._kept:
            why = "no line matches" if self.filter and view.log.lines else "no log yet"
            return [Row(line((f" {why}", "$text-muted")))]
        return list(self._kept)

    def draw(self) -> None:
        """Stay at the end when at the end, else at the line that is being read."""
        super().draw()
        if self._following:
            self._to_end()
            self.call_after_refresh(self._to_end)  # the size may not be known before
        elif self._dropped:
            self._place(max(0.0, self.scroll_y - self._dropped))
        self._dropped = 0

    def _to_end(self) -> None:
        if self._following:
            self._place(self.max_scroll_y)

    def _place(self, y: float) -> None:
        self._placing = True
        self.scroll_to(y=y, animate=False)
        self._placing = False

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Whoever scrolls up wants to read; whoever scrolls to the end wants to follow."""
        super().watch_scroll_y(old_value, new_value)
        if not self._placing and self._following is not self.is_vertical_scroll_end:
            self._following = self.is_vertical_scroll_end
            super().draw()

    def _take_in(self, view: View, *, narrow: bool) -> None:
        """Only lines that are new are matched and coloured."""
        other = (view.log.path, view.log.cut) != (self._source.path, self._source.cut)
        if other or narrow is not self._narrow:
            self._source, self._narrow = LogView(path=view.log.path, cut=view.log.cut), narrow
            self._kept.clear()
        fresh = min(view.log.total - self._source.total, len(view.log.lines))
        self._source = view.log
        if fresh > 0:
            keep = self.filter
            new = view.log.lines[-fresh:]
            kept = [text for text in new if keep is None or keep.keeps(text)]
            self._dropped += max(0, len(self._kept) + len(kept) - KEEP_LINES)
            self._kept.extend(Row(styled(text, narrow=narrow)) for text in kept)


def styled(text: str, *, narrow: bool) -> Content:
    """A log line: the time quiet, what matters coloured; the date only where there is room."""
    stamp = _STAMP.match(text)
    body = text[stamp.end() :] if stamp else text
    style = next((style for mark, style in _MARKED if mark.search(body)), "")
    when = (stamp[1] if narrow else stamp[0].strip()) if stamp else ""
    return line((f" {when} " if when else " ", "$text-muted"), (body, style))
