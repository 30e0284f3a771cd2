"""A program in a pseudo-terminal: what it writes, when, and what it costs."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from atft_core.errors import AtftError

PATIENCE = 120.0


@dataclass(frozen=True)
class Used:
    """What a program wrote and needed in a span of time."""

    bytes_per_s: float
    processor: float
    """Share of one core."""


class Screen:
    """The far end of the terminal."""

    def __init__(self, leader: int, process: subprocess.Popen[bytes]) -> None:
        self._leader = leader
        self.received = 0
        """Bytes so far."""
        self._process = psutil.Process(process.pid)

    def read(self, seconds: float) -> bytes:
        """What comes next; nothing when nothing comes in so long a time."""
        if not select.select([self._leader], [], [], max(0.0, seconds))[0]:
            return b""
        try:
            data = os.read(self._leader, 1 << 16)
        except OSError as error:  # the other end is closed
            raise AtftError("The program in the terminal has ended.") from error
        self.received += len(data)
        return data

    def read_for(self, seconds: float) -> None:
        """Read for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.read(left)

    def until(self, text: bytes) -> None:
        """Read until something was written."""
        data, end = b"", time.monotonic() + PATIENCE
        while text not in data:
            if time.monotonic() > end:
                raise AtftError(f"It never wrote {text!r}, but: {data[-300:]!r}")
            data += self.read(0.1)

    def used(self, seconds: float, each_second: Callable[[], object] | None = None) -> Used:
        """Bytes and processor time over a span; `each_second` takes a second and may read."""
        count, before, began = self.received, self._spent(), time.monotonic()
        while time.monotonic() - began < seconds:
            (each_second or (lambda: self.read_for(1.0)))()
        took = time.monotonic() - began
        return Used((self.received - count) / took, (self._spent() - before) / took)

    def answer(self, key: str) -> float:
        """Seconds from a key to the first byte that comes after it."""
        while self.read(0.0):  # what was there before is no answer
            pass
        os.write(self._leader, key.encode())
        began = time.monotonic()
        self.read(PATIENCE)
        return time.monotonic() - began

    def memory(self) -> int:
        """Resident bytes."""
        return int(self._process.memory_info().rss)

    def _spent(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)


def _environment() -> dict[str, str]:
    """As on a user's machine, where Python keeps what it compiled."""
    usual = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return {**usual, "TERM": "xterm-256color", "COLORTERM": "truecolor"}


@contextmanager
def opened(command: list[str], columns: int, rows: int) -> Iterator[Screen]:
    """A program in a terminal of that size, ended afterwards."""
    leader, follower = os.openpty()
    fcntl.ioctl(leader, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    process = subprocess.Popen(
        command,
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
        env=_environment(),
    )
    os.close(follower)
    try:
        yield Screen(leader, process)
    finally:
        process.kill()
        process.wait()
        os.close(leader)
