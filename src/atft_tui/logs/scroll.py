"""A pane over a log: it follows its end, and has more read where somebody scrolls to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from textual.message import Message

from atft_tui.logs.line import LogLine
from atft_tui.logs.moment import Moment
from atft_tui.logs.past import Until
from atft_tui.logs.reader import IDLE_PERIOD, PERIOD, LogReader
from atft_tui.logs.window import LogView
from atft_tui.pane import Pane
from atft_tui.view import View

Places = tuple[tuple[str, Path], ...]
"""Logs, each with its tag."""


class LogScroll(Pane):
    """Newest lines last. While somebody reads elsewhere, or paused, nothing moves."""

    class Read(Message):
        """The lines are others now."""

        def __init__(self, view: LogView) -> None:
            super().__init__()
            self.view = view

        def can_replace(self, message: Message) -> bool:
            """Only the newest is drawn."""
            return isinstance(message, LogScroll.Read)

    class Refused(Message):
        """A filter was removed, and why."""

        def __init__(self, why: str) -> None:
            super().__init__()
            self.why = why

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id, focus=True)
        self.places: Places | None = None
        self._until: Until | None = None
        self.read = LogView()
        """What was read last."""
        self._drawn = LogView()
        """What of it is on the screen."""
        self.following, self.paused = True, False
        self._placing = self._reaching = False
        self.reader = LogReader(
            lambda view: self.post_message(self.Read(view)),
            lambda why: self.post_message(self.Refused(why)),
        )

    def wanted(self, view: View) -> Places:
        """Which logs are to be shown."""
        raise NotImplementedError

    def on_mount(self) -> None:
        """Read from now on."""
        self.reader.start()

    def on_unmount(self) -> None:
        """And no longer."""
        self.reader.stop()

    def show(self, view: View) -> None:
        """Other logs when the run, or the trial, or the moment is another one."""
        self.reader.period = PERIOD if view.live else IDLE_PERIOD
        places, until = (
            self.wanted(view),
            Until(view.now, view.state.started) if view.past else None,
        )
        if (places, until) != (self.places, self._until):
            self.places, self._until = places, until
            self.reader.watch(places, until)
            self.resume()
        super().show(view)

    def on_log_scroll_read(self, event: LogScroll.Read) -> None:
        """Draw what was read."""
        self.read, self._reaching = event.view, False
        self.draw()

    def in_sight(self) -> Sequence[LogLine]:
        """The lines on the screen."""
        top = self.scroll_offset.y
        return self._drawn.lines[top : top + self.scrollable_content_region.height]

    def _keys(self) -> list[str]:
        return []  # a log has no cursor

    def _index(self, key: str) -> None:
        return None

    # The place in the lines that are loaded.

    def draw(self) -> None:
        """Stay at the end when at the end, else at the line that is being read."""
        region = self.scrollable_content_region
        if self.view is None or not region.width or not region.height:
            return
        before, self._drawn = self._drawn, self.read
        super().draw()
        other = self._drawn.made != before.made
        if other and self._drawn.top is not None:
            self._place(self._drawn.top - self._drawn.first)
        elif self.following or other:
            self._place(self.max_scroll_y)
            self.call_after_refresh(self._to_end)  # the size may not be known before
        elif self._drawn.first != before.first:
            self._place(self.scroll_y + before.first - self._drawn.first)

    def _to_end(self) -> None:
        if self.following:
            self._place(self.max_scroll_y)

    def _place(self, y: float) -> None:
        self._placing = True
        self.scroll_to(y=max(0.0, y), animate=False)
        self._placing = False

    def show_place(self, place: int) -> None:
        """Scroll to a line, if it is out of sight."""
        top, height = self.scroll_offset.y, self.scrollable_content_region.height
        if not top <= place < top + height:
            self._place(place - height // 2)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Whoever scrolls up wants to read; whoever scrolls to the end wants to follow."""
        super().watch_scroll_y(old_value, new_value)
        if not self._placing:
            if not self.is_vertical_scroll_end:
                self.leave()
            if not self.following:  # else the pane only became smaller
                self._reach(new_value - old_value)

    # The place of those lines in the files.

    def _reach(self, step: float) -> None:
        """Have more read where somebody scrolls over an edge; at the end of all, follow."""
        if self._reaching:
            return
        if step < 0:
            near = self.scroll_y < self.scrollable_content_region.height
            if near and not self.read.at_start:
                self.leave()
                self._reaching = True
                self.reader.older()
        elif self.following or not self.is_vertical_scroll_end:
            return
        elif not self.read.at_end:
            self._reaching = True
            self.reader.newer()
        elif not self.paused:
            self.resume()
            self.reader.follow(on=True)

    def leave(self) -> None:
        """From now on the lines stay where they are."""
        if self.following:
            self.following = False
            self.reader.follow(on=False)
            self.draw()

    def resume(self) -> None:
        """From now on the newest line is always in sight."""
        self.following, self.paused = True, False
        self.draw()

    def go_to(self, moment: Moment) -> None:
        """To the first line that is not before a time."""
        self.leave()
        self.reader.to_moment(moment)

    def action_cursor(self, step: int) -> None:
        """At the edge of what is loaded more is read."""
        super().action_cursor(step)
        self._reach(step)

    def action_page(self, pages: int) -> None:
        """The same by pages."""
        super().action_page(pages)
        self._reach(pages)

    def action_edge(self, end: int) -> None:
        """To the beginning of the files; to their ends, and follow."""
        if end > 0:
            self.resume()
            self.reader.follow(on=True)
            self._to_end()
        else:
            self.leave()
            self.reader.to_start()

    def action_pause(self) -> None:
        """Only count what comes; again: go on."""
        if self.following:
            self.paused = True
            self.leave()
        else:
            self.action_edge(1)
