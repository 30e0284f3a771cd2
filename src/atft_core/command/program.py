"""A program as a process: started in the worker's group, read line by line, told to end."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO

from atft_core.run.processes.kept import end_with

_LONGEST = 1 << 16
"""Bytes of a line; what is longer is cut."""
_CHUNK = 1 << 16
_AFTERWARDS = 2.0
"""Seconds to read what was said last, where something that it started still holds the pipe."""


class Program:
    """It belongs to the group of the process that starts it, and ends with it."""

    def __init__(self, argv: Sequence[str], environment: dict[str, str]) -> None:
        """OSError where it cannot be started."""
        self._process = subprocess.Popen(
            list(argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, **environment, "PYTHONUNBUFFERED": "1"},
            preexec_fn=partial(end_with, os.getpid()),  # noqa: PLW1509 -- there is one thread here
        )  # fmt: skip
        self.last = ""
        """The last line that said something."""
        self._left = b""

    def lines(self, seconds: float) -> Iterator[str | None]:
        """Its lines, without waiting longer than that for one: None then.

        What a progress bar paints over is a sign of life, an empty line here.
        """
        out = self._process.stdout
        if out is None:
            raise RuntimeError("it was started without a pipe")
        os.set_blocking(out.fileno(), False)
        with selectors.DefaultSelector() as ready, out:
            ready.register(out, selectors.EVENT_READ)
            ended = 0.0
            while True:
                chunk = self._chunk(out) if ready.select(seconds) else None
                if chunk == b"":
                    break
                yield from self._split(chunk) if chunk else (None,)
                if self._process.poll() is not None:
                    ended = ended or time.monotonic()
                    if chunk is None or time.monotonic() - ended > _AFTERWARDS:
                        break
        if self._left:
            yield self._said(self._left)
        self._process.wait()

    def end(self, seconds: float) -> None:
        """Ask it to end, and all that it started; then kill what is left."""
        _signal_group(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        self.clear()

    def clear(self) -> None:
        """Kill what it has left behind: nothing of a trial stays on a GPU."""
        _signal_group(signal.SIGKILL)
        self._process.wait()

    @property
    def code(self) -> int:
        """Its exit code; negative: the signal that ended it."""
        return self._process.wait()

    def _chunk(self, out: IO[bytes]) -> bytes | None:
        try:
            return os.read(out.fileno(), _CHUNK)
        except BlockingIOError:
            return None

    def _split(self, chunk: bytes) -> Iterator[str]:
        *lines, self._left = (self._left + chunk).split(b"\n")
        for line in lines:
            yield self._said(line)
        if b"\r" in self._left:
            self._left = self._left.rpartition(b"\r")[2]
            yield ""
        if len(self._left) > _LONGEST:
            yield self._said(self._left)
            self._left = b""

    def _said(self, line: bytes) -> str:
        text = line[:_LONGEST].decode(errors="replace").rstrip("\r").rpartition("\r")[2]
        self.last = text.strip() or self.last
        return text


def _signal_group(number: int) -> None:
    """All processes of this one's group but itself."""
    group = os.getpgrp()
    for pid in (int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()):
        with suppress(OSError):
            if pid != os.getpid() and os.getpgid(pid) == group:
                os.kill(pid, number)


def die_of(signal_number: int) -> None:
    """End as a program did that a signal has ended: the engine knows what to make of it."""
    sys.stdout.flush()
    if signal_number != signal.SIGKILL:
        signal.signal(signal_number, signal.SIG_DFL)
    os.kill(os.getpid(), signal_number)
    time.sleep(1.0)
    sys.exit(128 + signal_number)  # one that does not end a process


def found(word: str) -> bool:
    """Whether there is a program of that name, or in that place."""
    if "/" in word:
        return os.access(word, os.X_OK) and Path(word).is_file()
    places = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return any(os.access(Path(place) / word, os.X_OK) for place in places if place)
