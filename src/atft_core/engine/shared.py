"""A study in PostgreSQL, which several runs may share: each asks for trials of its own.

A trial says whose it is from the moment in which it exists, so an engine that was killed, or lost
the server between asking and hearing the answer, finds it again.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import DuplicatedStudyError, StorageInternalError
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.exc import SQLAlchemyError

from atft_core.config.schema import Config
from atft_core.config.secret import find_url, redacted
from atft_core.engine.space import planned
from atft_core.engine.storage import Storage
from atft_core.engine.study import backend, make_pruner, make_sampler
from atft_core.errors import ConfigError, EngineError
from atft_core.run.directory import RunDirectory
from atft_core.run.events import Json
from atft_core.run.faults import after, before

CONNECT_SECONDS = 10
"""For a server to answer."""
_SILENT_SECONDS = 20
"""After which a connection on which nothing comes is asked whether it lives, and given up."""
_TURN = 0x61746674
"""Number of the lock that engines take in turns while a study is made."""
_EXPERIMENT, _OWNER, _RUN = "experiment", "owner", "run"
"""Attributes of a study and of its trials."""


def engine_options(config: Config) -> tuple[str, dict[str, Any]]:
    """URL and options for SQLAlchemy; ConfigError where there is no URL or no driver."""
    try:
        url = make_url(find_url(config.engine.storage)).set(drivername="postgresql+psycopg")
    except (SQLAlchemyError, ValueError):  # what they say may hold the password
        raise ConfigError(
            "engine.storage: the URL of the database cannot be read.",
            hint="postgresql://USER:PASSWORD@HOST:5432/DATABASE; in the password write / as %2F, "
            "@ as %40, : as %3A.",
        ) from None
    alive = {
        "connect_timeout": CONNECT_SECONDS, "application_name": "atft", "keepalives": 1,
        "keepalives_idle": _SILENT_SECONDS, "keepalives_interval": 5, "keepalives_count": 3,
        "tcp_user_timeout": 2 * _SILENT_SECONDS * 1000,
        "client_encoding": "utf8",  # else a database without an encoding answers in bytes
    }  # fmt: skip
    try:
        import psycopg  # noqa: F401 -- an extra
    except ImportError as error:
        raise ConfigError(
            "engine.storage is a PostgreSQL database, but its driver is not installed.",
            hint="pip install 'atft[postgres]'",
        ) from error
    return url.render_as_string(hide_password=False), {
        "connect_args": alive, "pool_pre_ping": True, "pool_size": 1,
    }  # fmt: skip


def why_unreachable(config: Config) -> str:
    """What the server says, or who does not answer; empty where it is there."""
    try:
        url, options = engine_options(config)
    except ConfigError as error:  # a file that is away for a moment
        return error.message
    engine = create_engine(url, **options)
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        return redacted(_first_line(error))
    finally:
        engine.dispose()
    return ""


def refuse_unreachable(config: Config) -> None:
    """A run that cannot ask for its first trial should not begin; EngineError."""
    if not config.engine.storage:
        return
    engine_options(config)  # a ConfigError says more
    if why := why_unreachable(config):
        raise EngineError(
            f"engine.storage: the database cannot be used: {why}.",
            hint="Is it running, is the URL right, and may this user make tables in it?",
        )


def open_shared(config: Config, identity: Json) -> Study:
    """The study, made on first use with the trials that are planned.

    EngineError when it is one of another experiment; StorageInternalError when the server is gone.
    """
    url, options = engine_options(config)
    engine = create_engine(url, **options)
    try:
        with _alone(engine):
            storage = Storage(url, options)
            try:
                return _made(storage, config, identity)
            except BaseException:
                storage.close()
                raise
    finally:
        engine.dispose()


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """One run after the other: several may begin at the same time, in an empty database, or want
    the same trial. StorageInternalError when the server is gone.
    """
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:turn)"), {"turn": _TURN})
            yield
    except SQLAlchemyError as error:
        raise StorageInternalError(redacted(_first_line(error))) from error


def _made(storage: Storage, config: Config, identity: Json) -> Study:
    experiment = {key: identity.get(key) for key in ("config_hash", "data_hash")}
    name, pruner = config.engine.study_name, make_pruner(config.engine)
    try:
        study = optuna.create_study(
            study_name=name, storage=storage, pruner=pruner, direction="maximize"
        )
    except DuplicatedStudyError:
        study = optuna.load_study(study_name=name, storage=storage, pruner=pruner)
    known = study.user_attrs.get(_EXPERIMENT)
    if known is None:  # just made, or by an engine that was killed meanwhile
        for params in planned(config)[len(study.get_trials(deepcopy=False)) :]:
            study.enqueue_trial(params)
        study.set_user_attr(_EXPERIMENT, experiment)
    elif known != experiment:
        raise EngineError(
            f"The study {name} in this database is of another experiment: its "
            "data or its settings are others.",
            hint="Give this run another engine.study_name, or the same data and settings.",
        )
    return study


def ask_shared(
    study: Study, run: RunDirectory, number: int, seed: int, space: Mapping[str, BaseDistribution]
) -> Trial:
    """The run's trial of that number: the one that it was given, or a new one."""
    owner = owner_of(run, number)
    trials = study.get_trials(deepcopy=False)
    asked = (trial for trial in trials if trial.state is not TrialState.WAITING)
    known = next((trial for trial in asked if trial.user_attrs.get(_OWNER) == owner), None)
    if known is None:
        before("study ask")
        waiting = any(trial.state is TrialState.WAITING for trial in trials)
        popped = _popped(study, run, owner) if waiting else None
        trial_id = popped or _new(study, run, owner)
        after("study ask")
    else:
        trial_id = known._trial_id
    trial = Trial(study, trial_id)
    # By its number in the study: two runs that begin together must not draw the same.
    study.sampler = make_sampler(seed, trial.number, space)
    return trial


