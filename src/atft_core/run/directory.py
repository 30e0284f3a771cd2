"""The run directory: where each file is, and how the directory comes to be."""

from __future__ import annotations

import os
import re
import shutil
import stat
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atft_core.errors import RunDirectoryError, UsageError
from atft_core.run.files import read_json, write_json
from atft_core.run.lock import Holder, probe
from atft_core.run.wording import finite

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
_TRIAL = re.compile(r"trial_(\d+)")
_SKELETON = ("logs", "requests", "engine.lock", "config.toml", "events.jsonl")
"""What a run that was killed in its first moments may leave; run.json is written after these."""
_HALF = re.compile(r"\.(config\.toml|run\.json)\.\d+\.tmp")
"""What a start that was killed while it wrote leaves."""


def check_name(name: str, what: str) -> str:
    """`name` if it is safe as a directory and study name, else a UsageError."""
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{what} {name!r} is not a valid name.",
            hint="Use 1 to 64 letters, digits, '.', '_' or '-', not starting with '.' or '-'.",
        )
    return name


@dataclass(frozen=True)
class RunDirectory:
    """Paths inside one run directory."""

    path: Path

    @property
    def run_json(self) -> Path:
        """Facts about the run, written once."""
        return self.path / "run.json"

    @property
    def config(self) -> Path:
        """The resolved configuration with the origin of every key."""
        return self.path / "config.toml"

    @property
    def study(self) -> Path:
        """Optuna's SQLite file; only the engine opens it."""
        return self.path / "study.db"

    @property
    def study_snapshot(self) -> Path:
        """A copy of the study for other tools."""
        return self.path / "study.snapshot.db"

    @property
    def events(self) -> Path:
        """The engine's event log."""
        return self.path / "events.jsonl"

    @property
    def gpu(self) -> Path:
        """GPU samples."""
        return self.path / "gpu.jsonl"

    @property
    def requests(self) -> Path:
        """Requests to the engine, one file each."""
        return self.path / "requests"

    @property
    def lock(self) -> Path:
        """The engine's lock."""
        return self.path / "engine.lock"

    @property
    def snapshot(self) -> Path:
        """State folded so far; may be deleted at any time."""
        return self.path / "state.snapshot"

    @property
    def notes(self) -> Path:
        """What people wrote about the run and its trials."""
        return self.path / "notes.jsonl"

    @property
    def preflight(self) -> Path:
        """What was checked before the first trial."""
        return self.path / "preflight.json"

    def baselines(self, fold: int = 0) -> Path:
        """Daily RankIC of the baselines as an Arrow IPC file; of a fold when walking forward."""
        return self._of_fold("baselines", fold, "arrow")

    def trees(self, fold: int = 0) -> Path:
        """The trees of LightGBM among them: a checksum, then LightGBM's own text."""
        return self._of_fold("lightgbm", fold, "txt")

    def tree_scores(self, fold: int = 0) -> Path:
        """What they say of the validation days, as an Arrow IPC file."""
        return self._of_fold("lightgbm", fold, "arrow")

    def _of_fold(self, stem: str, fold: int, suffix: str) -> Path:
        return self.path / (f"{stem}.fold{fold}.{suffix}" if fold else f"{stem}.{suffix}")

    @property
    def conclusion(self) -> Path:
        """What all trials say together, for the engine to tell."""
        return self.path / "conclusion.json"

    @property
    def walk(self) -> Path:
        """What the folds of a walk-forward say together."""
        return self.path / "walkforward.json"

    @property
    def walk_predictions(self) -> Path:
        """The predictions of all folds, averaged over seeds, as an Arrow IPC file."""
        return self.path / "walkforward.arrow"

    @property
    def log(self) -> Path:
        """The log that people read."""
        return self.path / "logs" / "ml_training.log"

    @property
    def plugins(self) -> Path:
        """Copies of the plug-ins that it was started with."""
        return self.path / "plugins"

    @property
    def engine_stacks(self) -> Path:
        """Where the engine's threads were when it was asked."""
        return self.path / "logs" / "engine_stacks.txt"

    @property
    def stacks(self) -> Path:
        """What was found when all processes were asked, a file each time."""
        return self.path / "stacks"

    def trial(self, number: int) -> TrialDirectory:
        """Paths inside one trial's directory."""
        return TrialDirectory(self.path / f"trial_{number}")

    def trials(self) -> list[int]:
        """Numbers of the trial directories that exist."""
        found = (_TRIAL.fullmatch(entry.name) for entry in self.path.iterdir())
        return sorted(int(match[1]) for match in found if match)

    def facts(self) -> dict[str, Any]:
        """run.json; an error when this is no run directory."""
        value = read_json(self.run_json)
        if not isinstance(value, dict):
            raise RunDirectoryError(
                f"{self.path} is not a run directory (no readable run.json).",
                hint="`atft status` lists the runs below the current directory.",
            )
        return value

    def place(self) -> Path:
        """Where it was started, to which its relative paths belong; here, where that is gone."""
        facts = read_json(self.run_json)
        place = Path(str(facts.get("cwd", "")) if isinstance(facts, dict) else "")
        return place if place.is_dir() else Path.cwd()

    def holder(self) -> Holder:
        """Who holds the engine's lock."""
        return probe(self.lock)


