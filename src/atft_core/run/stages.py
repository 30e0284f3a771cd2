"""What a stage of a runbook is. Data only: `runbook` reads it, `criteria` judges by it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from atft_core.errors import RunDirectoryError, UsageError
from atft_core.run.events import Json

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


@dataclass(frozen=True)
class Runbook:
    """Stages in order, and the configuration that they share."""

    path: Path
    name: str
    demo: bool
    stages: tuple[Stage, ...]
    config: dict[str, Any] = field(default_factory=dict)
    """Nested, as in a config file."""

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


def stage_from_json(value: Json) -> Stage:
    """The stage that `stage_to_json` was given; fields of a newer version are left out."""
    known = _known(Stage, value)
    known["output_dir"] = Path(known["output_dir"])
    for row in value.get("criteria", ()):
        if not isinstance(row.get("name"), str):
            raise RunDirectoryError(f"a criterion of the run's stage has no name: {row!r:.100}")
    known["criteria"] = tuple(
        CriterionSpec(**_known(CriterionSpec, row)) for row in value.get("criteria", ())
    )
    known["remedies"] = tuple(Remedy(**_known(Remedy, row)) for row in value.get("remedies", ()))
    known["rules"] = tuple(RuleSpec(**_known(RuleSpec, row)) for row in value.get("rules", ()))
    return Stage(**known)


def _known(cls: type[Any], value: Json) -> Json:
    names = {f.name for f in fields(cls)}
    return {key: item for key, item in value.items() if key in names}
