"""The thread that looks at notify.toml: read at the start, and again when it has changed.

A home on a network that is away lets its reader wait for minutes: never the screen.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from atft_core.notify.settings import Loaded

PERIOD = 2.0
"""Seconds between two looks at the file; each costs one `stat`."""
Post = Callable[["Loaded", str], object]
"""Told the settings, and what is wrong with the file."""


class WishesWatch(threading.Thread):
    """Posts how this person wants to be told."""

    def __init__(self, post: Post) -> None:
        super().__init__(name="atft-wishes", daemon=True)
        self._post = post
        self._ended = threading.Event()

    def stop(self) -> None:
        """Let the thread end."""
        self._ended.set()

    def run(self) -> None:
        """Look, post what is new, sleep."""
        from atft_core.notify.settings import load_or_default, path  # not before the first frame

        known: object = self
        while not self._ended.is_set():
            mark = _mark(path())  # before reading: a change meanwhile is read with the next look
            if mark != known:
                known = mark
                self._post(*load_or_default())
            self._ended.wait(PERIOD)


def _mark(file: Path) -> tuple[int, ...] | None:
    """What differs after the file, or who may write it, was changed; None where there is none."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
