"""The one widget that everything is drawn with: lines, of which some can be chosen.

A redraw compares line by line and repaints only those that changed: over SSH a byte that is not
sent is a byte that cannot be late. A pane never wraps: what is too long ends in an ellipsis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, cast, overload

from rich.cells import cell_len
from textual import events
from textual.binding import BindingType
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.visual import Visual

from atft_tui.bindings import bindings
from atft_tui.view import View


@dataclass(frozen=True)
class Row:
    """One line. A row with a key can be chosen; it leaves its first cell to the cursor."""

    content: Content
    key: str = ""

    def same(self, other: Row) -> bool:
        """Whether drawing it again would change nothing."""
        return self.key == other.key and self.content.is_same(other.content)


class Table(Sequence[Row]):
    """A head and keyed rows that are made when somebody looks: of ten thousand, those in sight."""

    def __init__(
        self, head: Sequence[Row], keys: Sequence[str], make: Callable[[int], Content]
    ) -> None:
        """`make` draws the row of the key at a place."""
        self._head, self.keys, self._make = head, keys, make
        self._made: dict[int, Row] = {}
        self._places: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._head) + len(self.keys)

    @overload
    def __getitem__(self, y: int) -> Row: ...

    @overload
    def __getitem__(self, y: slice) -> list[Row]: ...

    def __getitem__(self, y: int | slice) -> Row | list[Row]:
        if isinstance(y, slice):
            return [self[each] for each in range(*y.indices(len(self)))]
        y = range(len(self))[y]
        place = y - len(self._head)
        if place < 0:
            return self._head[y]
        if place not in self._made:
            self._made[place] = Row(self._make(place), self.keys[place])
        return self._made[place]

    def index_of(self, key: str) -> int | None:
        """In which line the row of a key is."""
        if not self._places:
            self._places = {key: y for y, key in enumerate(self.keys, len(self._head))}
        return self._places.get(key)


class Host(Protocol):
    """What a pane may want of its screen."""

    def ask_for(self, label: str, hint: str, apply: Callable[[str], None], value: str) -> None:
        """Let somebody type; `apply` raises ValueError with what is wrong with the answer."""

    def looked(self, twin: str) -> None:
        """A key only looked; the twin is the command that shows the same."""


class Pane(ScrollView):
    """Lines made from a view. A subclass says what they are in `rows`."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("list")
    ALLOW_SELECT: ClassVar[bool] = False
    EARLY: ClassVar[bool] = False
    """Whether it has something to say while the run is still being read."""
    DEFAULT_CSS = """
    Pane {
        text-wrap: nowrap; text-overflow: ellipsis;
        overflow-x: hidden; scrollbar-size-vertical: 1;
    }
    """

    class Chosen(Message):
        """Enter was pressed, or a chosen row clicked again."""

        def __init__(self, pane: Pane, key: str) -> None:
            super().__init__()
            self.pane, self.key = pane, key

    def __init__(self, id: str | None = None, *, focus: bool = False) -> None:
        super().__init__(id=id)
        self.can_focus = self.chosen_focus = focus
        self.set_reactive(Pane.auto_links, False)  # else each line is searched for some
        self.view: View | None = None
        self._rows: Sequence[Row] = []
        self._captions = ("", "")
        self.cursor = ""

    def rows(self, view: View, width: int, height: int) -> Sequence[Row]:
        """The lines of a view, for so many cells."""
        raise NotImplementedError

    def captions(self, view: View) -> tuple[str, str]:
        """Text in the upper and in the lower border; plain, never markup."""
        return "", ""

    @property
    def host(self) -> Host:
        """The screen."""
        return cast("Host", self.screen)

    @property
    def text(self) -> str:
        """What the pane says, for tests and for reading."""
        return "\n".join(row.content.plain.rstrip() for row in self._rows)

    def show(self, view: View) -> None:
        """Draw a view."""
        self.view = view
        self.draw()

    def draw(self) -> None:
        """Make the lines again and repaint those that changed."""
        region = self.scrollable_content_region
        if self.view is None or not region.width or not region.height:
            return
        if self.view.reading and not self.EARLY:
            return
        self._replace(self.rows(self.view, region.width, region.height))
        captions = self.captions(self.view)
        if captions != self._captions:
            self._captions = captions
            self.border_title, self.border_subtitle = (Content(text) for text in captions)

    def _replace(self, rows: Sequence[Row]) -> None:
        old, self._rows = self._rows, rows
        self._keep_cursor(old)
        self._hold(len(rows))
        if len(old) != len(rows):
            self.refresh()
            return
        top = self.scroll_offset.y  # what is not in sight is drawn when it is scrolled to
        for y in range(top, min(len(rows), top + self.scrollable_content_region.height)):
            if not old[y].same(rows[y]):
                self.refresh_line(y)

    def _hold(self, lines: int) -> None:
        """Scroll over so many lines. Setting the size alone would lay out the whole screen again,
        at every line of a log; that is needed only where the height of the pane follows from it.
        """
        size = Size(self.scrollable_content_region.width, lines)
        if self.styles.is_auto_height:
            self.virtual_size = size
        elif size != self.virtual_size:
            self.set_reactive(Pane.virtual_size, size)
            self._scroll_update(size)

    def on_resize(self) -> None:
        """Another width, other lines."""
        self.draw()

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        index = y + self.scroll_offset.y
        width = self.scrollable_content_region.width
        if index >= len(self._rows):
            return Strip.blank(width, self.visual_style.rich_style)
        content, style = self._decorated(self._rows[index], width), self.visual_style
        strips = Visual.to_strips(self, content, width, 1, style, apply_selection=False)
        strip = strips[0] if strips else Strip.blank(width)
        return strip.adjust_cell_length(width, style.rich_style)

    def _decorated(self, row: Row, width: int) -> Content:
        """A row with the cursor: a mark for everybody, a background where it has the focus."""
        if not row.key or row.key != self.cursor:
            return row.content
        content = Content(">") + row.content[1:]
        if not self.has_focus:
            return content
        return content.pad_right(max(0, width - cell_len(content.plain))).stylize("on $panel")

    # The cursor.

    def _keys(self) -> Sequence[str]:
        if isinstance(self._rows, Table):
            return self._rows.keys
        return [row.key for row in self._rows if row.key]

    def _keep_cursor(self, old: Sequence[Row]) -> None:
        """Stay on the same thing when lines move; take the first one when it is gone."""
        keys = self._keys()
        if self.cursor not in keys:
            self.cursor = keys[0] if keys else ""
        index = self._index(self.cursor)
        if index is not None and index < len(old) and old[index].key != self.cursor:
            self.call_after_refresh(self._reveal)

    def _index(self, key: str) -> int | None:
        if isinstance(self._rows, Table):
            return self._rows.index_of(key)
        return next((y for y, row in enumerate(self._rows) if key and row.key == key), None)

    def _move(self, step: int) -> None:
        keys = self._keys()
        if not keys:
            self.scroll_relative(y=step, animate=False)
            return
        place = keys.index(self.cursor) if self.cursor in keys else 0
        self._select(keys[min(len(keys) - 1, max(0, place + step))])

    def _select(self, key: str) -> None:
        for changed in {self.cursor, key}:
            index = self._index(changed)
            if index is not None:
                self.refresh_line(index)
        self.cursor = key
        self._reveal()

    def _reveal(self) -> None:
        index, height = self._index(self.cursor), self.scrollable_content_region.height
        if index is None or not height:
            return
        top = self.scroll_offset.y
        if index < top:
            self.scroll_to(y=0 if index < 2 else index, animate=False)
        elif index >= top + height:
            self.scroll_to(y=index - height + 1, animate=False)

    def action_cursor(self, step: int) -> None:
        """Move the cursor, or scroll where there is none."""
        self._move(step)

    def action_page(self, pages: int) -> None:
        """Move by the height of the pane."""
        self._move(pages * max(1, self.scrollable_content_region.height - 1))

    def action_edge(self, end: int) -> None:
        """Go to the first or the last line."""
        self._move(len(self._rows) * end)

    def action_choose(self) -> None:
        """Look at what the cursor is on."""
        if self.cursor:
            self.post_message(self.Chosen(self, self.cursor))

    def on_click(self, event: events.Click) -> None:
        """A first click moves the cursor, a second one opens."""
        offset = event.get_content_offset(self)
        index = offset.y + self.scroll_offset.y if offset else -1
        key = self._rows[index].key if 0 <= index < len(self._rows) else ""
        if key and key == self.cursor:
            self.action_choose()
        elif key:
            self._select(key)

    def on_focus(self) -> None:
        """The cursor's line gets its background."""
        self.refresh()

    def on_blur(self) -> None:
        """The cursor's line loses its background."""
        self.refresh()
