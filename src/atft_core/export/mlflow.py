"""A run in an MLflow store: a parent run for the sweep, one below it for each trial."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from atft_core.errors import AtftError, UsageError
from atft_core.run.directory import RunDirectory
from atft_core.run.state import State, Trial
from atft_core.run.wording import finite, several

_BATCH = 500
"""Metrics of one request; MLflow takes 1,000."""
_RUN_ENDS = {"FINISHED": "FINISHED", "FAILED": "FAILED", "STOPPED": "KILLED"}
_ENDS = {"COMPLETE": "FINISHED", "PRUNED": "KILLED", "FAIL": "FAILED"}


def send(run: RunDirectory, state: State, out: str) -> str:
    """Tell the store at that URI (file:, sqlite: or http(s):) of all trials.

    UsageError where MLflow's client is not installed; AtftError with what the store says.
    """
    if out.startswith("file:"):  # asked for by name; MLflow would rather have a database by now
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    try:
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient
    except ImportError as error:
        raise UsageError("MLflow is not installed.", hint="pip install 'atft[mlflow]'") from error
    try:
        count = _send(MlflowClient(tracking_uri=out), run, state)
    except MlflowException as error:
        raise AtftError(f"The MLflow store does not take it: {error}.") from error
    return f"{several(count, 'trial')} told to {out}"


def _send(client: Any, run: RunDirectory, state: State) -> int:
    name = state.study_name or run.path.name
    known = client.get_experiment_by_name(name)
    experiment = known.experiment_id if known else client.create_experiment(name)
    tags = {"mlflow.runName": run.path.name, "atft.run": str(run.facts().get("id", ""))}
    parent = client.create_run(experiment, start_time=_ms(state.started), tags=tags).info.run_id
    for trial in state.trials.values():
        _trial(client, experiment, parent, state, trial)
    if ended := _RUN_ENDS.get(state.end_state):  # else it runs, or may go on
        client.set_terminated(parent, ended, end_time=_ms(state.ended))
    return len(state.trials)


def _trial(client: Any, experiment: str, parent: str, known: State, trial: Trial) -> None:
    from mlflow.entities import Metric, Param

    tags = {"mlflow.parentRunId": parent, "mlflow.runName": f"trial {trial.number}"}
    made = client.create_run(experiment, start_time=_ms(trial.started), tags=tags).info.run_id
    params = [Param(key, str(value)[:6000]) for key, value in trial.params.items()]
    client.log_batch(made, params=params)
    metrics = [Metric(*each) for each in _metrics(known, trial)]
    for start in range(0, len(metrics), _BATCH):
        client.log_batch(made, metrics=metrics[start : start + _BATCH])
    if state := _ENDS.get(trial.state):
        client.set_terminated(made, state, end_time=_ms(trial.ended))


def _metrics(known: State, trial: Trial) -> Iterator[tuple[str, float, int, int]]:
    """Name, value, milliseconds since 1970, epoch."""
    for row in trial.epochs:
        for name, value in row.train.items():
            if (number := finite(value)) is not None:
                yield f"train.{name}", number, _ms(row.t), row.epoch
        for horizon, metrics in row.val.items():
            for name, value in metrics.items():
                if (number := finite(value)) is not None:
                    yield f"val.h{horizon}.{name}", number, _ms(row.t), row.epoch
    if (value := finite(known.measured(trial.value))) is not None:
        yield "value", value, _ms(trial.ended), len(trial.epochs)


def _ms(t: float) -> int:
    return int(1000 * t)
