"""The thread that writes to the terminal, so that a terminal that stops reading stops only it.

Frames do not queue: while one is on its way only the newest next one is kept, and what is sent is
the difference to what the terminal really got. So memory is bounded, the loop of the console never
waits, and after a stall the screen is right at once.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque

from atft_tui.terminal.diff import Pen
from atft_tui.terminal.image import Image

HURRY = 0.5
"""Seconds after a key press in which frames are not held back."""
_SYNCHRONISE = 4096
"""Bytes from which a frame is bracketed, so that terminals that can draw it at once."""
_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"


class TerminalWriter(threading.Thread):
    """Sends control sequences in order, and of frames the newest."""

    def __init__(self, fd: int, period: float) -> None:
        """`period`: seconds between two frames that nobody waits for."""
        super().__init__(name="atft-terminal", daemon=True)
        self._fd, self._period = fd, period
        self._changed = threading.Condition()
        self._controls: deque[str] = deque()
        self._frame: Image | None = None
        self._shown: Image | None = None
        self._pen = Pen()
        self._open = False
        self._ended = False
        self._hurried = 0.0
        self._sent = 0.0
        self.synchronised = False
        """Whether this terminal knows synchronised output."""

    def control(self, text: str) -> None:
        """Send a sequence that draws nothing: a mode, a bell, a title."""
        with self._changed:
            self._controls.append(text)
            self._changed.notify()

    def frame(self, image: Image) -> None:
        """What should be on the screen; the image must not change any more."""
        with self._changed:
            if self._open:
                self._frame = image
                self._changed.notify()

    def hurry(self) -> None:
        """Somebody pressed a key and waits for what it does."""
        with self._changed:
            self._hurried = time.monotonic() + HURRY
            self._changed.notify()

    def forget(self) -> None:
        """The terminal may show anything: send the next frame in full."""
        with self._changed:
            self._shown = None
            self._pen.forget()

    def open(self) -> None:
        """From now on there are frames."""
        self.forget()
        with self._changed:
            self._open = True

    def shut(self) -> None:
        """No frame any more, whatever still comes."""
        with self._changed:
            self._open, self._frame = False, None

    def stop(self, patience: float = 1.0) -> None:
        """Send what must be sent and end; a terminal that reads nothing is left alone."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        self.join(patience)

    def run(self) -> None:
        """Wait, diff, write."""
        while True:
            with self._changed:
                while not self._due():
                    self._changed.wait(self._pause())
                text = "".join(self._controls)
                self._controls.clear()
                frame, self._frame = self._take(), None
                ended = self._ended
            if frame is not None:
                text += self._change_to(frame)
            if not self._write(text.encode("utf-8", "replace")):
                return
            if ended:
                return

    # What follows is called with the lock held, but for the last two.

    def _due(self) -> bool:
        return bool(self._controls) or self._ended or self._take() is not None

    def _take(self) -> Image | None:
        waited = time.monotonic() - self._sent >= self._period
        return self._frame if waited or time.monotonic() < self._hurried else None

    def _pause(self) -> float | None:
        if self._frame is None:
            return None
        return max(0.001, self._period - (time.monotonic() - self._sent))

    def _change_to(self, frame: Image) -> str:
        drawn = self._pen.change(self._shown, frame)
        self._shown, self._sent = frame, time.monotonic()
        bracketed = self.synchronised and len(drawn) > _SYNCHRONISE
        return f"{_BEGIN}{drawn}{_END}" if bracketed else drawn

    def _write(self, data: bytes) -> bool:
        """Send everything, however long that takes; False when the terminal is gone."""
        while data:
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:  # somebody else made this terminal non-blocking
                select.select([], [self._fd], [])
            except OSError:  # gone: the thread that waits for the hang-up ends the process
                return False
        return True
