"""How the lines of a log look."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import overload

from textual.content import Content

from atft_tui.format import line
from atft_tui.logs.line import Level, LogLine
from atft_tui.pane import Row

_STYLES = {Level.PLAIN: "", Level.WARNING: "$text-warning", Level.ERROR: "$text-error"}


class LogRows(Sequence[Row]):
    """Rows that are made when somebody looks: of thousands of lines, those in sight."""

    def __init__(self, lines: Sequence[LogLine], make: Callable[[int, LogLine], Content]) -> None:
        self._lines, self._make = lines, make

    def __len__(self) -> int:
        return len(self._lines)

    @overload
    def __getitem__(self, y: int) -> Row: ...

    @overload
    def __getitem__(self, y: slice) -> list[Row]: ...

    def __getitem__(self, y: int | slice) -> Row | list[Row]:
        if isinstance(y, slice):
            return [self[each] for each in range(*y.indices(len(self)))]
        return Row(self._make(y, self._lines[y]))


def pattern(text: str) -> re.Pattern[str]:
    """A text that is looked for, in any case."""
    return re.compile(re.escape(text), re.IGNORECASE)


@lru_cache(maxsize=512)
def styled(
    each: LogLine, *, wide: bool, tag: int = 0, search: str = "", found: bool = False
) -> Content:
    """The time quiet, what matters coloured; the date only where there is room.

    `tag`: cells for the name of the log. `search` is marked wherever it stands, the line that was
    `found` at its beginning.
    """
    style = _STYLES[each.level]
    if not style and "Val Metrics" in each.text:
        style = "$text-accent"
    when = (each.said or each.stamp) if wide else each.stamp[11:19]
    when = when if each.said else " " * len(when)
    source = f"{each.tag:{tag}} " if tag else ""
    head = f"{'>' if found else ' '}{when}{' ' * bool(when)}{source}"
    content = line((head, "$text-muted"), (each.text, style))
    if search:
        for match in pattern(search).finditer(content.plain):
            content = content.stylize("reverse", *match.span())
    return content
