"""A study made again from the event log, which knows all that was ever told to it."""

from __future__ import annotations

import os
import sqlite3
from collections import deque
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import StorageInternalError
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.exc import SQLAlchemyError

from atft_core.config.schema import Config
from atft_core.engine.space import distributions, planned
from atft_core.engine.storage import Storage, trials_of
from atft_core.engine.study import ENDED_STATES
from atft_core.errors import EngineError
from atft_core.run import events as ev
from atft_core.run.directory import RunDirectory
from atft_core.run.files import fsync_directory, fsync_file
from atft_core.run.journal import read_events
from atft_core.run.state import State, Trial
from atft_core.run.wording import finite


def why_unusable(path: Path, state: State) -> str:
    """Why a study is not the one that the log speaks of; empty where it is.

    It may know a little more: the engine tells it first, and a kill may come before the log.
    """
    if not path.exists() or not path.stat().st_size:
        return f"{path.name} is missing or empty" if state.trials else ""
    try:
        # Not read-only: what a kill left half-written SQLite takes back when it may write.
        with closing(sqlite3.connect(path)) as database:
            (said,) = database.execute("PRAGMA quick_check(1)").fetchone()
        if said != "ok":
            return f"{path.name} is damaged ({said.splitlines()[0]})"
        found = trials_of(path)
    except (sqlite3.Error, EngineError) as error:
        said = (str(error) or repr(error)).splitlines()[0]
        return "" if "locked" in said else f"{path.name} cannot be read ({said})"
    asked = {trial.number: trial for trial in found if trial.state is not TrialState.WAITING}
    why = why_unlike(asked, state)
    return f"{path.name}: {why}" if why else ""


def why_unlike(asked: Mapping[int, FrozenTrial], state: State) -> str:
    """What a study says otherwise than the log, of trials by their numbers in the run."""
    unlike = (_unlike(each, asked, state) for each in state.trials.values())
    return next((why for why in unlike if why), "")


def _unlike(trial: Trial, asked: Mapping[int, FrozenTrial], state: State) -> str:
    known = asked.get(trial.number)
    if known is None:
        return f"it does not know trial {trial.number}"
    if known.params != trial.params and known.params:
        return f"it has other parameters for trial {trial.number}"
    if trial.state in ENDED_STATES and known.state is not ENDED_STATES[trial.state]:
        return f"trial {trial.number} is {known.state.name} in it, and {trial.state} in the log"
    if trial.ended and _told(trial) != known.value:
        return f"trial {trial.number} has another value in it than in the log"
    if trial.ended and _reports(trial, state) != known.intermediate_values:
        return f"trial {trial.number} has other epochs in it than in the log"
    return ""


def _told(trial: Trial) -> float | None:
    """The value that the study was told."""
    return None if trial.state == "FAIL" else finite(trial.value)


def _reports(trial: Trial, state: State) -> dict[int, float]:
    values = {row.epoch: row.objective(state.objective, state.horizon) for row in trial.epochs}
    return {epoch: value for epoch, value in values.items() if value is not None}


def rebuild(run: RunDirectory, config: Config, state: State) -> None:
    """Put a study in the place of study.db that knows what the log knows.

    EngineError where the log has lost the trials in between.
    """
    if sorted(state.trials) != list(range(len(state.trials))):
        raise EngineError("The event log has lost some trials: the study cannot be made again.")
    made = run.study.with_name(f".study.rebuilt.{os.getpid()}.tmp")
    made.unlink(missing_ok=True)
    storage = None
    try:
        storage = Storage.in_file(made, scratch=True)
        study = optuna.create_study(
            study_name=config.engine.study_name, storage=storage, direction="maximize"
        )
        for number in sorted(state.trials):
            study.add_trial(_trial(config, state, state.trials[number]))
        _enqueue_again(study, run, config)
        storage.close()
        fsync_file(made)
        journal_of(run.study).unlink(missing_ok=True)  # half a commit of the study that was
        made.replace(run.study)
    except (SQLAlchemyError, StorageInternalError, OSError, ValueError) as error:
        # A full disk; parameters of another search.
        said = str(error.__cause__ or error).splitlines()[0]
        raise EngineError(f"The study cannot be made again: {said}.") from error
    finally:
        if storage is not None:
            storage.close()
        made.unlink(missing_ok=True)
    fsync_directory(run.path)


def journal_of(study: Path) -> Path:
    """Where SQLite keeps what a commit replaces, until it is through."""
    return study.with_name(f"{study.name}-journal")


def _trial(config: Config, state: State, trial: Trial) -> FrozenTrial:
    return create_trial(
        state=ENDED_STATES.get(trial.state, TrialState.RUNNING),
        value=_told(trial),
        params=dict(trial.params),
        distributions=distributions(config),
        intermediate_values=_reports(trial, state),
        user_attrs={"reason": trial.reason} if trial.ended else {},
    )


def _enqueue_again(study: Study, run: RunDirectory, config: Config) -> None:
    """The trials that were planned, or asked for by people, and have not been run."""
    waiting: deque[tuple[dict[str, Any], dict[str, Any]]] = deque(
        (params, {}) for params in planned(config)
    )
    known = set()
    for stamped in read_events(run.events):
        match stamped.event:
            case ev.TrialEnqueued(params=params, request=request) if request not in known:
                known.add(request)
                waiting.append((params, {"request": request}))
            case ev.TrialAsked() if waiting:
                waiting.popleft()
    for params, attributes in waiting:
        study.enqueue_trial(params, user_attrs=attributes)
