"""What the files of one trial say beside the run's log; read in a thread, a bounded part each."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

from atft_core.run.daily import read_days
from atft_core.run.directory import RunDirectory
from atft_core.run.files import open_regular
from atft_core.run.foreign import clean
from atft_core.run.kept import kept_checkpoints
from atft_tui.view import TrialView

_END = 1 << 16
"""Bytes of the worker's log in which a traceback is looked for."""
_LINES = 60
_BEGINS = "Traceback (most recent call last):"
_STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


class TrialFiles:
    """The directory of a trial, looked at now and then."""

    def __init__(self, run: RunDirectory, number: int, horizon: int) -> None:
        self.run, self._files, self._horizon = run, run.trial(number), horizon
        self._days_of: object = None
        self._trace_of: object = None
        self.view = TrialView(number)

    def read(self, *, broken: bool) -> bool:
        """Take in what changed; whether anything did. `broken`: a worker of it was lost."""
        before = self.view
        kept = tuple(kept_checkpoints(self._files.checkpoints))
        self.view = replace(before, checkpoints=kept)
        mark = _mark(self._files.daily_text)
        if mark != self._days_of:
            self._days_of = mark
            days = tuple(read_days(self._files.daily_text, self._horizon))
            self.view = replace(self.view, days=days)
        mark = _mark(self._files.log) if broken else None
        if mark != self._trace_of:
            self._trace_of = mark
            self.view = replace(self.view, traceback=traceback_in(self._files.log))
        return self.view != before


def _mark(path: Path) -> tuple[int, int] | None:
    """Differs when a file was written."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def traceback_in(path: Path) -> tuple[str, ...]:
    """The last traceback of a log, up to the next line with a time; its end when it is long."""
    try:
        with open_regular(path) as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _END))
            text = file.read(_END).decode(errors="replace")
    except OSError:
        return ()
    _, begins, rest = text.rpartition(_BEGINS)
    if not begins:
        return ()
    lines = [begins]
    for raw in rest.splitlines()[1:]:
        if _STAMP.match(raw):
            break
        lines.append(clean(raw.rstrip()))
    return tuple(lines if len(lines) <= _LINES else [lines[0], "...", *lines[2 - _LINES :]])
