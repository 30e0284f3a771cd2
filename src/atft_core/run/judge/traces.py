"""What a criterion was computed from: the single measurements, and the events that brought them.

A measurement names its event by its number in the log, so that anybody can look it up.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from atft_core.run.epochs import EpochRow
from atft_core.run.judge.criteria import Result, asked_metric
from atft_core.run.judge.measure import placed
from atft_core.run.judge.measure_model import ONE_SIDED_90, luck
from atft_core.run.judge.measure_run import (
    MEANT,
    from_plan,
    mishaps_of,
    observed_weights,
    weights_said,
    word,
)
from atft_core.run.stages import CriterionSpec
from atft_core.run.state import ENDED, State, Trial
from atft_core.run.wording import finite, trial_word

LISTED = 500
"""Measurements that a list shows; more of them than a person reads."""
PLOTTED = 2000
"""Points that a plot is made of; more than any screen has columns."""


@dataclass(frozen=True, slots=True)
class Point:
    """One measurement, and the event that it is from."""

    seq: int
    t: float
    trial: int
    epoch: int
    """0 where it is about the trial as a whole."""
    value: float | None
    said: str = ""
    """What was seen, where the value only counts what was seen wrong."""
    decides: bool = True
    """Whether the criterion's value is this one, or made of all that say so."""


@dataclass(frozen=True)
class Trace:
    """All measurements of a criterion in a form that a screen can hold."""

    kind: str = ""
    """Which events they are from."""
    axis: str = "epoch"
    """What the plot is over: the epochs of the only trial, or the trials."""
    plotted: tuple[tuple[float, float | None], ...] = ()
    points: tuple[Point, ...] = ()
    """In the order of the log; of many the newest, and those that decide alone."""
    total: int = 0


Reader = Callable[[State, CriterionSpec], Iterator[Point]]
Summary = Callable[[Sequence[float]], float]


@dataclass(frozen=True)
class Source:
    """How the measurements of a criterion are read, and what several of one trial come to."""

    kind: str
    read: Reader
    of_trial: Summary = max


def trace(state: State, spec: CriterionSpec, result: Result) -> Trace:
    """What `result` was computed from; empty for a criterion of a newer version."""
    own = asked_metric(spec.name)
    source = Source("epoch", _metric(own), _last) if own else SOURCES.get(spec.name)
    if source is None:
        return Trace()
    points = list(source.read(state, spec))
    axis, plotted = _plotted(points, source.of_trial)
    kept = _kept(points, placed(result.source))
    return Trace(source.kind, axis, tuple(thinned(plotted)), tuple(kept), len(points))


def _kept(points: Sequence[Point], alone: tuple[int, int] | None) -> list[Point]:
    """The newest, and the one that decides where the value is that of a single epoch."""
    newest = points[-LISTED:]
    decisive = [p for p in points if (p.trial, p.epoch) == alone]
    if not decisive:
        return list(newest)
    older = [p for p in decisive if p.seq < newest[0].seq]
    return [*older, *(p if p in decisive else replace(p, decides=False) for p in newest)]


def _plotted(
    points: Sequence[Point], of_trial: Summary
) -> tuple[str, list[tuple[float, float | None]]]:
    """By epoch while there is one trial, else one point for each."""
    if len({point.trial for point in points}) < 2 and any(point.epoch for point in points):
        return "epoch", sorted((float(p.epoch), p.value) for p in points if p.value is not None)
    found: list[tuple[float, float | None]] = []
    ordered = sorted(points, key=lambda point: point.trial)
    for trial, group in groupby(ordered, key=lambda point: point.trial):
        known = [point.value for point in group if point.value is not None]
        found.append((float(trial), of_trial(known) if known else None))
    return "trial", found


