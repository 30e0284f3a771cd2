"""The fold of a log so far, so that the next screen starts from there. May be deleted any time.

It is for looking only: gates and checks fold the whole log. It is used where the log still ends
there as it did, so that it never speaks of another one.

A checksum of all that follows, a line of JSON with everything but epochs, then for each trial two
lines: its newest epoch, and those before. These are most of it, and decoded when
somebody looks at them. Trials stand there as columns, a list for each field, which are read in a
third of the time that an object for each would take.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

from atft_core import __version__
from atft_core.errors import AtftError
from atft_core.run.collecting import collecting_later
from atft_core.run.columns import packed, rows_of
from atft_core.run.directory import RunDirectory
from atft_core.run.epochs import Epochs, Later
from atft_core.run.files import open_regular, write_atomically
from atft_core.run.fits import made
from atft_core.run.foreign import DAMAGE
from atft_core.run.journal import Tail
from atft_core.run.judge.criteria import Result, Verdict, check
from atft_core.run.stages import stage_from_json
from atft_core.run.state import State, Trial, from_json, to_json

SHAPE = 14
"""Of what a snapshot holds; another one is folded again."""
_FIELDS = tuple(field.name for field in fields(Trial) if field.name != "epochs")
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
    held, lines = to_json(replace(state, trials={})), []
    trials = state.trials.values()
    for trial in trials:
        rows = [vars(row) for row in trial.epochs]
        lines += [_json(rows[-1:]), _json(rows[:-1])]
    columns = {name: packed([vars(trial)[name] for trial in trials]) for name in _FIELDS}
    value = {
        "atft": __version__,
        "shape": SHAPE,
        "offset": offset,
        "before": _hash_before(run.events, offset),
        "results": [asdict(result) for result in _checked(state)],
        "state": held,
        "trials": columns,
        "epochs": [len(trial.epochs) for trial in trials],
        "sizes": [len(line) for line in lines],
    }
    lines.insert(0, _json(value))
    crc = reduce(lambda crc, line: zlib.crc32(line, crc), lines, 0)
    write_atomically(run.snapshot, b"%d\n" % crc, *lines, durable=False)


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is none of the numbers that are written")


_DECODE = json.JSONDecoder(parse_constant=_refused).decode


def _checked(state: State) -> list[Result]:
    """Nothing where the run has no stage, or one that this version cannot read."""
    try:
        return check(state, stage_from_json(state.stage_spec)) if state.stage_spec else []
    except AtftError:
        return []


def _json(value: Any) -> bytes:
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def load_start(run: RunDirectory) -> Start:
    """Where to start; at the beginning where there is no good snapshot."""
    try:
        with open_regular(run.snapshot) as file:
            data = file.read()  # in one go: to read a line before would copy all the rest
        checked = data.index(b"\n") + 1
        if zlib.crc32(memoryview(data)[checked:]) == int(data[:checked]):
            with collecting_later():
                return _start(run, data, checked)
    except (*DAMAGE, OSError):
        pass  # whatever is wrong with it: without it everything is folded again
    return Start(State(), Tail(run.events))


def readable(run: RunDirectory) -> bool:
    """Whether a reader would start from the snapshot."""
    return load_start(run).tail.offset > 0


def _start(run: RunDirectory, data: bytes, begin: int) -> Start:
    """ValueError where it is of another log or another version."""
    head_end = data.index(b"\n", begin)
    saved: Any = _DECODE(data[begin:head_end].decode())
    offset = saved["offset"]
    if (saved["atft"], saved["shape"]) != (__version__, SHAPE):
        raise ValueError("it was made by another version")
    if saved["before"] != _hash_before(run.events, offset):
        raise ValueError("it is of another log")
    state = from_json(saved["state"])
    lines = memoryview(data)[head_end + 1 :]  # a hundred megabytes after a long night: no copy
    state.trials = _trials(saved["trials"], saved["epochs"], saved["sizes"], lines)
    results = [made(Result, raw, verdict=Verdict(raw["verdict"])) for raw in saved["results"]]
    return Start(state, Tail(run.events, offset), results)


def _trials(columns: Any, counts: Any, sizes: Any, lines: memoryview) -> dict[int, Trial]:
    """All trials, with their epochs as text: two lines for each."""
    most = len(lines)  # a row takes more than a byte
    if not all(type(number) is int and 0 <= number <= most for number in (*counts, *sizes)):
        raise ValueError("no numbers of epochs")
    found: dict[int, Trial] = {}
    start = 0
    rows = rows_of(Trial, columns, _FIELDS, len(counts))
    for fields_of_one, count, newest, earlier in zip(
        rows, counts, sizes[::2], sizes[1::2], strict=True
    ):
        middle = start + newest
        end = middle + earlier
        later = Later(lines, (start, middle, end), count) if count else None
        start = end
        trial = Trial.__new__(Trial)
        fields_of_one["epochs"] = Epochs(later=later)
        trial.__dict__ = fields_of_one  # a third of what its constructor takes
        found[trial.number] = trial
    return found


def _hash_before(path: Path, offset: int) -> str:
    with open_regular(path) as file:
        start = max(0, offset - _WINDOW)
        file.seek(start)
        found = file.read(offset - start)
    return hashlib.sha256(found).hexdigest() if len(found) == offset - start else ""
