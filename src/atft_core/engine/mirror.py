"""Any Optuna study as a run directory, read-only: `atft-tui --watch` looks at that.

    python -m atft_core.engine.mirror < {"place": "sqlite:///study.db", "study": ""}

It answers with one line of JSON, as an engine does, follows the study until its standard input
ends, and takes the directory away. Of a study that minimises the values have a minus in
there: the largest is the best of every run.
"""

from __future__ import annotations

import json
import select
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from optuna.storages import get_storage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from atft_core.config.load import with_values
from atft_core.config.schema import Config
from atft_core.config.secret import redacted
from atft_core.engine.cluster.connect import first_line
from atft_core.engine.shared import engine_options
from atft_core.engine.storage import Storage
from atft_core.errors import AtftError, EngineError, UsageError
from atft_core.launch import answer, answer_refusal
from atft_core.run.directory import NAME
from atft_core.run.files import open_regular
from atft_core.run.fits import MOST
from atft_core.run.state import WATCHED
from atft_core.run.wording import finite
from atft_core.writer import MOST_COUNT, Run

POLL_SECONDS = 2.0
"""Between two looks at a study; more where a look takes long."""
SHARE = 0.05
"""Of a core, that looking may take."""
REPORTED = "reported"
"""What a trial told on its way, as a metric; its value is another thing."""
_STATES = {TrialState.COMPLETE: "COMPLETE", TrialState.PRUNED: "PRUNED", TrialState.FAIL: "FAIL"}


class Watched(Run):
    """A run that belongs to another program; what is shown of it need survive nothing."""

    DURABLE = False
    CODE = f"{Run.CODE}, {WATCHED}"

    def _answer(self, path: Path) -> None:
        said = "this study is only watched; ask the program that runs it"
        self.event("requested", id=path.stem, op="", ok=False, message=said)


class Mirror:
    """Tells a run what a study has been told since the last look."""

    def __init__(
        self, storage: Any, study: Any, directory: Path, place: str, file: Path | None = None
    ) -> None:
        """`storage`: Optuna's, cached; `study`: one of its studies; `place`: as people read it;
        `file`: where it lies, if it does in one.
        """
        self._storage, self._id = storage, study._study_id
        self._sign = -1.0 if study.directions[0] is StudyDirection.MINIMIZE else 1.0
        trials = storage.get_all_trials(self._id, deepcopy=False)
        steps = [step for trial in trials for step in trial.intermediate_values]
        self._first: int | None = min(*steps, 1) if steps else None
        self._told: dict[int, int] = {}
        """Epochs that were told, by the number of each trial that is known."""
        self._params: dict[int, dict[str, Any]] = {}
        self._over: set[int] = set()
        self._file, self._inode = file, _inode(file)
        name = study.study_name if NAME.fullmatch(study.study_name) else "study"
        objective = f"-{REPORTED}" if self._sign < 0 else REPORTED
        most = max(steps) - (self._first or 0) + 1 if steps else 1  # a step may be a time of day
        self.run = Watched(
            directory / name, epochs=min(most, MOST_COUNT), trials=max(1, len(trials)),
            objective=objective, name=study.study_name, program=place,
        )  # fmt: skip
        self._planned = max(1, len(trials))
        if self._sign < 0:
            text = "this study minimises: the trial with the smallest value is the best"
            self.run.event("alert", level="info", text=text, key="other")

    def look(self) -> None:
        """Tell what is new; EngineError where the file of the study is gone or another one."""
        if self._file and _inode(self._file) != self._inode:
            raise EngineError(f"{self._file} is not the file any more that is watched.")
        for trial in self._storage.get_all_trials(self._id, deepcopy=False):
            if trial.state is not TrialState.WAITING and trial.number not in self._over:
                self._tell(trial)
        self.run.stop_asked()  # whatever was asked is answered with a no

    def _tell(self, trial: FrozenTrial) -> None:
        began = _seconds(trial.datetime_start)
        if trial.number not in self._told:
            self._begin(trial, began)
        params = {name: _plain(value) for name, value in trial.params.items()}
        if self._params.get(trial.number) != params:  # they are drawn one after the other
            self._params[trial.number] = params
            self.run.event("trial_asked", at=began, trial=trial.number, params=params)
            self.run.event("worker_started", at=began, trial=trial.number, attempt=1)
        rows = list(self._rows(trial))
        if not trial.state.is_finished():
            rows = rows[:-1]  # what else it tells of itself is known at its end
        ended = _seconds(trial.datetime_complete) if trial.state.is_finished() else time.time()
        known = self._told[trial.number]
        for place, (epoch, val) in enumerate(rows[known:], start=known + 1):
            self.run.event(
                "epoch", at=began + (ended - began) * place / len(rows), trial=trial.number,
                attempt=1, worker_seq=place, epoch=epoch, seconds=(ended - began) / len(rows),
                val={"1": val},
            )  # fmt: skip
        self._told[trial.number] = len(rows)
        if trial.state.is_finished():
            self._end(trial, ended)

    def _begin(self, trial: FrozenTrial, began: float) -> None:
        number = trial.number
        self._told[number] = 0
        if len(self._told) > self._planned:
            self._planned += 1
            self.run.event("trial_enqueued", params={}, request=f"trial {number}")

    def _end(self, trial: FrozenTrial, ended: float) -> None:
        state = _STATES[trial.state]
        reported = list(trial.intermediate_values.values())
        value = trial.value if trial.value is not None else next(reversed(reported), None)
        reason = str(trial.system_attrs.get("fail_reason", ""))
        if value is not None and not -MOST < value < MOST:
            state, reason = "FAIL", f"its value {value:g} is beyond all measure"
        signed = None if state == "FAIL" or value is None else self._sign * value
        number = trial.number
        self.run.event("worker_exited", at=ended, trial=number, attempt=1, ok=True, reason=reason)
        self.run.event("trial_ended", at=ended, trial=number, state=state, value=signed,
                       reason=reason)  # fmt: skip
        self._over.add(number)

    def _rows(self, trial: FrozenTrial) -> Iterator[tuple[int, dict[str, float]]]:
        """Epoch and metrics: what was reported, else what it ended with; its own numbers last."""
        attrs = {name: finite(value) for name, value in trial.user_attrs.items()}
        own = {name: value for name, value in attrs.items() if value is not None}
        told = sorted(trial.intermediate_values.items())
        if told and self._first is None:
            self._first = min(told[0][0], 1)
        first = 1 if self._first is None else self._first
        if not told and trial.state.is_finished() and trial.value is not None:
            told = [(first, trial.value)]
        for place, (step, value) in enumerate(told, start=1):
            extra = own if trial.state.is_finished() and place == len(told) else {}
            yield max(1, step - first + 1), {**extra, REPORTED: value}


