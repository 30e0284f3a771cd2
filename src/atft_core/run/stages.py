"""What a stage of a runbook is. Data only: `runbook` reads it, `criteria` judges by it."""

from __future__ import annotations

from dataclasses import MISSING, asdict, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args

from atft_core.errors import RunDirectoryError, UsageError
from atft_core.run.events import Json
from atft_core.run.fits import fits, fitting
from atft_core.run.foreign import clean
from atft_core.run.wording import finite

Bar = Literal["minimum", "target"]


def deciding_bar(minimum: float | None, target: float | None, gate: Bar) -> float | None:
    """The threshold that decides; a row with a single one has that one for both gates."""
    first, second = (target, minimum) if gate == "target" else (minimum, target)
    return second if first is None else first


@dataclass(frozen=True)
class CriterionSpec:
    """One row of a checklist: which criterion, and where its two bars are."""

    name: str
    title: str
    section: str
    minimum: float | None = None
    target: float | None = None
    horizon: int | None = None


@dataclass(frozen=True)
class Remedy:
    """Something to try when a criterion is not met: dotted config keys and their values."""

    title: str
    text: str
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RuleSpec:
    """When a rule looks, where its bar is, and whether it acts or advises."""

    name: str
    after: float
    """Share of the epochs of a trial, or of the trials of a sweep."""
    bar: float = 0.0
    acts: bool = False


@dataclass(frozen=True)
class Stage:
    """A run that the runbook knows, and the stage whose evidence opens it."""

    key: str
    title: str
    hotkey: str
    study_name: str
    output_dir: Path
    n_trials: int
    max_epochs: int
    requires: str = ""
    gate: Bar = "minimum"
    criteria: tuple[CriterionSpec, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    rules: tuple[RuleSpec, ...] = ()
    command: tuple[str, ...] = ()
    """A program that each trial runs, and its words; empty: the model is trained."""


@dataclass(frozen=True)
class Runbook:
    """Stages in order, and the configuration that they share."""

    path: Path
    name: str
    demo: bool
    stages: tuple[Stage, ...]
    config: dict[str, Any] = field(default_factory=dict)
    """Nested, as in a config file."""
    plugins: tuple[str, ...] = ()
    """Files that its criteria come from."""

    def stage(self, key: str) -> Stage:
        """The stage named `key`."""
        for stage in self.stages:
            if stage.key == key:
                return stage
        known = nearest_first(key, [stage.key for stage in self.stages])
        raise UsageError(f"{self.path} has no stage {key!r}.", hint=f"It has {', '.join(known)}.")


def nearest_first(word: str, known: list[str]) -> list[str]:
    """`known` with the words that `word` may have meant in front."""
    near = get_close_matches(word, known, n=3, cutoff=0.5)
    return near + [other for other in known if other not in near]


def stage_to_json(stage: Stage) -> Json:
    """A stage as JSON, for the log of a run."""
    return {**asdict(stage), "output_dir": str(stage.output_dir)}


def stage_from_json(value: Json, run: object = "this run") -> Stage:
    """The stage that `stage_to_json` was given; fields of a newer version are left out.

    `run` is named where it is damaged.
    """
    try:
        known = _known(Stage, value, "the stage")
        known["output_dir"] = Path(known["output_dir"])
        for rows, cls in _ROWS.items():
            known[rows] = tuple(
                cls(**_known(cls, row, f"row {number} of {rows}"))
                for number, row in enumerate(value.get(rows, ()), start=1)
            )
        return Stage(**known)
    except _DamagedError as error:
        raise RunDirectoryError(
            f"{run}: its event log has a damaged stage: {error}.",
            hint="Restore events.jsonl from a copy, or judge the run by a runbook: "
            "atft check RUN_DIR --stage KEY",
        ) from error


_ROWS: dict[str, type[Any]] = {"criteria": CriterionSpec, "remedies": Remedy, "rules": RuleSpec}


class _DamagedError(Exception):
    """What is wrong with a stored stage."""


def _known(cls: type[Any], value: Json, where: str) -> Json:
    """The fields of a dataclass, each of its type, none missing that it needs."""
    wanted = fitting(cls)
    found = {key: item for key, item in value.items() if key in wanted}
    for key, item in found.items():
        number = isinstance(item, int | float) and not isinstance(item, bool)
        strange = key == "gate" and item not in get_args(Bar)
        if strange or not fits(item, wanted[key]) or (number and finite(item) is None):
            raise _DamagedError(f"{where} has {key} = {clean(repr(item)[:_SHOWN])}")
    needed = [f.name for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING]
    if missing := [name for name in needed if name not in found]:
        raise _DamagedError(f"{where} has no {', '.join(missing)}")
    return found


_SHOWN = 60
"""Characters of a wrong value that are shown."""
