"""Every setting of a trial three times: requested, decided for the trial, found in its worker.

What was requested is in config.toml. The trial has its parameters on top of that. What the worker
really runs with it told itself when it began, and its process can be looked at while it lives.
Whatever cannot be seen is left open, never guessed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from atft_core.run.directory import RunDirectory
from atft_core.run.events import Json
from atft_core.run.settings.configuration import configured
from atft_core.run.settings.process import environment_settings, process_settings
from atft_core.run.settings.setting import Mark, Setting
from atft_core.run.settings.sources import read_sources
from atft_core.run.state import State


@dataclass(frozen=True)
class Effective:
    """All settings of a trial, in sections."""

    trial: int | None
    process: str
    """Whose process was looked at, or why none."""
    seen: bool
    """Whether a process was looked at."""
    settings: tuple[Setting, ...]
    trouble: tuple[str, ...] = ()
    """What could not be read, and why."""

    @property
    def differing(self) -> list[Setting]:
        """Those that are not what was asked for."""
        return [each for each in self.settings if each.mark is Mark.DIFFERS]

    def to_json(self) -> Json:
        """The documented form of `atft settings --json`."""
        return {
            "trial": self.trial,
            "process": self.process,
            "process_seen": self.seen,
            "trouble": list(self.trouble),
            "differs": len(self.differing),
            "settings": [asdict(each) for each in self.settings],
        }


def effective(run: RunDirectory, state: State, number: int | None) -> Effective:
    """The settings of a trial; None: what the run asks for, before any trial."""
    sources = read_sources(run, state, number)
    worker = sources.worker
    settings = [
        *configured(sources), *process_settings(sources), *environment_settings(sources)
    ]  # fmt: skip
    who = f"worker of trial {number}, pid {worker.pid}" if worker else sources.invisible
    found = (sources.requested.trouble, worker.trouble if worker else "")
    trouble = tuple(text for text in found if text)
    return Effective(number, who, worker is not None, tuple(settings), trouble)


def default_trial(state: State) -> int | None:
    """The trial that a worker is at, else the newest."""
    if state.current is not None:
        return state.current.number
    return max(state.trials, default=None)
