"""Criteria about how a run went: its speed, its health, and what its workers really ran with."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from atft_core.run.judge.measure import (
    Measure,
    ended,
    epochs,
    live,
    place,
    settled,
    weighted_median,
)
from atft_core.run.stages import CriterionSpec
from atft_core.run.state import State, Trial
from atft_core.run.wording import finite, several, trial_word

MIN_GPU_SAMPLES = 30
"""Samples below which a percentile of the GPU's utilisation says nothing."""
FEEDS = ("resident", "mmap", "ring")
"""Data paths without a loader that starves the GPU."""
MEANT: dict[str, Callable[[object], bool]] = {
    "feed": lambda value: value in FEEDS,
    "start_method": lambda value: value == "spawn",
    "val_debug": lambda value: value is False,
}
"""Whether a setting is as the plan wants it, by its name in the worker's report."""
PLAN_WEIGHTS = {"rank_ic": 0.5, "cs_ic": 0.3, "sharpe": 0.1}
"""The rebalanced loss of the plan: weight by term."""


def gpu_utilisation(state: State, spec: CriterionSpec) -> Measure:
    """Median GPU utilisation (%) over the train spans of all epochs, weighted by samples."""
    rows = [row.gpu or {} for _, row in epochs(state)]
    found = [(finite(gpu.get("p50")), int(finite(gpu.get("n")) or 0)) for gpu in rows]
    spans = [(p50, samples) for p50, samples in found if p50 is not None and samples > 0]
    n = sum(samples for _, samples in spans)
    source = f"train spans of {several(len(spans), 'epoch')}"
    if not spans:
        return Measure(
            value=None,
            source=source,
            awaits="an epoch with GPU samples",
            note="no GPU samples (no NVML? [profile] of the runbook)",
        )
    if n < MIN_GPU_SAMPLES:
        return Measure(
            value=None, n=n, source=source, note=f"needs {MIN_GPU_SAMPLES} samples",
            awaits=f"an epoch with {several(MIN_GPU_SAMPLES - n, 'more GPU sample')}",
        )  # fmt: skip
    if 2 * len(spans) < len(rows):
        return Measure(
            value=None, n=n, source=source, awaits="epochs with GPU samples",
            note=f"samples in only {len(spans)} of {several(len(rows), 'epoch')}",
        )  # fmt: skip
    return Measure(value=weighted_median(spans), n=n, source=source, final=settled(state))


def unmeasured_gpu(reason: str) -> str:
    """What it means for a stage that the GPU's use cannot be measured, and what to do."""
    return (
        f"GPU use cannot be measured ({reason}): that criterion stays UNKNOWN and the next gate "
        "closed; `--runbook cpu` judges by the wait for data instead"
    )


def stall_share(state: State, spec: CriterionSpec) -> Measure:
    """Share of the train time in which the worker waited for data, over all epochs."""
    times = [(finite(row.time.get("wait")), finite(row.time.get("compute")))
             for _, row in epochs(state)]  # fmt: skip
    known = [(wait, compute) for wait, compute in times if wait is not None and compute is not None]
    wait, total = sum(w for w, _ in known), sum(w + c for w, c in known)
    if total <= 0:
        return Measure(
            value=None, note="no epoch has been timed", awaits="an epoch with step timers"
        )
    return Measure(
        value=wait / total,
        n=len(known),
        source=f"step timers of {several(len(known), 'epoch')}",
        final=settled(state),
    )


def epoch_seconds(state: State, spec: CriterionSpec) -> Measure:
    """Longest epoch, without the first of each trial, which warms up."""
    later = [
        (row.seconds, trial, row)
        for trial in state.trials.values()
        for row in sorted(trial.epochs, key=lambda row: row.epoch)[1:]
        if finite(row.seconds) is not None
    ]
    if not later:
        return Measure(
            value=None, note="no epoch after the first of a trial", awaits="a trial's second epoch"
        )
    seconds, trial, row = max(later, key=lambda item: item[0])
    return Measure(
        value=seconds,
        n=len(later),
        source=place(trial.number, row.epoch),
        note=f"longest of {several(len(later), 'epoch')} after the first",
        final=settled(state),
        only_worse=True,
    )


def no_crash(state: State, spec: CriterionSpec) -> Measure:
    """Failed trials, crashed workers and silences beyond the budget; 0 once all trials ended."""
    mishaps = [
        (trial, mishaps_of(trial)) for trial in state.trials.values()
    ]  # fmt: skip
    total = sum(count for _, count in mishaps)
    done = len(ended(state))
    if total == 0 and not live(state) and not settled(state):
        return Measure(value=None, n=done, note=f"{done} of {state.n_trials} planned trials ended")
    blamed = [f"trial {trial.number}: {_mishap(trial)}" for trial, n in mishaps if n]
    return Measure(
        value=float(total),
        n=done,
        source=f"{done} of {several(state.n_trials, 'trial')} ended",
        note="; ".join(blamed),
        final=settled(state),
        only_worse=True,
    )


def mishaps_of(trial: Trial) -> int:
    """Crashed workers, or the failure that none of them explains, and silences."""
    return max(trial.crashes, int(trial.state == "FAIL")) + trial.hangs


