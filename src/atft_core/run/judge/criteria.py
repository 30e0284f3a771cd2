"""Criteria and their verdicts: what was measured in this run against the bars of its stage.

A new criterion is one function in `measure_run` or `measure_model` and one line in CRITERIA (ours,
or that of a plug-in); one in `traces` makes its evidence. What was not measured never passes.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import wraps
from statistics import NormalDist
from typing import Literal, TypeAlias

from atft_core.errors import UsageError
from atft_core.run import plugins
from atft_core.run.foreign import clean
from atft_core.run.judge import measure_model as model
from atft_core.run.judge import measure_run as run
from atft_core.run.judge.measure import Measure, ended, live
from atft_core.run.stages import Bar, CriterionSpec, Stage, deciding_bar
from atft_core.run.state import State
from atft_core.run.wording import finite, several

Comparison = Literal[">", ">=", "<", "<=", "="]
_HOLDS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le, "=": operator.eq,
}  # fmt: skip
TWO_SIDED_90 = NormalDist().inv_cdf(0.95)
"""Standard errors to either end of a 90 % interval."""


_INFRA, _SETUP, _MODEL = "infrastructure", "configuration", "model quality"


Measuring: TypeAlias = Callable[[State, CriterionSpec], Measure]


@dataclass(frozen=True)
class Criterion:
    """How something is measured, how it must compare, and how it is named by default."""

    measure: Measuring
    comparison: Comparison
    title: str
    section: str
    unit: str = ""
    """"%", "s", "share" (0 to 1), "count" or "" for a plain number."""
    wanted: str = ""
    """What should be observed, where the value only counts what was seen wrong."""

    @property
    def needs_horizon(self) -> bool:
        """Whether the number exists once per horizon, so that a row must say which it means."""
        return self.section == _MODEL


CRITERIA: dict[str, Criterion] = {
    "gpu_utilisation": Criterion(run.gpu_utilisation, ">", "GPU utilisation", _INFRA, "%"),
    "stall_share": Criterion(run.stall_share, "<", "waiting for data", _INFRA, "share"),
    "epoch_seconds": Criterion(run.epoch_seconds, "<", "epoch time", _INFRA, "s"),
    "no_crash": Criterion(run.no_crash, "=", "no crash, no hang", _INFRA, "count"),
    "feed": Criterion(run.feed, "=", "data feed", _SETUP, "count", "by day"),
    "start_method": Criterion(run.start_method, "=", "start method", _SETUP, "count", "spawn"),
    "loss_weights": Criterion(run.loss_weights, "=", "loss weights", _SETUP, "", ".5/.3/.1"),
    "all_batches": Criterion(run.all_batches, "=", "all batches", _SETUP, "share"),
    "val_logging_off": Criterion(run.val_logging_off, "=", "val batch log", _SETUP, "count", "off"),
    "val_rank_ic": Criterion(model.val_rank_ic, ">", "val RankIC", _MODEL),
    "rank_ic_lower": Criterion(model.rank_ic_lower, ">", "RankIC lower 90 %", _MODEL),
    "above_noise_floor": Criterion(model.above_noise_floor, ">", "above noise floor", _MODEL),
    "beats_baseline": Criterion(model.beats_baseline, ">", "vs best baseline", _MODEL),
    "val_ic": Criterion(model.val_ic, ">", "val IC", _MODEL),
    "sign_ratio": Criterion(model.sign_ratio, ">=", "sign ratio", _MODEL),
    "same_sign": Criterion(model.same_sign, ">=", "same sign", _MODEL, "share"),
}


class Verdict(StrEnum):
    """What is believed about a criterion."""

    PASS = "PASS"  # noqa: S105 -- not a password
    FAIL = "FAIL"
    PENDING = "PENDING"
    UNKNOWN = "UNKNOWN"


_OPEN = (Verdict.PENDING, Verdict.UNKNOWN)


@dataclass(frozen=True)
class Result:
    """One row of the checklist."""

    name: str
    title: str
    section: str
    verdict: Verdict
    value: float | None
    minimum: float | None
    target: float | None
    n: int
    stderr: float | None
    horizon: int | None
    source: str
    note: str
    on_target: bool | None
    comparison: Comparison = ">"
    unit: str = ""
    observed: str = ""
    wanted: str = ""
    """Both in words, where the value only counts what was seen wrong."""
    alarm: bool = False
    """Whether the note should look like a failure."""
    decides: float | None = None
    """The bar that the value had to pass: the stage's, moved by what its uncertainty explains."""
    awaits: str = ""
    """The event that is missing, where there is no verdict yet, or never was one."""

    @property
    def margin(self) -> float | None:
        """How far the value is on the right side of the bar; negative on the wrong one."""
        if self.value is None or self.decides is None:
            return None
        above = self.value - self.decides
        if self.comparison == "=":
            return 0.0 - abs(above)
        return above if self.comparison in (">", ">=") else -above

    @property
    def margin_errors(self) -> float | None:
        """The same in standard errors of the value, where it has one."""
        return None if self.margin is None or not self.stderr else self.margin / self.stderr


def check(state: State, stage: Stage) -> list[Result]:
    """All criteria of a stage, judged on one run."""
    return [_judge(state, spec, stage.gate) for spec in stage.criteria]


def meaning(name: str) -> str:
    """The formula of a criterion in words, as the function that measures it has them."""
    criterion = CRITERIA.get(name) or plugins.table("CRITERIA").get(name)
    return " ".join(((criterion.measure.__doc__ if criterion else "") or "").split())


