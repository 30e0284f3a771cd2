"""Looking at the holdout: once per choice, and every look is counted outside the run.

The ledger is keyed by the hash of the data, so that a new run on the same data inherits the count.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from pathlib import Path

from atft_core.errors import AtftError, UsageError
from atft_core.run import events as ev
from atft_core.run import user
from atft_core.run.directory import RunDirectory
from atft_core.run.foreign import DAMAGE
from atft_core.run.journal import Journal, Tail
from atft_core.run.lock import EngineLock
from atft_core.run.status import evidence


def ledger() -> Path:
    """The file in the user's state directory that all runs share."""
    return user.state() / "holdout.jsonl"


def count_looks(data_hash: str) -> int:
    """How often this data's holdout has been scored."""
    return sum(_hash_of(line) == data_hash for line in Tail(ledger()).lines())


def _hash_of(line: str) -> str:
    try:
        return str(json.loads(line)["data_hash"])
    except DAMAGE:
        return ""


def look(run: RunDirectory, number: int) -> ev.HoldoutScored:
    """Score a complete trial; the look is in the ledger before the score is known."""
    trial = evidence(run).trials.get(number)
    if trial is None or trial.state != "COMPLETE":
        state = trial.state if trial else "unknown"
        raise UsageError(
            f"Trial {number} of {run.path} is {state}; only a complete trial is scored.",
            hint=f"`atft status {run.path}` lists the trials.",
        )
    from atft_core.train.holdout import refuse_other_weights, score_holdout

    lock = EngineLock(run.lock)
    try:
        refuse_other_weights(run, number)
        data_hash = str(run.facts()["data"]["hash"])
        looks = _enter(data_hash, run, number)
        scored = ev.HoldoutScored(trial=number, looks=looks, metrics=score_holdout(run, number))
        with Journal(run.events) as journal:
            journal.append(scored)
    finally:
        lock.release()
    return scored


def _enter(data_hash: str, run: RunDirectory, trial: int) -> int:
    """Count a look, one at a time; which one it is. What a torn line left is closed first."""
    line = {"t": time.time(), "data_hash": data_hash, "run": str(run.path), "trial": trial}
    path = ledger()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            size = file.seek(0, os.SEEK_END)
            torn = size > 0 and os.pread(file.fileno(), 1, size - 1) != b"\n"
            file.write(("\n" * torn + json.dumps(line) + "\n").encode())
            file.flush()
            os.fsync(file.fileno())
            return count_looks(data_hash)
    except OSError as error:
        raise AtftError(
            f"Cannot count this look in {path}: {error.strerror}.",
            hint="A look that is not counted is not made. Set XDG_STATE_HOME to a place that "
            "you may write.",
        ) from error
