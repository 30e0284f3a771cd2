"""Lines are matched in a process of its own: an expression that never ends must not stop a thread.

A thread that matches holds the interpreter's lock until it is through, and the screen with it.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TextIO, cast

from atft_tui.logs.filters import Filter

_GREP = str(Path(__file__).with_name("grep.py"))
"""Run by its path, and alone: it needs nothing of this package."""


class MatchError(Exception):
    """The matching process is gone; the text says why."""


class Matcher:
    """A running `grep.py`, started when the first line is to be matched."""

    def __init__(self, chosen: Filter) -> None:
        self._filter = chosen
        self._process: subprocess.Popen[bytes] | None = None
        self._line: TextIO | None = None

    def kept(self, lines: Sequence[str]) -> list[bool]:
        """Which of the lines the filter keeps."""
        if not lines:
            return []
        answer = ""
        with suppress(ConnectionError):  # it ended before it was asked
            answer = self._ask(lines)
        if len(answer) != len(lines):
            raise MatchError(self._why())
        return [each == "1" for each in answer]

    def _ask(self, lines: Sequence[str]) -> str:
        line = self._line = self._line or self._started()
        line.write(json.dumps(lines) + "\n")
        line.flush()
        return line.readline().rstrip("\n")

    def _started(self) -> TextIO:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-W", "ignore", _GREP],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            line = cast("TextIO", ours.makefile("rw", encoding="utf-8"))
        line.write(json.dumps([self._filter.include, self._filter.exclude]) + "\n")
        return line

    def _why(self) -> str:
        code = self.close()
        if code == -signal.SIGPROF:
            return "the filter takes too long: removed"
        return f"the process that matches ended (exit code {code}): filter removed"

    def close(self) -> int | None:
        """End the process, if it did not end by itself; how it ended."""
        process, line = self._process, self._line
        self._process = self._line = None
        if line is not None:
            with suppress(OSError):  # what was not sent yet cannot be any more
                line.close()
        if process is None:
            return None
        with suppress(subprocess.TimeoutExpired):
            return process.wait(0.2)
        process.kill()
        return process.wait()
