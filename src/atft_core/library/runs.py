"""A run directory as an object: what it says, what it measured, what its criteria make of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from atft_core.errors import UsageError
from atft_core.run.directory import RunDirectory
from atft_core.run.judge.criteria import Result, check
from atft_core.run.stages import stage_from_json
from atft_core.run.state import State
from atft_core.run.status import Status, read_status

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Run:
    """A run as it was when it was opened; nothing of it is ever written."""

    directory: RunDirectory
    state: State
    """The fold of its event log: `state.trials`, `state.best`, `state.alerts` ..."""
    status: Status
    """RUNNING, PAUSED, STOPPING, HUNG, FINISHED, STOPPED, FAILED, DIED or UNKNOWN, and why."""

    def check(self) -> list[Result]:
        """Its stage's criteria, judged; UsageError for an ad hoc run."""
        if not self.state.stage_spec:
            raise UsageError(f"{self.directory.path} was ad hoc: it has no criteria.")
        return check(self.state, stage_from_json(self.state.stage_spec, self.directory.path))

    def trials(self) -> pl.DataFrame:
        """One row for each trial; parameters as `params.KEY`."""
        from atft_core.export import tables

        return tables.trials(self.state)

    def epochs(self) -> pl.DataFrame:
        """One row for each epoch; metrics as `val.HORIZON.NAME`."""
        from atft_core.export import tables

        return tables.epochs(self.state)

    def predictions(self, trial: int | None = None) -> pl.DataFrame:
        """split, date, code, horizon, prediction, target (a return; null: none) of a trial.

        Without a number the best one's. UsageError where they were not kept.
        """
        from atft_core.export import tables

        return tables.predictions(self.directory, self.state, trial)


def open_run(path: str | Path) -> Run:
    """The run in a directory, live or over; RunDirectoryError where there is none."""
    directory = RunDirectory(Path(path).absolute())
    directory.facts()
    return Run(directory, *read_status(directory))