def overall(results: Sequence[Result], state: State) -> Verdict:
    """FAIL if one fails; else what is still missing; PASS only if there are rows, all pass, and
    there is no doubt about the run.
    """
    verdicts = {result.verdict for result in results}
    for verdict in (Verdict.FAIL, Verdict.PENDING, Verdict.UNKNOWN):
        if verdict in verdicts:
            return verdict
    return Verdict.PASS if verdicts and not state.doubt else Verdict.UNKNOWN


def of_metric(name: str) -> Criterion | None:
    """`above.METRIC` or `below.METRIC`: any validation metric that the trials tell."""
    metric = asked_metric(name)
    if not metric:
        return None
    above = name.startswith("above.")
    return Criterion(model.metric(metric), ">" if above else "<", metric, _MODEL)


def asked_metric(name: str) -> str:
    """The metric that such a criterion is about; empty for another one."""
    side, _, metric = name.partition(".")
    return metric if side in ("above", "below") and metric.isidentifier() else ""


def criterion_of(name: str, state: State) -> Criterion:
    """Ours, or one of the plug-ins that the run was started with; one that is not to be had
    measures nothing, and says why.
    """
    if ours := CRITERIA.get(name) or of_metric(name):
        return ours
    try:
        plugins.enter(state.identity.get("plugins"))
        found = plugins.table("CRITERIA", state.identity.get("plugins", {})).get(name)
    except UsageError as error:
        return _absent(error.message, f"`atft plugins allow`: {error.hint}")
    if not isinstance(found, Criterion) or found.comparison not in _HOLDS:
        return _absent("this version of atft has no such criterion", "a newer version of atft")
    return replace(found, measure=_guarded(found.measure))


def _absent(note: str, awaits: str) -> Criterion:
    nothing = Measure(value=None, note=note, final=True, awaits=awaits)
    return Criterion(lambda state, spec: nothing, ">", "", "")


def _guarded(measure: Measuring) -> Measuring:
    """The code of a user ends neither the console nor the run."""

    @wraps(measure)
    def guarded(state: State, spec: CriterionSpec) -> Measure:
        try:
            found: object = measure(state, spec)
        except (Exception, SystemExit) as error:  # noqa: BLE001 -- whatever it raises
            note = f"the plug-in fails: {type(error).__name__}: {clean(str(error), 200)}"
            return Measure(value=None, note=note)
        if isinstance(found, Measure):
            return found
        return Measure(value=None, note=f"the plug-in gives {clean(repr(found), 60)}, no Measure")

    return guarded


def _judge(state: State, spec: CriterionSpec, gate: Bar) -> Result:
    criterion = criterion_of(spec.name, state)
    measure = criterion.measure(state, spec)
    value, bar = finite(measure.value), deciding_bar(spec.minimum, spec.target, gate)
    forgiving = spec.minimum is not None and (gate == "minimum" or spec.target is None)
    decides = _moved(bar, criterion.comparison, measure.slack if forgiving else 0.0)
    met = value is not None and decides is not None and _HOLDS[criterion.comparison](value, decides)
    verdict = _verdict(measure, value, met=met, may_change=live(state) and not measure.final)
    return Result(
        name=spec.name,
        title=spec.title,
        section=spec.section,
        verdict=verdict,
        value=value,
        minimum=spec.minimum,
        target=spec.target,
        n=measure.n,
        stderr=finite(measure.stderr),
        horizon=spec.horizon,
        source=measure.source,
        note=_note(measure, value, bar),
        on_target=_on_target(value, spec, criterion.comparison, measure),
        comparison=criterion.comparison,
        unit=criterion.unit,
        observed=measure.observed,
        wanted=criterion.wanted,
        alarm=measure.alarm,
        decides=decides,
        awaits=_awaits(state, measure) if verdict in _OPEN else "",
    )


def _verdict(measure: Measure, value: float | None, *, met: bool, may_change: bool) -> Verdict:
    """The one place in which a number becomes a verdict."""
    if may_change:
        missed_for_good = measure.only_worse and value is not None and not met
        return Verdict.FAIL if missed_for_good else Verdict.PENDING
    if value is None:
        return Verdict.UNKNOWN
    return Verdict.PASS if met else Verdict.FAIL


def _awaits(state: State, measure: Measure) -> str:
    """What the measure says it needs, else the trials that can still change it."""
    left = max(0, state.n_trials - len(ended(state)))
    return measure.awaits or (f"the end of {several(left, 'more trial')}" if left else "a value")


def _moved(bar: float | None, comparison: Comparison, slack: float) -> float | None:
    """The bar, moved by `slack` in favour of the value."""
    if bar is None:
        return None
    return bar - slack if comparison in (">", ">=") else bar + slack


def _on_target(
    value: float | None, spec: CriterionSpec, comparison: Comparison, measure: Measure
) -> bool | None:
    if value is None or spec.target is None or measure.alarm:  # too good: no praise before a look
        return None
    return _HOLDS[comparison](value, spec.target)


def _note(measure: Measure, value: float | None, bar: float | None) -> str:
    """The measure's own note, and whether its 90 % interval reaches across the bar."""
    error = finite(measure.stderr)
    if value is None or bar is None or not error:
        return measure.note
    noisy = abs(value - bar) <= TWO_SIDED_90 * error
    return "; ".join(part for part in ("within noise" if noisy else "", measure.note) if part)
