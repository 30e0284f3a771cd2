"""Criteria about the model: validation metrics of the best complete trial, and what luck reaches.

The numbers are those of the trial's last epoch: the weights that the last checkpoint holds and
`predictions.arrow` was made with. Taking the best epoch instead would be selection.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from statistics import NormalDist

from atft_core.run.epochs import EpochRow
from atft_core.run.judge.measure import Measure, live, place, settled
from atft_core.run.judge.noise import noise_floor
from atft_core.run.stages import CriterionSpec
from atft_core.run.state import State, Trial
from atft_core.run.wording import finite, ratio, several

ONE_SIDED_90 = NormalDist().inv_cdf(0.90)
"""Standard errors to a one-sided 90 % bound."""
MIN_DAYS = 20
"""Valid validation days below which a mean over days, or its error, says nothing."""
MIN_TRIALS = 3
"""Trials below which a share of trials says nothing."""
LEAK = 0.05
"""A sign ratio that no honest model of daily returns reaches."""


def candidate(state: State) -> Trial | None:
    """The trial that the criteria look at: the best complete one.

    A pruned trial has a value but is never it. While no trial is complete and the run goes on, the
    one in training is shown; the verdict is then PENDING.
    """
    return state.best or (state.current if live(state) else None)


def tried(state: State) -> list[Trial]:
    """Trials that were measured: complete, or given up after some epochs."""
    return [t for t in state.trials.values() if t.state in ("COMPLETE", "PRUNED") and t.epochs]


def luck(state: State, stderr: float) -> float:
    """RankIC that the best of as many worthless trials as were tried would be expected to reach."""
    return noise_floor(max(1, len(tried(state))), stderr)


def _last(state: State) -> tuple[Trial, EpochRow] | None:
    trial = candidate(state)
    if trial is None or not trial.epochs:
        return None
    return trial, max(trial.epochs, key=lambda row: row.epoch)


def _read(state: State, spec: CriterionSpec, key: str, error_key: str = "") -> Measure:
    """One validation metric of the best trial's last epoch, with its standard error."""
    found = _last(state)
    if found is None or spec.horizon is None:
        return Measure(
            value=None, note="no trial is complete", awaits="the end of a complete trial"
        )
    trial, row = found
    days = int(row.metric("days", spec.horizon) or 0)
    measure = Measure(
        value=finite(row.metric(key, spec.horizon)),
        n=days,
        stderr=finite(row.metric(error_key, spec.horizon)) if error_key else None,
        source=place(trial.number, row.epoch),
        final=settled(state),
    )
    if measure.value is None:
        return replace(
            measure, note=f"{key} is undefined at horizon {spec.horizon}",
            awaits=f"an epoch with {key} at horizon {spec.horizon}",
        )  # fmt: skip
    if days < MIN_DAYS:
        return replace(
            measure, value=None, note=f"{several(days, 'valid day')}: needs {MIN_DAYS}",
            awaits=f"an epoch with {MIN_DAYS} valid days",
        )  # fmt: skip
    return measure


def val_rank_ic(state: State, spec: CriterionSpec) -> Measure:
    """Mean over the validation days of the rank correlation of prediction and return.

    Of the best complete trial, at its last epoch.
    """
    return _read(state, spec, "rank_ic", "rank_ic_se")


def metric(name: str) -> Callable[[State, CriterionSpec], Measure]:
    """What the best complete trial told of a metric at its last epoch, with NAME_se if it did."""

    def told(state: State, spec: CriterionSpec) -> Measure:
        found, horizon = _last(state), spec.horizon or state.horizon
        if found is None:
            return Measure(
                value=None, note="no trial is complete", awaits="the end of a complete trial"
            )
        trial, row = found
        value = finite(row.metric(name, horizon))
        return Measure(
            value=value,
            n=int(row.metric("days", horizon) or row.metric("n", horizon) or 0),
            stderr=finite(row.metric(f"{name}_se", horizon)),
            source=place(trial.number, row.epoch), final=settled(state),
            note="" if value is not None else f"{name} was not told at horizon {horizon}",
            awaits="" if value is not None else f"an epoch with {name}",
        )  # fmt: skip

    return told


