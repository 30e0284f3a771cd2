"""One line about a run: what a list of a thousand of them can afford to read."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atft_core.errors import AtftError
from atft_core.run.access import owner_name, why_not
from atft_core.run.directory import RunDirectory, created
from atft_core.run.events import Json, decode
from atft_core.run.files import open_regular, read_json
from atft_core.run.fold import apply
from atft_core.run.foreign import DAMAGE
from atft_core.run.notes import NO_NOTE, Note, read_notes
from atft_core.run.snapshot import load_start
from atft_core.run.state import ENDED, State
from atft_core.run.status import Status, load, status
from atft_core.run.wording import finite

UNREADABLE = Status("UNREADABLE")
_MAX_LOG = 32 << 20
"""Bytes of a log above which only its ends are read: folding it would take seconds."""
_END = 64 << 10
_BLOCK = 512
"""Bytes in a block of `stat`, whatever the file system's are."""


@dataclass(frozen=True)
class Listed:
    """A run as a list shows it; no text in it is clean."""

    run: RunDirectory
    made: float
    stage: str = ""
    status: Status = UNREADABLE
    ended: int | None = None
    """Trials that ended; None where that was too much to read."""
    planned: int = 0
    judged_by: str = "rank_ic"
    best: float | None = None
    """Of that metric, the best trial's at its last epoch; of a walk-forward, of all folds."""
    best_se: float | None = None
    note: Note = NO_NOTE
    archived: bool = False
    owner: str = ""
    locked: str = ""
    """Why this user must not change it; empty where they may."""
    evidence: str = ""
    """Path of the run that opened its gate."""


def listed(run: RunDirectory) -> Listed:
    """What is known about a run; what cannot be read is said in its status."""
    facts: Any = read_json(run.run_json)
    facts = facts if isinstance(facts, dict) else {}
    made = created(run) or 0.0
    try:
        holder = run.holder()
        state, whole = _state(run)
        found = status(state, holder, time.time())
        value, spread = best(state) if whole else (None, None)
        locked, owner = why_not(run, holder), owner_name(run)
    except (OSError, AtftError, *DAMAGE) as error:
        first = str(error).partition("\n")[0]
        return Listed(run, made, str(facts.get("stage", "")), Status("UNREADABLE", first))
    notes = read_notes(run)
    ended = sum(trial.state in ENDED for trial in state.trials.values())
    return Listed(
        run=run,
        made=made,
        stage=state.stage,
        status=found,
        ended=ended if whole else None,
        planned=state.n_trials,
        judged_by=state.judged_by,
        best=value,
        best_se=spread,
        note=notes.run,
        archived=notes.archived,
        owner=owner,
        locked=locked,
        evidence=evidence_of(facts),
    )


def evidence_of(facts: Json) -> str:
    """Absolute path of the run that opened a gate, from run.json; empty where none did."""
    found = facts.get("evidence")
    if not isinstance(found, str) or not found:
        return ""
    return os.path.normpath(Path(str(facts.get("cwd") or "/")) / found)


def best(state: State) -> tuple[float | None, float | None]:
    """What the run is judged by, of the best trial, and its error; of a walk-forward RankIC of all
    folds.
    """
    if state.walks:
        pooled: Mapping[str, Any] = state.walk.get("pooled", {}).get(str(state.horizon), {})
        return finite(pooled.get("rank_ic")), finite(pooled.get("rank_ic_se"))
    trial, h, name = state.best, state.horizon, state.judged_by
    return (trial.last(name, h), trial.last(f"{name}_se", h)) if trial else (None, None)


def _state(run: RunDirectory) -> tuple[State, bool]:
    """The state, and whether it is the whole: a huge log without a snapshot is read at both ends
    only.
    """
    size = run.events.stat().st_size if run.events.exists() else 0
    start = load_start(run)
    if size - start.tail.offset <= _MAX_LOG:
        return load(run, start), True
    state = State()
    with open_regular(run.events) as file:
        _fold(state, file.read(_END))
        state.trials.clear()  # how they went on lies between the ends
        file.seek(size - _END)
        _fold(state, file.read(_END))
    return state, False


def _fold(state: State, data: bytes) -> None:
    for line in data.decode(errors="replace").split("\n"):
        stamped = decode(line)
        if stamped is not None:
            apply(state, stamped)


def disk_use(path: Path) -> int:
    """Bytes that a directory takes on the disk, what it links to left out."""
    total, left = 0, [os.fspath(path)]
    while left:
        with suppress(OSError), os.scandir(left.pop()) as entries:  # gone meanwhile, or not ours
            for entry in entries:
                total += entry.stat(follow_symlinks=False).st_blocks * _BLOCK
                if entry.is_dir(follow_symlinks=False):
                    left.append(entry.path)
    return total
