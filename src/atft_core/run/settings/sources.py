"""Everything that says something about the settings of a trial, read once."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass

from atft_core.errors import RunDirectoryError
from atft_core.run.directory import RunDirectory
from atft_core.run.events import Json
from atft_core.run.files import read_json
from atft_core.run.processes.alive import alive
from atft_core.run.processes.facts import ProcessFacts, facts_of
from atft_core.run.settings.requested import Requested, read_requested
from atft_core.run.state import State, Trial
from atft_core.run.wording import trial_word

_LEEWAY = 2.0
"""Seconds: config.toml is written just before run.json says when the run was made."""


@dataclass(frozen=True)
class Sources:
    """What is compared. `trial` None: before any trial."""

    trial: Trial | None
    requested: Requested
    facts: Json
    """run.json."""
    params: Mapping[str, object]
    """The trial's parameters, as its worker reads them."""
    worker: ProcessFacts | None
    engine: ProcessFacts | None
    invisible: str = ""
    """Why the worker's process cannot be looked at."""
    edited: bool = False
    """Whether config.toml was written again after the run had begun."""

    @property
    def values(self) -> dict[str, object]:
        """What the trial has, by dotted key."""
        return {**self.requested.values, **self.params}

    @property
    def observed(self) -> Json:
        """What the worker told when it began."""
        return self.trial.settings if self.trial else {}


def read_sources(run: RunDirectory, state: State, number: int | None) -> Sources:
    """Read files and processes; RunDirectoryError when there is no such trial."""
    trial = state.trials.get(number) if number is not None else None
    if number is not None and trial is None:
        known = ", ".join(map(str, sorted(state.trials))) or "none yet"
        raise RunDirectoryError(f"{run.path} has no trial {number}.", hint=f"Its trials: {known}.")
    facts = run.facts()
    why = _invisible(state, trial)
    worker = facts_of(trial.pid) if trial and not why else None
    if trial and not why and worker is None:
        why = f"the worker of trial {trial.number} (pid {trial.pid}) is gone"
    return Sources(
        trial, read_requested(run.config), facts, _params(run, trial), worker, _engine(state), why,
        edited=worker is not None and _edited(run, facts),
    )  # fmt: skip


def _invisible(state: State, trial: Trial | None) -> str:
    """Why the worker's process cannot be looked at; empty when it can."""
    if trial is None:
        return "no trial has begun: there is no worker"
    if not trial.running:
        return f"trial {trial.number} has no worker: {trial_word(trial.state)}"
    if _elsewhere(state):
        return f"the run is on host {state.host}: its processes cannot be seen from here"
    if not alive(trial.pid, trial.start_time):
        return f"the worker of trial {trial.number} (pid {trial.pid}) is gone"
    return ""


def _elsewhere(state: State) -> bool:
    return state.host not in ("", socket.gethostname())


def _engine(state: State) -> ProcessFacts | None:
    if _elsewhere(state) or not alive(state.engine_pid, state.engine_start_time):
        return None
    return facts_of(state.engine_pid)


def _params(run: RunDirectory, trial: Trial | None) -> Mapping[str, object]:
    """From the file that the worker reads; before that is written there is what the study said."""
    if trial is None:
        return {}
    found = read_json(run.trial(trial.number).params)
    params = found.get("params") if isinstance(found, dict) else None
    return params if isinstance(params, dict) else trial.params


def _edited(run: RunDirectory, facts: Json) -> bool:
    """Only asked of a run at work: a copy of one has other times."""
    made = facts.get("created")
    try:
        return isinstance(made, int | float) and run.config.stat().st_mtime > made + _LEEWAY
    except OSError:
        return False
