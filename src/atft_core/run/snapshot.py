"""The fold of a log so far, so that the next screen starts from there. May be deleted any time.

It is for looking only: gates and checks fold the whole log. It is used where the log still ends
there as it did, so that it never speaks of another one.

A checksum of all that follows, a line of JSON with everything but epochs, then a line for each
trial with its epochs: these are most of it, and decoded when somebody looks at them.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

from atft_core import __version__
from atft_core.errors import AtftError
from atft_core.run.collecting import collecting_later
from atft_core.run.directory import RunDirectory
from atft_core.run.epochs import Epochs, Later, epoch_row
from atft_core.run.files import open_regular, write_atomically
from atft_core.run.fits import made
from atft_core.run.foreign import DAMAGE
from atft_core.run.journal import Tail
from atft_core.run.judge.criteria import Result, Verdict, check
from atft_core.run.stages import stage_from_json
from atft_core.run.state import State, from_json, to_json

SHAPE = 10
"""Of what a snapshot holds; another one is folded again."""
_WINDOW = 4096
"""Bytes before the offset by which a log is recognised."""


class Start(NamedTuple):
    """From where a log is read on."""

    state: State
    tail: Tail
    results: Sequence[Result] = ()
    """What the criteria of its stage said of that state, where that is known."""


def save(run: RunDirectory, state: State) -> None:
    """Keep `state`, which is the fold of all that is in the log now, and what its criteria say.

    ValueError for what JSON cannot hold.
    """
    offset = run.events.stat().st_size
    held, lines = to_json(state), []
    for trial in held["trials"].values():
        rows = trial["epochs"]
        trial["epochs"] = {"count": len(rows), "newest": rows[-1] if rows else None}
        lines.append(_json(rows))
    value = {
        "atft": __version__,
        "shape": SHAPE,
        "offset": offset,
        "before": _hash_before(run.events, offset),
        "results": [asdict(result) for result in _checked(state)],
        "state": held,
    }
    lines.insert(0, _json(value))
    crc = reduce(lambda crc, line: zlib.crc32(line, crc), lines, 0)
    write_atomically(run.snapshot, b"%d\n" % crc, *lines, durable=False)


def _checked(state: State) -> list[Result]:
    """Nothing where the run has no stage, or one that this version cannot read."""
    try:
        return check(state, stage_from_json(state.stage_spec)) if state.stage_spec else []
    except AtftError:
        return []


def _json(value: Any) -> bytes:
    return json.dumps(value, allow_nan=False).encode() + b"\n"


def load_start(run: RunDirectory) -> Start:
    """Where to start; at the beginning where there is no good snapshot."""
    try:
        with collecting_later(), open_regular(run.snapshot) as file:
            checksum, data = int(file.readline()), file.read()
            if zlib.crc32(data) == checksum:
                return _start(run, data)
    except (*DAMAGE, OSError):
        pass  # whatever is wrong with it: without it everything is folded again
    return Start(State(), Tail(run.events))


def readable(run: RunDirectory) -> bool:
    """Whether a reader would start from the snapshot."""
    return load_start(run).tail.offset > 0


def _start(run: RunDirectory, data: bytes) -> Start:
    """ValueError where it is of another log or another version."""
    head_end = data.index(b"\n")
    saved: Any = json.loads(data[:head_end])
    offset = saved["offset"]
    if (saved["atft"], saved["shape"]) != (__version__, SHAPE):
        raise ValueError("it was made by another version")
    if saved["before"] != _hash_before(run.events, offset):
        raise ValueError("it is of another log")
    _put_back(saved["state"]["trials"], data, head_end + 1)
    results = [made(Result, raw, verdict=Verdict(raw["verdict"])) for raw in saved["results"]]
    return Start(from_json(saved["state"]), Tail(run.events, offset), results)


def _put_back(trials: Any, data: bytes, start: int) -> None:
    """Give each trial its epochs, as text: one of the lines that begin at `start`."""
    whole = memoryview(data)  # a hundred megabytes after a long night: no copy of them
    for trial in trials.values():
        end = data.index(b"\n", start)
        count, newest = trial["epochs"]["count"], trial["epochs"]["newest"]
        later = Later(whole[start:end], count, epoch_row(newest)) if newest is not None else None
        trial["epochs"] = Epochs(later=later)
        start = end + 1


def _hash_before(path: Path, offset: int) -> str:
    with open_regular(path) as file:
        start = max(0, offset - _WINDOW)
        file.seek(start)
        found = file.read(offset - start)
    return hashlib.sha256(found).hexdigest() if len(found) == offset - start else ""
