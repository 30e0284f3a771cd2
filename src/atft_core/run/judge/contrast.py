"""Two runs beside each other: every measure before and after, and whether that is more than noise.

The earlier run is judged by the criteria of the later one. Two errors are taken as independent: on
the same days they are not, and then the test is on the careful side.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from atft_core.run.events import Json
from atft_core.run.judge.checklist import quantity, signed
from atft_core.run.judge.criteria import CRITERIA, TWO_SIDED_90, criterion_of
from atft_core.run.judge.measure import Measure, epochs
from atft_core.run.judge.measure_model import candidate
from atft_core.run.stages import CriterionSpec, Stage, stage_from_json
from atft_core.run.state import ENDED, State
from atft_core.run.wording import MISSING, duration, finite, panel_in_brief, scale

Change = Literal[
    "better", "worse", "better?", "worse?", "within noise", "the same", "other", "not known"
]
GLYPH: dict[Change, str] = {
    "better": "++", "worse": "--", "better?": "+?", "worse?": "-?", "within noise": "~~",
    "the same": "==", "other": "<>", "not known": "??",
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One measure of both runs."""

    name: str
    title: str
    section: str
    unit: str
    horizon: int | None
    before: float | None
    after: float | None
    before_error: float | None = None
    after_error: float | None = None
    before_seen: str = ""
    after_seen: str = ""
    """Both in words, where the value only counts what was seen wrong."""
    higher_is_better: bool | None = None
    """None: neither is."""

    @property
    def difference(self) -> float | None:
        """After less before."""
        if self.before is None or self.after is None:
            return None
        close = math.isclose(self.before, self.after, rel_tol=1e-9, abs_tol=1e-12)
        return 0.0 if close else self.after - self.before

    @property
    def z(self) -> float | None:
        """The difference in its standard error; None unless both values have one."""
        if self.difference is None or not self.before_error or not self.after_error:
            return None
        return self.difference / math.hypot(self.before_error, self.after_error)

    @property
    def change(self) -> Change:
        """What the difference means."""
        if self.difference is None:
            return "not known"
        before, after, _ = self.said
        alike = self.z is None and before == after  # nobody can see a difference
        if self.difference == 0 or alike:
            return "the same" if self.before_seen == self.after_seen else "other"
        if self.z is not None and abs(self.z) <= TWO_SIDED_90:
            return "within noise"
        if self.higher_is_better is None:
            return "other"
        sure = self.horizon is None or self.z is not None  # estimates have one, facts need none
        if (self.difference > 0) == self.higher_is_better:
            return "better" if sure else "better?"
        return "worse" if sure else "worse?"

    @property
    def said(self) -> tuple[str, str, str]:
        """Before, after and difference as a person reads them."""
        show = duration if self.unit == "duration" else lambda v: quantity(v, self.unit)
        before, after = self.before_seen or show(self.before), self.after_seen or show(self.after)
        if self.before_seen or self.after_seen or self.difference is None:
            return before, after, ""
        if self.unit == "duration":
            sign = "-" if self.difference < 0 else "+"
            return before, after, f"{sign}{duration(abs(self.difference))}"
        return before, after, signed(self.difference, self.unit)


FOOTNOTE = (
    "z: the difference in its standard error, both errors taken as independent; within noise: "
    f"|z| up to {TWO_SIDED_90:.2f}; better? and worse?: an estimate whose error is not known"
)


@dataclass(frozen=True)
class Contrast:
    """All lines, and what makes the two runs hard to compare."""

    lines: tuple[Line, ...]
    caveats: tuple[str, ...]


def contrast(before: State, after: State, stage: Stage | None) -> Contrast:
    """Both runs by the criteria of `stage`, that of the later run, and by all other measures."""
    lines = [_measured(before, after, spec) for spec in _specs(after, stage)]
    lines += [_figure(before, after, figure) for figure in FIGURES]
    if after.own_program:  # a program of one's own tells little of what our model does
        asked = {spec.name for spec in stage.criteria} if stage else set()
        lines = [
            line for line in lines
            if line.before is not None or line.after is not None or line.name in asked
        ]  # fmt: skip
    sections = list(dict.fromkeys(line.section for line in lines))
    lines.sort(key=lambda line: sections.index(line.section))
    return Contrast(tuple(lines), tuple(_caveats(before, after)))


def _specs(state: State, stage: Stage | None) -> Iterator[CriterionSpec]:
    """The rows of the stage as it has them, then the measures that it does not ask for."""
    asked = stage.criteria if stage else ()
    yield from asked
    for name, criterion in CRITERIA.items():
        if all(spec.name != name for spec in asked):
            horizon = state.horizon if criterion.needs_horizon else None
            yield CriterionSpec(name, criterion.title, criterion.section, horizon=horizon)
    side = "below" if state.objective.startswith("-") else "above"
    own = f"{side}.{state.judged_by}"
    if state.own_program and all(spec.name != own for spec in asked):
        yield CriterionSpec(own, state.judged_by, criterion_of(own, state).section)