def watch(place: str, name: str, directory: Path) -> Mirror:
    """The mirror of a study; UsageError where there is none, or none that can be shown."""
    shown = redacted(place)
    try:
        storage = _opened(place)
        studies = storage.get_all_studies()
    except AtftError:
        raise
    except Exception as error:  # a file that is none makes SQLAlchemy raise whatever comes
        raise EngineError(f"{shown} holds no studies of Optuna that can be read.") from error
    named = [study for study in studies if name in ("", study.study_name)]
    names = ", ".join(study.study_name for study in studies) or "none"
    if len(named) != 1:
        hint = f"There are: {names}. Name one with --study."
        none = f"no study {name!r}" if name else "no study"
        raise UsageError(f"{shown}: which study?" if named else f"{shown} has {none}.", hint=hint)
    if len(named[0].directions) > 1:
        raise UsageError(f"{named[0].study_name} has several objectives; only one can be watched.")
    return Mirror(get_storage(storage), named[0], directory, shown, _file_of(place))


def _file_of(place: str) -> Path | None:
    """The file that a study lies in; None where that is a server."""
    parts = urlsplit(place)
    if parts.scheme.startswith("sqlite") or (not parts.scheme and not _is_secret(Path(place))):
        return Path(unquote(place.partition(":///")[2]) if parts.scheme else place)
    return None


def _inode(path: Path | None) -> int:
    try:
        return path.stat().st_ino if path else 0
    except OSError:
        return -1


def _opened(place: str) -> Storage:
    """SQLite as a file or a URL, opened for reading; PostgreSQL as for `--storage`."""
    path = _file_of(place)
    if path is not None:
        if (path / "run.json").is_file():
            raise UsageError(f"{path} is a run.", hint=f"`atft-tui {path}` shows it.")
        if not path.is_file():
            raise UsageError(f"There is no study {path}.", hint="sqlite:///study.db, or a file.")
        with path.open("rb") as file:
            if not file.read(16).startswith(b"SQLite format 3"):
                raise EngineError(f"{path} is no SQLite database, so it holds no study.")
        return Storage.to_read(path)
    url, options = engine_options(with_values(Config(), {"engine.storage": place}))
    options["connect_args"]["options"] = "-c default_transaction_read_only=on"
    return Storage(url, options, reads=True)


def _is_secret(path: Path) -> bool:
    """Whether a file holds the URL of a database, and is none itself."""
    try:
        with open_regular(path) as file:
            return file.read(8).startswith(b"postgres")
    except OSError:
        return False


def _seconds(moment: datetime | None) -> float:
    return moment.timestamp() if moment else time.time()


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | float | str | bool) else str(value)


def main() -> int:
    """Follow a study until standard input ends."""
    asked = json.loads(sys.stdin.readline())
    directory = Path(tempfile.mkdtemp(prefix="atft-watch-"))
    try:
        mirror = watch(str(asked["place"]), str(asked.get("study", "")), directory)
        mirror.look()
        answer(run_dir=str(mirror.run.path))
        _follow(mirror)
    except AtftError as error:
        answer_refusal(error)
        return error.exit_code
    except Exception as error:  # noqa: BLE001 -- what others keep in a study may be anything
        said = f"{redacted(str(asked['place']))} cannot be shown: {first_line(error)}"
        answer_refusal(EngineError(said, hint="Whatever writes it can open it; atft cannot."))
        return 1
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return 0


def _follow(mirror: Mirror) -> None:
    """A console says that a study cannot be read, once, and that it can again."""
    pause, readable = POLL_SECONDS, True
    while not select.select([sys.stdin], [], [], pause)[0]:
        began = time.process_time()
        try:
            mirror.look()
            said = "" if readable else "the study can be read again"
        except Exception as error:  # noqa: BLE001 -- the server is away, the file is held: it may come back
            why = first_line(error.__cause__ or error)  # Optuna's own words blame the data
            said = f"the study cannot be read just now: {why}" if readable else ""
        if said:
            readable = not readable
            mirror.run.event("alert", level="info" if readable else "error", text=said, key="other")
        pause = max(POLL_SECONDS, (time.process_time() - began) / SHARE)


if __name__ == "__main__":
    sys.exit(main())