@dataclass(frozen=True)
class TrialDirectory:
    """Paths inside trial_N."""

    path: Path

    @property
    def stacks(self) -> Path:
        """Where the worker's threads were when it was asked."""
        return self.path / "stacks.txt"

    @property
    def params(self) -> Path:
        """Parameters of the trial."""
        return self.path / "params.json"

    @property
    def events(self) -> Path:
        """The worker's own events, drained by the engine."""
        return self.path / "events.jsonl"

    @property
    def control(self) -> Path:
        """Engine to worker: stop or prune."""
        return self.path / "control.json"

    @property
    def lock(self) -> Path:
        """Held by the trial's worker, which names itself in it."""
        return self.path / "worker.lock"

    @property
    def placed(self) -> Path:
        """On which node of a cluster its worker is."""
        return self.path / "placed.json"

    @property
    def gpu(self) -> Path:
        """Samples of the GPUs of that node that it was given."""
        return self.path / "gpu.jsonl"

    @property
    def exit(self) -> Path:
        """The worker's last word."""
        return self.path / "exit.json"

    @property
    def log(self) -> Path:
        """Everything the worker printed."""
        return self.path / "log.txt"

    @property
    def metrics(self) -> Path:
        """Epochs and metrics, as documented in the README."""
        return self.path / "metrics.json"

    @property
    def predictions(self) -> Path:
        """Validation (and holdout) predictions as an Arrow IPC file."""
        return self.path / "predictions.arrow"

    @property
    def daily_ic(self) -> Path:
        """Daily IC and RankIC as an Arrow IPC file."""
        return self.path / "daily_ic.arrow"

    @property
    def daily_text(self) -> Path:
        """Those of the newest validation, to be read without Arrow."""
        return self.path / "daily_ic.csv"

    @property
    def checkpoints(self) -> Path:
        """Checkpoints by epoch."""
        return self.path / "checkpoints"


def _refuse_foreign(path: Path) -> None:
    if path.is_symlink():
        raise RunDirectoryError(f"{path} is a symbolic link.", hint="Name a directory itself.")
    if not path.is_dir():
        raise RunDirectoryError(f"{path} exists and is not a directory.", hint="Name another one.")
    names = [entry.name for entry in path.iterdir()]
    foreign = [name for name in names if name not in _SKELETON and not _HALF.fullmatch(name)]
    if foreign and not (path / "run.json").exists():
        raise RunDirectoryError(
            f"{path} holds something that is not an atft run ({sorted(foreign)[0]}).",
            hint="Name an empty or a new directory.",
        )


def refuse_shared(path: Path) -> None:
    """A run directory that others may write would let them run code as this user."""
    mode = path.stat().st_mode
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise RunDirectoryError(
            f"{path} may be written by others (mode {stat.S_IMODE(mode):04o}).",
            hint=f"chmod go-w {path}",
        )


def free_path(wanted: Path) -> Path:
    """`wanted` if it is free, else the first free of wanted.2, wanted.3 ..."""
    check_name(wanted.name, "The output directory's name")
    if wanted.exists() or wanted.is_symlink():
        _refuse_foreign(wanted)
    path, count = wanted, 1
    while (path / "run.json").exists() or (count > 1 and path.exists()):
        count += 1
        path = wanted.with_name(f"{wanted.name}.{count}")
    return path


def create(wanted: Path, *, group: str = "") -> RunDirectory:
    """Make a new run directory, 0700; for a group 02750, so that all in it is the group's, too."""
    try:
        path = free_path(wanted)
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        if group:
            shutil.chown(path, group=group)
        path.chmod(0o2750 if group else 0o700)
        (path / "logs").mkdir(exist_ok=True)
        (path / "requests").mkdir(exist_ok=True)
    except OSError as error:
        raise RunDirectoryError(
            f"Cannot create {wanted}: {error.strerror}.",
            hint="Name another one (--output-dir, or output_dir in the runbook).",
        ) from error
    if not os.access(path, os.W_OK):
        raise RunDirectoryError(f"{path} may not be written.", hint=f"chmod u+w {path}")
    return RunDirectory(path)


def siblings(wanted: Path) -> list[RunDirectory]:
    """Existing runs NAME, NAME.2, NAME.3 ... in the order in which they were made."""
    name = re.compile(re.escape(wanted.name) + r"(?:\.\d+)?")
    below = wanted.parent.iterdir() if wanted.parent.is_dir() else ()
    return _oldest_first(entry for entry in below if name.fullmatch(entry.name))


def find_runs(root: Path) -> list[RunDirectory]:
    """Run directories at `root`, one or two levels below it, newest first."""
    patterns = ("run.json", "*/run.json", "*/*/run.json")
    places = {path.parent for pattern in patterns for path in root.glob(pattern)}
    return _oldest_first(places)[::-1]


def _oldest_first(places: Iterable[Path]) -> list[RunDirectory]:
    """Those that are runs, by when they were made. What this user may not look into is left out."""
    dated = ((created(RunDirectory(place)), place) for place in places)
    found = [(made, len(place.name), place) for made, place in dated if made is not None]
    return [RunDirectory(place) for *_, place in sorted(found)]


def created(run: RunDirectory) -> float | None:
    """When a run was made, as it says itself; 0 where it does not say; None where there is none.

    Not by the file's time, which a copy changes, and not by its number alone, which says little
    once a place was freed and used again.
    """
    try:
        if not stat.S_ISREG(run.run_json.stat().st_mode):
            return None
    except OSError:
        return None
    facts = read_json(run.run_json)
    made = facts.get("created") if isinstance(facts, dict) else None
    return finite(made) or 0.0


def write_request(run: RunDirectory, op: str, args: dict[str, Any], *, user: str, host: str,
                  t: float) -> str:  # fmt: skip
    """Leave a request for the engine; the returned id is answered by one event."""
    request_id = uuid.uuid4().hex
    value = {"op": op, "args": args, "user": user, "host": host, "t": t}
    try:
        run.requests.mkdir(exist_ok=True)
        write_json(run.requests / f"{request_id}.json", value, place="request")
    except OSError as error:
        raise RunDirectoryError(
            f"Cannot leave a request in {run.requests}: {error.strerror}.",
            hint="Is this your run? Is the disk full?",
        ) from error
    return request_id
