"""All that a report speaks of, read once from the run's files."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from atft_core.config.load import read_resolved
from atft_core.config.schema import Config
from atft_core.data.panel import open_panel
from atft_core.engine.importance import importance
from atft_core.errors import AtftError
from atft_core.report.predictions import Predicted, predicted, sectors_of
from atft_core.run.directory import RunDirectory
from atft_core.run.events import Json
from atft_core.run.judge.contrast import Contrast, contrast
from atft_core.run.judge.criteria import Result, Verdict, check, overall
from atft_core.run.judge.measure_model import candidate
from atft_core.run.stages import Stage, stage_from_json
from atft_core.run.state import State, Trial
from atft_core.run.status import Status, evidence, status
from atft_core.run.wording import metric_name
from atft_core.train.tables import read_table


@dataclass(frozen=True)
class Evidence:
    """A run, as its files tell it."""

    run: RunDirectory
    facts: Json
    config: Config
    state: State
    status: Status
    stage: Stage | None
    results: Sequence[Result]
    verdict: Verdict | None
    trial: Trial | None
    """The one that criteria speak of: the best, or the newest."""
    predictions: dict[int, Predicted] = field(default_factory=dict)
    """Of that trial's validation days, by horizon; empty where they were not kept."""
    why_none: str = ""
    sectors: dict[str, str] = field(default_factory=dict)
    importance: dict[str, float] = field(default_factory=dict)
    other: State | None = None
    contrast: Contrast | None = None

    @property
    def horizon(self) -> int:
        """That of the objective."""
        return self.state.horizon

    @property
    def judged(self) -> str:
        """The metric that the run is about, as a reader knows it."""
        return metric_name(self.state.judged_by)


def gather(run: RunDirectory, other: RunDirectory | None) -> Evidence:
    """Read everything; errors as of reading a run. A file that is missing costs its section."""
    facts, held = run.facts(), run.holder()
    state = evidence(run)
    config = Config() if state.written else read_resolved(run.config)
    stage = stage_from_json(state.stage_spec, run.path) if state.stage_spec else None
    results = check(state, stage) if stage else []
    before = evidence(other) if other else None
    trial = candidate(state)
    found, why_none = (
        ({}, "a program of its own keeps none for atft")
        if state.own_program
        else _predictions(run, trial, config.label.horizons)
    )
    return Evidence(
        run=run,
        facts=facts,
        config=config,
        state=state,
        status=status(state, held, time.time()),
        stage=stage,
        results=results,
        verdict=overall(results, state) if stage else None,
        trial=trial,
        predictions=found,
        why_none=why_none,
        sectors=_sectors(facts),
        importance={} if state.written else importance(config, state.complete),
        other=before,
        contrast=contrast(before, state, stage) if before else None,
    )


def _predictions(
    run: RunDirectory, trial: Trial | None, horizons: Sequence[int]
) -> tuple[dict[int, Predicted], str]:
    """By horizon, and why there are none."""
    if trial is None:
        return {}, "no trial has been measured"
    path = run.trial(trial.number).predictions
    try:
        table: Any = read_table(path)
    except FileNotFoundError:
        return {}, f"the predictions of trial {trial.number} were not kept"
    except (OSError, pa.ArrowException) as error:
        return {}, f"{path.name} of trial {trial.number} cannot be read: {error}"
    found = {h: made for h in horizons if (made := predicted(table, "val", h)) is not None}
    return found, "" if found else f"{path.name} of trial {trial.number} holds no validation days"


def _sectors(facts: Json) -> dict[str, str]:
    """Sector by code, while the panel's cache is there."""
    try:
        panel = open_panel(Path(str(facts.get("cache"))))
    except (AtftError, OSError):
        return {}
    return sectors_of(panel.codes, panel.sector_N.tolist(), panel.sectors)