def _measured(before: State, after: State, spec: CriterionSpec) -> Line:
    criterion = criterion_of(spec.name, after)
    old, new = (criterion.measure(state, spec) for state in (before, after))
    higher = spec.name == "all_batches" if criterion.comparison == "=" else (
        criterion.comparison in (">", ">=")
    )  # fmt: skip
    return Line(
        spec.name, spec.title, spec.section, criterion.unit, spec.horizon,
        finite(old.value), finite(new.value), finite(old.stderr), finite(new.stderr),
        _seen(old), _seen(new), higher,
    )  # fmt: skip


def _seen(measure: Measure) -> str:
    return measure.observed if measure.value is not None else ""


# Figures of a run that are no criteria.


@dataclass(frozen=True)
class Figure:
    """A number about a whole run."""

    name: str
    title: str
    unit: str
    read: Callable[[State], float | None]
    higher_is_better: bool | None = None
    of_horizon: bool = False


def _figure(before: State, after: State, figure: Figure) -> Line:
    return Line(
        figure.name, figure.title, "the run as a whole", figure.unit,
        after.horizon if figure.of_horizon else None,
        figure.read(before), figure.read(after), higher_is_better=figure.higher_is_better,
    )  # fmt: skip


def _median_seconds(state: State) -> float | None:
    """Of all epochs but the first of each trial, which warms up."""
    later = [row.seconds for trial in state.trials.values() for row in trial.epochs[1:]]
    return statistics.median(later) if later else None


def _windows(state: State) -> float | None:
    known = [finite(row.rates.get("windows_per_s")) for _, row in epochs(state)]
    found = [rate for rate in known if rate is not None]
    return statistics.median(found) if found else None


def _batches(state: State) -> float | None:
    return max((float(row.batches) for _, row in epochs(state)), default=None)


def _sharpe(state: State) -> float | None:
    trial = candidate(state)
    return trial.last("ls_sharpe_ann", state.horizon) if trial else None


def _trials_in(*states: str) -> Callable[[State], float | None]:
    def count(state: State) -> float | None:
        found = sum(trial.state in states for trial in state.trials.values())
        return float(found) if state.run else None

    return count


def _spent(state: State) -> float | None:
    return state.spent(state.ended or state.t) if state.started else None


FIGURES: tuple[Figure, ...] = (
    Figure("median_epoch_seconds", "epoch time, median", "s", _median_seconds, False),
    Figure("windows_per_s", "windows per second", "count", _windows, True),
    Figure("batches", "batches per epoch", "count", _batches),
    Figure("ls_sharpe_ann", "long-short Sharpe, p.a.", "", _sharpe, True, of_horizon=True),
    Figure("trials_ended", "trials ended", "count", _trials_in(*ENDED)),
    Figure("trials_pruned", "trials pruned", "count", _trials_in("PRUNED")),
    Figure("trials_failed", "trials failed", "count", _trials_in("FAIL"), False),
    Figure("time_spent", "time spent", "duration", _spent),
)


# What makes two runs hard to compare.

_IDENTITY = {
    "data_hash": "hash of the data", "config_hash": "hash of the settings", "code": "version",
    "demo": "demo data",
}  # fmt: skip


def _caveats(before: State, after: State) -> Iterator[str]:
    """Differences that may explain a change as well as what was tried; before is named first."""
    pairs: list[tuple[str, object, object]] = [
        ("stage", before.stage or "ad hoc", after.stage or "ad hoc"),
        ("horizon", before.horizon, after.horizon),
        ("asked for", _scale(before), _scale(after)),
        ("panel", _panel(before), _panel(after)),
        ("validation days", _days(before), _days(after)),
        ("machine", before.host or MISSING, after.host or MISSING),
    ]
    for key, said in _IDENTITY.items():
        pairs.append((said, before.identity.get(key), after.identity.get(key)))
    for what, old, new in pairs:
        if old != new:
            yield f"{what}: {_shown(old)} before, {_shown(new)} after"
    if before.stage and before.stage == after.stage and _bars(before) != _bars(after):
        yield "the bars of the stage were changed in between: both are judged by those after"
    for when, state in (("before", before), ("after", after)):
        if state.end_state != "FINISHED":
            yield f"the run {when} has not finished: {state.end_state.lower() or 'no end yet'}"
        if state.override:
            yield f"the run {when} was started although its gate was closed: {state.override}"
        if state.doubt:
            yield f"the run {when} {state.doubt}"


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return MISSING if value in (None, "") else str(value)


def _scale(state: State) -> str:
    return scale(state.n_trials, state.max_epochs)


def _panel(state: State) -> str:
    facts: Json = state.facts
    return f"{facts.get('path', '?')}, {panel_in_brief(facts)}"


def _days(state: State) -> str:
    days = state.split.get("val")
    return " .. ".join(map(str, days)) if isinstance(days, list) and days else MISSING


def _bars(state: State) -> object:
    stage = stage_from_json(state.stage_spec, f"run {state.run}") if state.stage_spec else None
    return stage and (stage.gate, stage.criteria)
