"""The fold of a log so far, so that the next screen starts from there. May be deleted any time.

It is for looking only: gates and checks fold the whole log. It is used where the log still ends
there as it did, so that it never speaks of another one.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from atft_core import __version__
from atft_core.run.collecting import collecting_later
from atft_core.run.directory import RunDirectory
from atft_core.run.files import read_json, write_json
from atft_core.run.journal import Tail
from atft_core.run.state import State, from_json, to_json

SHAPE = 3
"""Of what a snapshot holds; another one is folded again."""
_WINDOW = 4096
"""Bytes before the offset by which a log is recognised."""


def save(run: RunDirectory, state: State) -> None:
    """Keep `state`, which is the fold of all that is in the log now."""
    offset = run.events.stat().st_size
    value = {
        "atft": __version__,
        "shape": SHAPE,
        "offset": offset,
        "before": _hash_before(run.events, offset),
        "state": to_json(state),
    }
    write_json(run.snapshot, value, durable=False, readable=False)


def load_tail(run: RunDirectory) -> tuple[State, Tail]:
    """State and reading position to start from; the beginning where there is no good snapshot."""
    try:
        with collecting_later():
            saved: Any = read_json(run.snapshot)
            offset = saved["offset"]
            same_log = saved["before"] == _hash_before(run.events, offset)
            if same_log and (saved["atft"], saved["shape"]) == (__version__, SHAPE):
                return from_json(saved["state"]), Tail(run.events, offset)
    except (AttributeError, TypeError, KeyError, ValueError, OverflowError, OSError):
        pass  # whatever is wrong with it: without it everything is folded again
    return State(), Tail(run.events)


def _hash_before(path: Path, offset: int) -> str:
    with path.open("rb") as file:
        start = max(0, offset - _WINDOW)
        file.seek(start)
        found = file.read(offset - start)
    return hashlib.sha256(found).hexdigest() if len(found) == offset - start else ""