def _popped(study: Study, run: RunDirectory, owner: str) -> int | None:
    """A trial that waits, for anybody or for this run. It is named before it is taken: a kill
    between the two leaves it to the same run.
    """
    storage, mine = study._storage, run_id(run)
    with _alone(
        backend(study).engine
    ):  # else two would name it, and the second one's name would stay
        for trial in study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            if trial.user_attrs.get(_RUN, mine) != mine:
                continue
            _mark(study, trial._trial_id, run, owner)
            if storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING):
                return trial._trial_id
    return None


def _mark(study: Study, trial_id: int, run: RunDirectory, owner: str) -> None:
    for key, value in _marks(run, owner).items():
        study._storage.set_trial_user_attr(trial_id, key, value)


def _new(study: Study, run: RunDirectory, owner: str) -> int:
    template = create_trial(state=TrialState.RUNNING, user_attrs=_marks(run, owner))
    return study._storage.create_new_trial(study._study_id, template_trial=template)


def _marks(run: RunDirectory, owner: str) -> dict[str, str]:
    """Whose a trial is, for engines and for people."""
    return {_OWNER: owner, _RUN: run_id(run), "where": f"{socket.gethostname()}:{run.path}"}


def run_id(run: RunDirectory) -> str:
    """What a run is called in a study that it shares, wherever its directory is moved."""
    return str(run.facts().get("id", run.path))


def owner_of(run: RunDirectory, number: int) -> str:
    """The name of a run's trial in a study that it shares."""
    return f"{run_id(run)}/{number}"


def own_trials(study: Study, run: RunDirectory) -> dict[int, FrozenTrial]:
    """The trials of a run, by its own numbers."""
    start = owner_of(run, 0)[:-1]
    owners = ((str(t.user_attrs.get(_OWNER, "")), t) for t in study.get_trials(deepcopy=False))
    return {
        int(owner.removeprefix(start)): trial for owner, trial in owners if owner.startswith(start)
    }


def _first_line(error: SQLAlchemyError) -> str:
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0]
