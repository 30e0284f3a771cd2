"""A program as a process: started in the worker's group, read line by line, told to end."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil

from atft_core.run.plugins import VOUCHED
from atft_core.run.processes.kept import end_with

_LONGEST = 1 << 16
"""Bytes of a line; what is longer is cut, and says so."""
_CHUNK = 1 << 16
_TICK = 0.1
_LAST = 5
"""Lines in which a program says why it ends."""
_AFTERWARDS = 2.0
"""Seconds to read what was said last, where something that it started still holds the pipe."""
_TAKE_IN_ORPHANS = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)


class Program:
    """What it starts is taken in by this process when it loses its parent, and ends with it."""

    def __init__(self, argv: Sequence[str], environment: dict[str, str], place: Path) -> None:
        """`place`: where it runs. OSError where it cannot be started."""
        ctypes.CDLL(None).prctl(_TAKE_IN_ORPHANS, 1)
        self._process = subprocess.Popen(
            list(argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**_given(), **environment, "PYTHONUNBUFFERED": "1"}, cwd=place,
            preexec_fn=partial(end_with, os.getpid()),  # noqa: PLW1509 -- there is one thread here
        )  # fmt: skip
        if self._process.stdout is None:
            raise RuntimeError("it was started without a pipe")
        self._pipe = self._process.stdout.fileno()
        os.set_blocking(self._pipe, False)
        self.end_of_it: deque[str] = deque(maxlen=_LAST)
        """The last lines that said something."""
        self._left = b""
        self._open = True

    def lines(self, seconds: float) -> Iterator[str | None]:
        """Its lines until it has ended, without waiting longer than that for one: None then.

        What a progress bar paints over is a sign of life, an empty line here.
        """
        ended = 0.0
        while True:
            chunk = self._chunk(seconds)
            yield from self._split(chunk) if chunk else (None,)
            if self._process.poll() is not None:
                ended = ended or time.monotonic()
                late = time.monotonic() - ended > _AFTERWARDS
                if late or not self._open or chunk is None:
                    break
        if self._left:
            yield self._said(self._left)
            self._left = b""

    def end(self, seconds: float, said: Callable[[str], None]) -> None:
        """Ask it and all that it started to end, hear them meanwhile, kill what is left."""
        self._signal(signal.SIGTERM)
        give_up = time.monotonic() + seconds
        while self._process.poll() is None and time.monotonic() < give_up:
            for line in self._split(self._chunk(_TICK) or b""):
                said(line)
        self.clear()

    def clear(self) -> None:
        """Kill what it has left behind, wherever it has gone: nothing of a trial stays on a GPU."""
        while found := _descendants():
            for process in found:
                with suppress(psutil.Error):
                    process.kill()
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            self._process.poll()
            time.sleep(_TICK / 10)
        self._process.poll()

    @property
    def last(self) -> str:
        """The last line that said something."""
        return self.end_of_it[-1] if self.end_of_it else ""

    @property
    def code(self) -> int:
        """Its exit code; negative: the signal that ended it."""
        return self._process.wait()

    def _signal(self, number: int) -> None:
        for process in _descendants():
            with suppress(psutil.Error):
                process.send_signal(number)

    def _chunk(self, seconds: float) -> bytes | None:
        """What it says within so long; None where it says nothing."""
        if not self._open:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
            return None
        if not select.select([self._pipe], [], [], seconds)[0]:
            return None
        try:
            chunk = os.read(self._pipe, _CHUNK)
        except BlockingIOError:
            return None
        self._open = bool(chunk)
        return chunk or None

    def _split(self, chunk: bytes) -> Iterator[str]:
        *lines, self._left = (self._left + chunk).split(b"\n")
        for line in lines:
            yield self._said(line)
        if b"\r" in self._left[:-1]:  # at its very end a line feed may still follow
            self._left = self._left[self._left[:-1].rindex(b"\r") + 1 :]
            yield ""
        if len(self._left) > _LONGEST:
            yield self._said(self._left)
            self._left = b""

    def _said(self, line: bytes) -> str:
        text = line[:_LONGEST].decode(errors="replace").rstrip("\r").rpartition("\r")[2]
        if len(line) > _LONGEST:  # JSON is none any more: whoever looks for an epoch sees why
            text += f" [cut after {_LONGEST >> 10} KiB]"
        if said := text.strip():
            self.end_of_it.append(said)
        return text


def _given() -> dict[str, str]:
    """Without what this worker alone was told."""
    return {name: value for name, value in os.environ.items() if name != VOUCHED}


def _descendants() -> list[psutil.Process]:
    """All that this process has started, and what that has; none that is only a name any more."""
    found = psutil.Process().children(recursive=True)
    return [each for each in found if _lives(each)]


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


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
