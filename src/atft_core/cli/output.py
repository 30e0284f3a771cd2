"""Text for people on a terminal, JSON for programs, progress for both."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from atft_core.errors import UsageError
from atft_core.run.files import write_atomically
from atft_core.run.foreign import clean
from atft_core.run.wording import duration

PLAIN_SECONDS = 2.0
BAR = 20
"""Characters of a progress bar."""
LINE = 8000
"""Characters of a line above which it is cut: the reason of a closed gate may be long."""


def say(text: str, *, to: TextIO | None = None) -> None:
    """Lines for a person, on standard output if nothing else is named; a terminal obeys none."""
    print("\n".join(clean(line, LINE) for line in text.split("\n")), file=to, flush=True)


def print_json(value: Any) -> None:
    """One JSON document on standard output, in ASCII; NaN is refused, not printed.

    A line for each key, and for each of many: Python indents ten times as slowly as it encodes, and
    a sweep may have ten thousand trials.
    """
    if not isinstance(value, dict) or not value:
        print(json_text(value))
        return
    lines = (f" {json_text(str(key))}: {_rows(held)}" for key, held in value.items())
    print("{\n" + ",\n".join(lines) + "\n}")


def _rows(value: Any) -> str:
    many = isinstance(value, list) and any(isinstance(each, dict) for each in value)
    return "[\n  " + ",\n  ".join(map(json_text, value)) + "\n ]" if many else json_text(value)


# Made once, not for each row; nothing that is shown holds itself.
json_text = json.JSONEncoder(allow_nan=False, default=str, check_circular=False).encode


def write_out(path: Path, data: bytes) -> None:
    """Write what a person asked for to where they said, in one step where that is a file.

    A link is followed; a device or a pipe is written to and stays what it is. UsageError where it
    cannot be written.
    """
    target = Path(os.path.realpath(path))  # which does not mind links in a circle
    try:
        if target.exists() and not target.is_file():
            with target.open("wb") as file:
                file.write(data)
        else:
            write_atomically(target, data, durable=False)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror or error}.",
            hint="Name another place with --out.",
        ) from error


def table(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Rows in aligned columns; those listed in `right` are right-aligned."""
    rows = [[clean(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))] if rows else []
    lines = []
    for row in rows:
        cells = (
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def confirm(question: str, *, refusal: str, hint: str, declined: str) -> None:
    """Go on only after a yes from a person; UsageError without one, or without a terminal."""
    if not sys.stdin.isatty():
        raise UsageError(f"{refusal}, and there is no terminal.", hint=hint)
    say(f"{question} [y/N]", to=sys.stderr)  # on standard output goes the JSON
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UsageError(declined)


class ProgressLine:
    """Progress on standard error: one line that changes on a terminal, plain lines elsewhere."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._started = time.monotonic()
        self._said = self._started
        self._open = False

    def __call__(self, what: str, fraction: float) -> None:
        """Say how far `what` is, 0 to 1, and how long the rest may take."""
        now = time.monotonic()
        elapsed = now - self._started
        left = f", {duration(elapsed / fraction - elapsed)} left" if 0.05 < fraction < 1 else ""
        text = f"{clean(what)} {100 * fraction:3.0f} %{left}"
        if self._terminal:
            bar = "#" * round(BAR * fraction)
            sys.stderr.write(f"\r\x1b[K[{bar:.<{BAR}}] {text}")
            sys.stderr.flush()
            self._open = True
        elif now - self._said > PLAIN_SECONDS:
            sys.stderr.write(f"{text}\n")
            self._said = now

    def close(self) -> None:
        """Leave the line as if nothing had been there."""
        if self._open:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._open = False
