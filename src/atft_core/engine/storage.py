"""Where a study is kept: study.db, an SQLite database as Optuna writes it, or PostgreSQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Container
from functools import partial
from pathlib import Path
from sys import intern
from typing import Any
from urllib.parse import quote

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import event, text
from sqlalchemy.exc import SQLAlchemyError

from atft_core.errors import EngineError

LOCK_TIMEOUT = 600.0
"""Seconds to wait for a program that holds the file; the worker trains on meanwhile."""
_SLICE = 500
"""Trials that are read at once."""
_NONE = 2**31 - 1
"""Beyond the number of any trial."""


class Storage(RDBStorage):
    """Studies in a database. Reads many trials a slice at a time, and keeps of them what differs.

    Optuna makes some fifty objects of each trial that it reads, for a moment: of ten thousand
    these are 200 MB, twice what it keeps. Of that half are the ranges and names of parameters,
    which all trials share.
    """

    def __init__(self, url: str, options: dict[str, Any], *, reads: bool = False) -> None:
        """`options`: SQLAlchemy's; `reads`: only, of a database that may be of another version."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        super().__init__(
            url, engine_kwargs=options, skip_compatibility_check=reads, skip_table_creation=reads
        )
        self._ranges: dict[str, BaseDistribution] = {}

    @classmethod
    def in_file(cls, path: Path, *, scratch: bool = False) -> Storage:
        """`scratch`: nothing has to survive a power cut until it is given its name."""
        # Not by the URL: in a path may stand whatever means something in one.
        opened = partial(sqlite3.connect, path, timeout=LOCK_TIMEOUT, check_same_thread=False)
        made = cls("sqlite:///study.db", {"creator": opened})
        if scratch:
            event.listen(made.engine, "connect", _in_a_hurry)
            made.engine.dispose()  # the connection that made the tables was not
        return made

    @classmethod
    def to_read(cls, path: Path) -> Storage:
        """Somebody else's file, in which nothing is changed and nobody is kept waiting."""
        place = f"file:{quote(str(path.absolute()))}?mode=ro"
        opened = partial(sqlite3.connect, place, uri=True, timeout=5.0, check_same_thread=False)
        return cls("sqlite:///study.db", {"creator": opened}, reads=True)

    def close(self) -> None:
        """Let go of the file."""
        self.engine.dispose()

    def _get_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        read = super()._get_trials
        if trial_id_greater_than >= 0:  # some that are known, and few that are new
            return self._sharing(read(study_id, states, included_trial_ids, trial_id_greater_than))
        of_study = text("SELECT trial_id FROM trials WHERE study_id = :study ORDER BY trial_id")
        try:
            with self.engine.connect() as connection:
                ids = [row[0] for row in connection.execute(of_study, {"study": study_id})]
        except SQLAlchemyError as error:
            raise StorageInternalError(f"the trials cannot be read: {error}") from error
        if not ids:  # or there is no such study
            return read(study_id, states, included_trial_ids, trial_id_greater_than)
        found: list[FrozenTrial] = []
        for start in range(0, len(ids), _SLICE):
            found += self._sharing(read(study_id, states, set(ids[start : start + _SLICE]), _NONE))
        return found

    def _sharing(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        """By their text: [0, 1] and [false, true] are equal, and choices may be lists."""
        for trial in trials:
            trial.params = {intern(name): value for name, value in trial.params.items()}
            trial.distributions = {
                intern(name): self._ranges.setdefault(repr(range_), range_)
                for name, range_ in trial.distributions.items()
            }
        return trials


def _in_a_hurry(connection: sqlite3.Connection, record: Any) -> None:
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA journal_mode = MEMORY")


def trials_of(path: Path) -> list[FrozenTrial]:
    """All trials of the one study in a file, none where a kill came before that was made;
    EngineError where it cannot be read.
    """
    storage = None
    try:
        storage = Storage.in_file(path)
        studies = storage.get_all_studies()
        if len(studies) > 1:
            raise EngineError(f"it holds {len(studies)} studies, and only one is the run's")
        found = (storage.get_all_trials(study._study_id, deepcopy=False) for study in studies)
        return next(found, [])
    except Exception as error:  # a damaged file makes SQLAlchemy and Optuna raise whatever comes
        raise EngineError(str(error).splitlines()[0] if str(error) else repr(error)) from error
    finally:
        if storage is not None:
            storage.close()
