"""The Optuna study of a run. Only the engine opens it, and only one engine at a time.

Rollback journal, not WAL: a WAL database cannot be read by another user once its writer is gone.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import warnings
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import StorageInternalError
from optuna.pruners import BasePruner, MedianPruner, NopPruner, PatientPruner
from optuna.samplers import TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from atft_core.config.engine import EngineConfig
from atft_core.config.schema import Config
from atft_core.engine.space import planned
from atft_core.engine.storage import LOCK_TIMEOUT, Storage
from atft_core.errors import EngineError
from atft_core.run.directory import RunDirectory
from atft_core.run.faults import after, before
from atft_core.run.wording import several

ENDED_STATES = {
    "COMPLETE": TrialState.COMPLETE, "PRUNED": TrialState.PRUNED, "FAIL": TrialState.FAIL,
}  # fmt: skip
"""Of a trial that is through, by the word of the log."""


@dataclass(frozen=True)
class Asked:
    """A trial that a run was given."""

    number: int
    """In the run: a study that several runs share calls it by another one."""
    trial: Trial


def open_study(run: RunDirectory, config: Config, *, trials_known: int) -> Study:
    """The study, made on first use with the trials that are planned: trial 0, or a grid."""
    _refuse_emptied(run, trials_known)
    try:
        storage = Storage.in_file(run.study)
    except OperationalError as error:  # held by another program, no descriptor: it may pass
        raise StorageInternalError(str(error.orig)) from error
    except SQLAlchemyError as error:
        raise EngineError(
            f"{run.study} cannot be opened: {str(error).splitlines()[0]}.",
            hint=f"`atft repair {run.path}` makes it again from the event log.",
        ) from error
    try:
        study = optuna.create_study(
            study_name=config.engine.study_name,
            storage=storage,
            direction="maximize",
            pruner=make_pruner(config.engine),
            load_if_exists=True,
        )
        known = len(study.get_trials(deepcopy=False))
        for params in planned(config)[known:]:  # a kill may have cut an earlier start short
            study.enqueue_trial(params)
    except BaseException:
        storage.close()
        raise
    return study


def close_study(study: Study) -> None:
    """Let go of the file."""
    backend(study).close()


def backend(study: Study) -> Storage:
    """Where it is kept: before that, a cache may stand."""
    storage: Any = study._storage
    found: Storage = getattr(storage, "_backend", storage)
    return found


def _refuse_emptied(run: RunDirectory, trials_known: int) -> None:
    """Optuna would quietly write a fresh schema into an empty file."""
    size = run.study.stat().st_size if run.study.exists() else 0
    if trials_known and size == 0:
        raise EngineError(
            f"{run.study} is missing or empty, but the event log knows "
            f"{several(trials_known, 'trial')}.",
            hint=f"`atft repair {run.path}` makes it again from the event log.",
        )


class _Sampler(TPESampler):
    """Knows the space. Optuna would read it off all trials that there are, for each trial anew."""

    def __init__(self, space: Mapping[str, BaseDistribution], **pinned: Any) -> None:
        super().__init__(**pinned)
        self._space = space

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """What is drawn together: all that there is a choice of."""
        return {key: each for key, each in sorted(self._space.items()) if not each.single()}


def make_sampler(seed: int, number: int, space: Mapping[str, BaseDistribution]) -> TPESampler:
    """The sampler of one trial. Seeded by seed and number: a resumed study draws the same.

    Every argument that a new Optuna might default differently is pinned.
    """
    digest = hashlib.sha256(f"{seed}:{number}".encode()).digest()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return _Sampler(
            space,
            n_startup_trials=10,
            n_ei_candidates=24,
            multivariate=True,
            group=False,
            constant_liar=True,
            seed=int.from_bytes(digest[:4], "big"),
        )


def make_pruner(engine: EngineConfig) -> BasePruner:
    """Patience around the median: early epochs mislead, so nothing is pruned before a warm-up.

    A grid is there to be seen whole.
    """
    if engine.sampler == "grid":
        return NopPruner()
    median = MedianPruner(
        n_startup_trials=engine.prune_startup, n_warmup_steps=first_prunable_epoch(engine)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return PatientPruner(median, patience=engine.prune_patience)


def first_prunable_epoch(engine: EngineConfig) -> int:
    """After the warm-up, and when there are epochs before and within the patience to compare."""
    return max(engine.prune_warmup + 1, engine.prune_patience + 2)


def pruning_possible(config: Config) -> bool:
    """Whether any trial of this run could be pruned at all."""
    engine, epochs = config.engine, config.train.max_epochs
    return (
        engine.sampler != "grid"
        and engine.n_trials > engine.prune_startup
        and epochs > first_prunable_epoch(engine)
    )


def frozen(study: Study, number: int) -> FrozenTrial | None:
    """The study's view of a trial, None when it has never been asked for."""
    storage = study._storage  # not all trials, to look at one
    try:
        found = storage.get_trial_id_from_study_id_trial_number(study._study_id, number)
    except KeyError:
        return None
    trial = storage.get_trial(found)
    return None if trial.state is TrialState.WAITING else trial


def ask(study: Study, number: int, seed: int, space: Mapping[str, BaseDistribution]) -> Trial:
    """The trial of that number: the one the study already runs, or the next one."""
    # Also for a trial whose suggestions a kill cut off.
    study.sampler = make_sampler(seed, number, space)
    known = frozen(study, number)
    if known is not None:
        return Trial(study, known._trial_id)
    before("study ask")
    trial = study.ask()
    after("study ask")
    if trial.number != number:
        raise EngineError(
            f"The study handed out trial {trial.number} where {number} was due.",
            hint="Does something else write into study.db?",
        )
    return trial


def enqueue(study: Study, params: dict[str, Any], request: str, **marks: str) -> None:
    """Have a trial with these parameters asked next; once for each request."""
    if not has_enqueued(study, request):
        before("study enqueue")
        study.enqueue_trial(params, user_attrs={"request": request, **marks})
        after("study enqueue")


def has_enqueued(study: Study, request: str) -> bool:
    """Whether the study has the trial that a request asked for."""
    known = study.get_trials(deepcopy=False)
    return any(trial.user_attrs.get("request") == request for trial in known)


def report(trial: Trial, epoch: int, value: float | None) -> None:
    """An epoch's value; the first report of an epoch stands, an undefined one is none."""
    if value is None:
        return
    before("study report")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has been reported before
        trial.report(value, epoch)
    after("study report")


def copy_study(run: RunDirectory) -> None:
    """A consistent copy of study.db for other tools, replaced in one step."""
    temporary = run.study_snapshot.with_name(f".study.snapshot.{os.getpid()}.tmp")
    before("study copy")
    temporary.unlink(missing_ok=True)  # of a process that had this number once
    try:
        with (
            closing(sqlite3.connect(run.study, timeout=LOCK_TIMEOUT)) as source,
            closing(sqlite3.connect(temporary)) as target,
        ):
            source.backup(target)
        before("rename study copy")
        temporary.replace(run.study_snapshot)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    after("study copy")
