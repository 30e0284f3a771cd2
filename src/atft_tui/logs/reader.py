"""The thread that reads logs, so that neither a disk nor an expression stops the screen."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from queue import Empty, SimpleQueue

from atft_core.run.foreign import clean
from atft_tui.logs.matcher import MatchError
from atft_tui.logs.moment import Moment
from atft_tui.logs.past import Until
from atft_tui.logs.window import Choice, LogView, LogWindow

PERIOD = 0.25
"""Seconds between two looks at a log that is followed."""
IDLE_PERIOD = 1.0
"""The same when nobody writes it."""


class LogReader(threading.Thread):
    """Does what it is asked in order, follows meanwhile, and posts what changed."""

    def __init__(
        self, post: Callable[[LogView], object], complain: Callable[[str], object]
    ) -> None:
        """`complain` is told why a filter was removed."""
        super().__init__(name="atft-log", daemon=True)
        self._post, self._complain = post, complain
        self._orders: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._window = LogWindow()
        self._choice = Choice()
        self._following = True
        self._posted = LogView()
        self.period = PERIOD

    def run(self) -> None:
        """Until it is stopped."""
        while True:
            try:
                order = self._orders.get(timeout=self.period)
            except Empty:
                order = self._tick
            if order is None:
                break
            self._do(order)
        self._window.close()

    def stop(self) -> None:
        """Let the thread end."""
        self._orders.put(None)

    def _do(self, order: Callable[[], None]) -> None:
        try:
            try:
                order()
            except MatchError as error:
                self._complain(str(error))
                self._chosen(replace(self._choice, filter=None), "")
            view = self._window.view
        except OSError as error:
            view = replace(self._posted, trouble=clean(f"cannot read: {error}"))
        if view != self._posted or order != self._tick:  # an order is always answered
            self._posted = view
            self._post(view)

    def _tick(self) -> None:
        if self._following:
            self._window.follow()

    # Orders, from another thread.

    def watch(self, places: Sequence[tuple[str, Path]], until: Until | None = None) -> None:
        """Read these logs from now on, each with its tag, as they are or as they were."""
        self._orders.put(lambda: self._open(places, until))

    def choose(self, choice: Choice, stamp: str = "") -> None:
        """Only these lines; from a time on, or at the end."""
        self._orders.put(lambda: self._chosen(choice, stamp))

    def follow(self, *, on: bool) -> None:
        """Take new lines in, or only count them."""
        self._orders.put(lambda: self._follow(on=on))

    def older(self) -> None:
        """More lines before these."""
        self._orders.put(self._window.older)

    def newer(self) -> None:
        """More lines after these."""
        self._orders.put(self._window.newer)

    def to_end(self) -> None:
        """To the newest lines, and follow."""
        self._orders.put(self._end)

    def to_start(self) -> None:
        """To the oldest lines."""
        self._orders.put(lambda: self._leave(self._window.to_start))

    def to_moment(self, moment: Moment) -> None:
        """To a time."""
        self._orders.put(lambda: self._leave(lambda: self._window.to_moment(moment)))

    # The same, here.

    def _open(self, places: Sequence[tuple[str, Path]], until: Until | None) -> None:
        self._following = True
        self._window.open(places, until)

    def _chosen(self, choice: Choice, stamp: str) -> None:
        self._choice = choice
        self._following = not stamp
        self._window.choose(choice, stamp)

    def _follow(self, *, on: bool) -> None:
        self._following = on
        if on:
            self._window.follow()
        else:
            self._window.hold()

    def _leave(self, go: Callable[[], None]) -> None:
        """Away from the end."""
        if self._following:
            self._follow(on=False)
        go()

    def _end(self) -> None:
        self._following = True
        self._window.to_end()
