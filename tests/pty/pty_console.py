"""A console in a real pseudo-terminal: its bytes are drawn by a terminal emulator and read."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

import pyte

PATIENCE = 60
"""Seconds after which something that should have come will not come."""


ALTERNATE_SCREEN = 1049


class Screen(pyte.Screen):
    """An emulator that leaves the alternate screen: the shell's line is where it was."""

    def reset_mode(self, *modes: int, **kind: bool) -> None:
        """Here the shell's screen was empty, with its cursor at the top."""
        super().reset_mode(*modes, **kind)
        if kind.get("private") and ALTERNATE_SCREEN in modes:
            self.erase_in_display(2)
            self.cursor_position()


class Terminal:
    """One process on one pseudo-terminal of a given size."""

    def __init__(
        self,
        command: list[str],
        size: tuple[int, int],
        *,
        environ: Mapping[str, str] | None = None,
        ignore_hangup: bool = False,
    ) -> None:
        columns, rows = size
        self.screen = Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.received = b""
        self.leader, follower = os.openpty()
        self._set_size(columns, rows)

        prefix = ["setsid", "--ctty"]  # it execs: the process is the console's own
        if ignore_hangup:
            prefix += ["sh", "-c", 'trap "" HUP; exec "$@"', "sh"]
        self.process = subprocess.Popen(
            [*prefix, *command], stdin=follower, stdout=follower, stderr=follower,
            env={**os.environ, "TERM": "xterm-256color", **(environ or {})},
        )  # fmt: skip
        os.close(follower)

    def _set_size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.leader, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns: int, rows: int) -> None:
        """As when a window is dragged."""
        self._set_size(columns, rows)
        self.screen.resize(rows, columns)

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self.leader, keys.encode())

    @property
    def text(self) -> str:
        """What a person sees."""
        return "\n".join(self.screen.display)

    def read(self, seconds: float = 0.05) -> bool:
        """Draw what has come; False once the other side has closed."""
        if not select.select([self.leader], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.leader, 1 << 16)
        except OSError:  # how Linux says that nobody holds the other side any more
            return False
        self.received += data
        self._stream.feed(_known(data))
        return bool(data)

    def until(self, condition: Callable[[], bool]) -> None:
        """Draw until something is true of the screen; give up late."""
        give_up = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < give_up, f"never happened:\n{self.text}"
            assert self.read() or condition(), f"it ended:\n{self.text}"

    def shows(self, *texts: str) -> None:
        """Wait until all these texts are on the screen at once."""
        self.until(lambda: all(text in self.text for text in texts))

    def fills(self, columns: int) -> None:
        """Wait until the widest line is as wide as this."""
        self.until(lambda: max(len(line.rstrip()) for line in self.screen.display) == columns)

    def ends(self) -> int:
        """Read to the end; the exit code."""
        give_up = time.monotonic() + PATIENCE
        while self.read():
            assert time.monotonic() < give_up, f"still there:\n{self.text}"
        return self.process.wait(PATIENCE)

    def hang_up(self) -> int:
        """Close the line, as a dropped connection does; the exit code."""
        os.close(self.leader)
        self.leader = -1
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        """Leave nothing behind."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.leader >= 0:
            with suppress(OSError):
                os.close(self.leader)


def _known(data: bytes) -> bytes:
    """Without the keyboard protocol, which this emulator prints instead of obeying."""
    return data.replace(b"\x1b[>1u", b"").replace(b"\x1b[<u", b"")


def console(*args: object) -> list[str]:
    """The command that starts the console."""
    return [sys.executable, "-m", "atft_tui", *map(str, args)]


@contextmanager
def terminal(command: list[str], size: tuple[int, int] = (80, 24), **options) -> Iterator[Terminal]:
    """A terminal that is closed afterwards, whatever happened in it."""
    opened = Terminal(command, size, **options)
    try:
        yield opened
    finally:
        opened.close()