def val_ic(state: State, spec: CriterionSpec) -> Measure:
    """Mean over the validation days of the correlation of prediction and return.

    Of the best complete trial, at its last epoch.
    """
    return _read(state, spec, "ic", "ic_se")


def sign_ratio(state: State, spec: CriterionSpec) -> Measure:
    """The plan's "Sharpe": mean over deviation of sign(prediction) x return, per sample."""
    measure = _read(state, spec, "sign_ratio")
    if measure.value is not None and measure.value > LEAK:
        return replace(measure, note=f"above {LEAK:g}: check for a leak", alarm=True)
    return measure


def _rank_ic_with_error(state: State, spec: CriterionSpec) -> tuple[Measure, float, float]:
    """RankIC, its value and its error; both NaN-free, or the measure has no value."""
    measure = val_rank_ic(state, spec)
    if measure.value is None:
        return measure, 0.0, 0.0
    if not measure.stderr or measure.stderr < 0:
        blind = replace(
            measure,
            value=None,
            note="RankIC has no standard error",
            awaits="an epoch with rank_ic_se",
        )
        return blind, 0.0, 0.0
    return measure, measure.value, measure.stderr


def rank_ic_lower(state: State, spec: CriterionSpec) -> Measure:
    """One-sided lower 90 % bound of RankIC; it carries its error already."""
    measure, value, error = _rank_ic_with_error(state, spec)
    if measure.value is None:
        return measure
    note = f"{ratio(value)} less {ONE_SIDED_90:.2f} x {ratio(error)}"
    return replace(measure, value=value - ONE_SIDED_90 * error, stderr=None, note=note)


def above_noise_floor(state: State, spec: CriterionSpec) -> Measure:
    """RankIC less what the best of as many trials that know nothing would reach."""
    measure, value, error = _rank_ic_with_error(state, spec)
    if measure.value is None:
        return measure
    floor = luck(state, error)
    count = several(max(1, len(tried(state))), "worthless trial")
    return replace(measure, value=value - floor, note=f"best of {count} reaches {ratio(floor)}")


def beats_baseline(state: State, spec: CriterionSpec) -> Measure:
    """Paired daily RankIC, model less the best baseline; the minimum forgives what is noise."""
    measure = _read(state, spec, "baseline_diff", "baseline_diff_se")
    found = _last(state)
    if measure.value is None or found is None:
        return measure
    if not measure.stderr or measure.stderr < 0:
        return replace(
            measure, value=None, note="the difference has no standard error",
            awaits="an epoch with baseline_diff_se",
        )  # fmt: skip
    name = found[1].val.get(str(spec.horizon), {}).get("baseline") or "the best baseline"
    slack = ONE_SIDED_90 * measure.stderr
    return replace(measure, note=f"against {name}", slack=slack)


def same_sign(state: State, spec: CriterionSpec) -> Measure:
    """Share of the measured trials whose RankIC has the sign of the best trial's."""
    best = _read(state, spec, "rank_ic")
    lasts = [trial.last("rank_ic", spec.horizon or 0) for trial in tried(state)]
    values = [value for value in lasts if value is not None]
    source = f"last epochs of {several(len(values), 'trial')}"
    if best.value is None or len(values) < MIN_TRIALS:
        note = best.note or f"needs {MIN_TRIALS} measured trials"
        awaits = best.awaits or f"the end of {several(MIN_TRIALS - len(values), 'more trial')}"
        return Measure(value=None, n=len(values), source=source, note=note, awaits=awaits)
    alike = sum(value * best.value > 0 for value in values)
    return Measure(
        value=alike / len(values),
        n=len(values),
        source=source,
        note=f"{alike} of {len(values)} trials",
        final=settled(state),
    )