def thinned(
    points: Sequence[tuple[float, float | None]], most: int = PLOTTED
) -> list[tuple[float, float | None]]:
    """At most so many points: of each stretch the lowest and the highest, no spike is lost."""
    if len(points) <= most:
        return list(points)
    stretch = -(-2 * len(points) // most)
    kept: list[tuple[float, float | None]] = []
    for start in range(0, len(points), stretch):
        piece = [(x, y) for x, y in points[start : start + stretch] if y is not None]
        if piece:
            ends = {min(piece, key=lambda p: p[1]), max(piece, key=lambda p: p[1])}
            kept += sorted(ends)
    return kept


# Readers.


def _by_epoch(value: Callable[[EpochRow], float | None], skip: int = 0) -> Reader:
    """One measurement for every epoch but the first `skip` of each trial."""

    def read(state: State, _: CriterionSpec) -> Iterator[Point]:
        for trial in state.trials.values():
            for row in sorted(trial.epochs, key=lambda row: row.epoch)[skip:]:
                yield Point(row.seq, row.t, trial.number, row.epoch, value(row))

    return read


def _metric(name: str) -> Reader:
    """A validation metric at the horizon of the criterion."""

    def read(state: State, spec: CriterionSpec) -> Iterator[Point]:
        return _by_epoch(lambda row: row.metric(name, spec.horizon or state.horizon))(state, spec)

    return read


def _rank_ic_less(errors: Callable[[State, float], float]) -> Reader:
    """RankIC less something that grows with its error."""

    def read(state: State, spec: CriterionSpec) -> Iterator[Point]:
        floor = errors(state, 1.0)

        def value(row: EpochRow) -> float | None:
            rank_ic = row.metric("rank_ic", spec.horizon or 0)
            error = row.metric("rank_ic_se", spec.horizon or 0)
            return None if rank_ic is None or not error else rank_ic - floor * error

        return _by_epoch(value)(state, spec)

    return read


def _setting(key: str) -> Reader:
    """What each worker said it runs with; 1 where that is not what the plan wants."""

    def read(state: State, _: CriterionSpec) -> Iterator[Point]:
        for trial in state.trials.values():
            if key in trial.settings:
                seen = trial.settings[key]
                yield _of_settings(trial, float(not MEANT[key](seen)), word(seen))

    return read


def _of_settings(trial: Trial, value: float | None, said: str) -> Point:
    return Point(trial.settings_seq, trial.started, trial.number, 0, value, said)


def _loss_weights(state: State, _: CriterionSpec) -> Iterator[Point]:
    trial = state.trials.get(0)
    observed = observed_weights(trial) if trial else None
    if trial is not None and observed is not None:
        yield _of_settings(trial, from_plan(observed), weights_said(observed))


def _mishaps(state: State, _: CriterionSpec) -> Iterator[Point]:
    for trial in state.trials.values():
        if trial.state in ENDED or mishaps_of(trial):
            seq, t = trial.ended_seq, trial.ended or trial.heard
            yield Point(seq, t, trial.number, 0, float(mishaps_of(trial)),
                        trial_word(trial.state))  # fmt: skip


def _last_rank_ic(state: State, spec: CriterionSpec) -> Iterator[Point]:
    for trial in state.trials.values():
        if trial.state in ("COMPLETE", "PRUNED") and trial.epochs:
            row = trial.epochs[-1]
            value = row.metric("rank_ic", spec.horizon or 0)
            yield Point(row.seq, row.t, trial.number, row.epoch, value)


def _wait_share(row: EpochRow) -> float | None:
    wait, compute = finite(row.time.get("wait")), finite(row.time.get("compute"))
    return None if wait is None or not compute else wait / (wait + compute)


def _batch_share(row: EpochRow) -> float | None:
    return row.batches / row.batches_available if row.batches_available > 0 else None


def _last(values: Sequence[float]) -> float:
    return values[-1]


SOURCES: dict[str, Source] = {
    "gpu_utilisation": Source(
        "epoch", _by_epoch(lambda row: finite((row.gpu or {}).get("p50"))), statistics.median
    ),
    "stall_share": Source("epoch", _by_epoch(_wait_share), statistics.median),
    "epoch_seconds": Source("epoch", _by_epoch(lambda row: finite(row.seconds), skip=1)),
    "no_crash": Source("trial_ended", _mishaps),
    "feed": Source("settings", _setting("feed")),
    "start_method": Source("settings", _setting("start_method")),
    "loss_weights": Source("settings", _loss_weights),
    "all_batches": Source("epoch", _by_epoch(_batch_share), min),
    "val_logging_off": Source("settings", _setting("val_debug")),
    "val_rank_ic": Source("epoch", _metric("rank_ic"), _last),
    "rank_ic_lower": Source("epoch", _rank_ic_less(lambda _, error: ONE_SIDED_90 * error), _last),
    "above_noise_floor": Source("epoch", _rank_ic_less(luck), _last),
    "beats_baseline": Source("epoch", _metric("baseline_diff"), _last),
    "val_ic": Source("epoch", _metric("ic"), _last),
    "sign_ratio": Source("epoch", _metric("sign_ratio"), _last),
    "same_sign": Source("epoch", _last_rank_ic, _last),
}
