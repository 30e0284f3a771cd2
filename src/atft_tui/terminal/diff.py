"""From what a terminal shows to what it should show, in few bytes.

Textual repaints a widget when one of its cells changed. Here only the changed cells are sent, with
the shorter of two ways to the next one (moving the cursor or writing over what is there already),
and of a colour only what differs from the one before.
"""

from __future__ import annotations

from atft_tui.terminal.image import Cell, Image, Ink, Row

_UNKNOWN = (-1, -1)


class Pen:
    """Where the cursor of the terminal is, and what it would write with."""

    def __init__(self) -> None:
        self._place = _UNKNOWN
        self._ink: Ink | None = None

    def forget(self) -> None:
        """Somebody else may have written."""
        self._place, self._ink = _UNKNOWN, None

    def change(self, old: Image | None, new: Image) -> str:
        """What to send so that a terminal that shows `old` shows `new`; None: anything."""
        out: list[str] = []
        known = old is not None and (old.width, old.height) == (new.width, new.height)
        for y, row in enumerate(new.rows):
            before = old.rows[y] if old is not None and known else None
            if row is not before and row != before:
                self._row(out, y, before, row)
        return "".join(out)

    def _row(self, out: list[str], y: int, before: Row | None, row: Row) -> None:
        for start, end in _runs(before, row):
            self._move(out, y, start, row)
            for x in range(start, end):
                self._write(out, row[x])
            sure = end < len(row) and not _alone(row, (start, end))
            self._place = (y, end) if sure else _UNKNOWN

    def _move(self, out: list[str], y: int, x: int, row: Row) -> None:
        row_at, column_at = self._place
        gap = x - column_at
        if (row_at, column_at) == (y, x):
            return
        if row_at == y and 0 < gap <= _LONGEST and self._can_write_over(row[column_at:x]):
            out += [text for text, _ in row[column_at:x]]
        elif row_at == y and gap > 0:
            out.append(f"\x1b[{gap}C" if gap > 1 else "\x1b[C")
        else:
            out.append(f"\x1b[{y + 1};{x + 1}H" if x else f"\x1b[{y + 1}H")
        self._place = (y, x)

    def _can_write_over(self, cells: Row) -> bool:
        """Whether writing the cells again is shorter than moving, and sure to end at their end."""
        return all(ink == self._ink and text.isascii() and text for text, ink in cells)

    def _write(self, out: list[str], cell: Cell) -> None:
        text, ink = cell
        if ink != self._ink and text:
            out.append(_ink_change(self._ink, ink))
            self._ink = ink
        out.append(text)


_LONGEST = 4
"""Cells that are written over rather than jumped: a jump is four bytes."""


def _runs(before: Row | None, row: Row) -> list[tuple[int, int]]:
    """[start, end) of the changed cells; wide and joined characters are runs of their own.

    How wide such a character really is, the terminal decides: after it the cursor is placed anew,
    so that a disagreement spoils one character and not the line.
    """
    runs: list[tuple[int, int]] = []
    x, width = 0, len(row)
    while x < width:
        if before is not None and x < len(before) and before[x] == row[x]:
            x += 1
            continue
        start = x
        while start and row[start][0] == "":
            start -= 1
        end = max(x, start) + 1
        while end < width and row[end][0] == "":
            end += 1
        joined = runs and runs[-1][1] == start and not _alone(row, runs[-1])
        if joined and not _alone(row, (start, end)):
            runs[-1] = (runs[-1][0], end)
        else:
            runs.append((start, end))
        x = end
    return runs


def _alone(row: Row, run: tuple[int, int]) -> bool:
    """Whether a run ends with a wide or joined character."""
    return len(row[run[1] - 1][0]) != 1


def _ink_change(old: Ink | None, new: Ink) -> str:
    """The shortest SGR sequence from one ink to the other."""
    if old is None or (old.attributes and old.attributes != new.attributes):
        return f"\x1b[{';'.join(('0', *filter(None, new)))}m" if any(new) else "\x1b[m"
    parts = []
    if new.attributes != old.attributes:
        parts.append(new.attributes)
    if new.foreground != old.foreground:
        parts.append(new.foreground or "39")
    if new.background != old.background:
        parts.append(new.background or "49")
    return f"\x1b[{';'.join(parts)}m"
