"""The end of the run's log: filtered, following, bounded."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

from textual.content import Content

from atft_tui.follow import KEEP_LINES
from atft_tui.format import clean, line
from atft_tui.pane import Pane, Row
from atft_tui.view import LogView, View

_MARKED = (
    (re.compile(r"\b(FAILED|FAIL|lost|Traceback|[Ee]rror)\b"), "$text-error"),
    (re.compile(r"^(Warning|.*\bData warning)\b"), "$text-warning"),
    (re.compile(r"\bVal Metrics\b"), "$text-accent"),
)
_STAMP = re.compile(r"^\d{4}-\d\d-\d\d (\d\d:\d\d:\d\d)\S*\s")


@dataclass(frozen=True)
class Filter:
    """A regular expression; a leading `!` keeps what does not match."""

    pattern: re.Pattern[str]
    inverse: bool
    text: str

    def keeps(self, text: str) -> bool:
        """Whether a line is shown."""
        return bool(self.pattern.search(text)) is not self.inverse


def parse_filter(text: str) -> Filter | None:
    """The filter that was typed, None for an empty one; re.error says what is wrong with it."""
    inverse = text.startswith("!")
    pattern = text.removeprefix("!")
    return Filter(re.compile(pattern), inverse, text) if pattern else None


class LogPane(Pane):
    """Newest lines last; it follows until somebody scrolls up, and again from the end."""

    def __init__(self, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, focus=True)
        self.filter: Filter | None = None
        self._kept: deque[str] = deque(maxlen=KEEP_LINES)
        self._source: LogView = LogView()
        self._run: object = None

    def set_filter(self, chosen: Filter | None) -> None:
        """Show only what `chosen` keeps."""
        self.filter, self._source = chosen, LogView()
        self._kept.clear()
        self.draw()
        self.scroll_end(animate=False)

    def captions(self, view: View) -> tuple[str, str]:
        """The filter is always visible: nothing is missing without saying so."""
        shown = f"  /{clean(self.filter.text, 40)}/" if self.filter else ""
        return f"6 Log{shown}", "" if self.is_vertical_scroll_end else "scrolled: G follows again"

    def rows(self, view: View, width: int, height: int) -> list[Row]:
        """All kept lines; the pane scrolls."""
        self._take_in(view)
        if not self._kept:
            why = "no line matches" if self.filter and view.log.lines else "no log yet"
            return [Row(line((f" {why}", "$text-muted")))]
        return [Row(styled(text, narrow=width < 90)) for text in self._kept]

    def draw(self) -> None:
        """Stay at the end when at the end."""
        follow = self.is_vertical_scroll_end or not self._kept
        super().draw()
        if follow:
            self.scroll_end(animate=False, immediate=True)

    def _take_in(self, view: View) -> None:
        """Only lines that are new are matched."""
        run = view.run.path if view.run else None
        if run != self._run or view.log.total < self._source.total:
            self._run, self._source = run, LogView()
            self._kept.clear()
        fresh = min(view.log.total - self._source.total, len(view.log.lines))
        self._source = view.log
        if fresh > 0:
            keep = self.filter
            new = view.log.lines[-fresh:]
            self._kept.extend(text for text in new if keep is None or keep.keeps(text))


def styled(text: str, *, narrow: bool) -> Content:
    """A log line: the time quiet, what matters coloured; the date only where there is room."""
    stamp = _STAMP.match(text)
    body = text[stamp.end() :] if stamp else text
    style = next((style for mark, style in _MARKED if mark.search(body)), "")
    when = (stamp[1] if narrow else stamp[0].strip()) if stamp else ""
    return line((f" {when} " if when else " ", "$text-muted"), (body, style))