def _mishap(trial: Trial) -> str:
    """What went wrong, also where a retry made it good."""
    silent = several(trial.hangs, "silence") if trial.hangs else ""
    last = trial.mishaps[-1] if trial.mishaps else ""
    return (
        "; ".join(part for part in (last, silent) if part)
        or trial.reason
        or trial_word(trial.state)
    )


def _unlike(state: State, key: str) -> Measure:
    """Trials whose worker observed something else than the plan wants; 0 is wanted."""
    seen = [trial for trial in state.trials.values() if key in trial.settings]
    blind = [t.number for t in ended(state) if t.state != "FAIL" and key not in t.settings]
    if not seen and not blind:
        return Measure(value=None, note="no worker has reported yet", awaits="settings of a worker")
    if blind:
        note = f"the worker did not report {key} in trials {blind}"
        return Measure(value=None, n=len(seen), note=note, awaits=f"settings with {key}")
    wrong = [trial for trial in seen if not MEANT[key](trial.settings[key])]
    observed = sorted({word(trial.settings[key]) for trial in wrong or seen})
    return Measure(
        value=float(len(wrong)),
        n=len(seen),
        observed=observed[0],
        source=f"settings of {several(len(seen), 'worker')}",
        note=f"{key} = {', '.join(observed)}" if len(observed) > 1 else "",
        awaits=f"settings of {several(max(0, state.n_trials - len(seen)), 'more worker')}",
        final=len(seen) >= state.n_trials > 0,
        only_worse=True,
    )


def word(value: object) -> str:
    """A setting as a person says it."""
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


def feed(state: State, spec: CriterionSpec) -> Measure:
    """Trials that were fed by something else than a known feed of day blocks."""
    return _unlike(state, "feed")


def start_method(state: State, spec: CriterionSpec) -> Measure:
    """Trials whose processes were not freshly started: fork with threads deadlocks."""
    return _unlike(state, "start_method")


def val_logging_off(state: State, spec: CriterionSpec) -> Measure:
    """Trials that logged every validation batch, which makes validation slow."""
    return _unlike(state, "val_debug")


def all_batches(state: State, spec: CriterionSpec) -> Measure:
    """Smallest share of an epoch's batches that was trained on."""
    shares = [
        (row.batches / row.batches_available, trial, row)
        for trial, row in epochs(state)
        if row.batches_available > 0
    ]
    if not shares:
        return Measure(
            value=None, note="no epoch reported how many batches there were",
            awaits="an epoch with batch counts",
        )  # fmt: skip
    share, trial, row = min(shares, key=lambda item: item[0])
    return Measure(
        value=share,
        n=len(shares),
        source=place(trial.number, row.epoch),
        note=f"{row.batches} of {row.batches_available} batches",
        final=settled(state),
        only_worse=True,
    )


def loss_weights(state: State, spec: CriterionSpec) -> Measure:
    """Largest distance of trial 0's observed loss weights from the plan's.

    Trial 0 is the configuration as it stands. Weights that were set for this run on purpose, by a
    preset or by hand, meet the minimum but not the target.
    """
    trial = state.trials.get(0)
    observed = observed_weights(trial) if trial else None
    if trial is None or observed is None:
        return Measure(
            value=None, note="trial 0 has not reported its loss weights",
            awaits="settings of trial 0 with its loss",
        )  # fmt: skip
    off = from_plan(observed)
    asked = {
        term: finite(trial.params.get(f"loss.{term}", state.loss.get(term, plan)))
        for term, plan in PLAN_WEIGHTS.items()
    }
    meant = all(want is not None and _same(observed[t], want) for t, want in asked.items())
    return Measure(
        value=off,
        n=1,
        observed=weights_said(observed),
        source="settings of trial 0",
        note="set on purpose for this run" if meant and off > 0 else "",
        final=True,
        slack=off if meant else 0.0,
    )


def from_plan(weights: Mapping[str, float]) -> float:
    """Largest distance of loss weights from the plan's."""
    return round(max(abs(weights[term] - plan) for term, plan in PLAN_WEIGHTS.items()), 9)


def weights_said(weights: Mapping[str, float]) -> str:
    """Loss weights as the plan writes them: .5/.3/.1."""
    return "/".join(_short(weight) for weight in weights.values())


def observed_weights(trial: Trial) -> dict[str, float] | None:
    """Weights of the plan's terms; a term that the worker does not name weighs nothing."""
    loss = trial.settings.get("loss")
    if not isinstance(loss, dict):
        return None
    found = {term: finite(loss.get(term, 0.0)) for term in PLAN_WEIGHTS}
    weights = {term: weight for term, weight in found.items() if weight is not None}
    return weights if len(weights) == len(PLAN_WEIGHTS) else None


def _same(a: float, b: float) -> bool:
    return abs(a - b) < 1e-9


def _short(weight: float) -> str:
    """A weight as plans write it: .5 for 0.5."""
    text = f"{weight:.3g}"
    return text.removeprefix("0") if text.startswith("0.") else text
