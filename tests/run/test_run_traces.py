"""The evidence of a criterion: each measurement with its event, bounded for a screen."""

import pytest
from run_builders import SETTINGS, Log, metrics, sweep

from atft_core.run.epochs import EpochRow
from atft_core.run.judge.criteria import CRITERIA, check
from atft_core.run.judge.traces import LISTED, PLOTTED, SOURCES, thinned, trace
from atft_core.run.stages import CriterionSpec, Stage
from atft_core.run.state import State


def traced(state, name, minimum=0.0):
    criterion = CRITERIA[name]
    spec = CriterionSpec(name, criterion.title, criterion.section, minimum, None,
                         1 if criterion.needs_horizon else None)  # fmt: skip
    (result,) = check(state, Stage("k", "t", "k", "s", None, 1, 1, criteria=(spec,)))
    return trace(state, spec, result), result


def test_every_criterion_has_a_trace():
    assert SOURCES.keys() == CRITERIA.keys()


@pytest.mark.parametrize("name", CRITERIA)
def test_the_deciding_measurements_give_the_value_back(name):
    log = sweep([0.02, 0.05, 0.03])
    found, result = traced(log.state, name)
    deciding = [point for point in found.points if point.decides]
    assert deciding
    if len(deciding) == 1 and not result.observed:
        assert deciding[0].value == pytest.approx(result.value)
    for point in found.points:
        event = log.stamped[point.seq - 1]
        assert event.seq == point.seq
        assert event.event.trial == point.trial
        assert type(event.event).__name__ == {
            "epoch": "Epoch", "settings": "Settings", "trial_ended": "TrialEnded",
        }[found.kind]  # fmt: skip


def test_a_metric_of_ones_own_has_its_epochs_and_the_one_that_decides():
    log = sweep([0.02, 0.05], sharpness=0.7)
    spec = CriterionSpec("above.sharpness", "sharpness", "model", 0.5)
    (result,) = check(log.state, Stage("k", "t", "k", "s", None, 1, 1, criteria=(spec,)))
    found = trace(log.state, spec, result)
    assert (found.kind, found.total) == ("epoch", 6)
    assert [(p.trial, p.epoch, p.value) for p in found.points if p.decides] == [(1, 3, 0.7)]


def test_the_epoch_that_decides_is_marked():
    log = Log().start().worker()
    for number, seconds in enumerate((90.0, 20.0, 31.0, 22.0), start=1):
        log.epoch(number, seconds=seconds)
    found, _ = traced(log.state, "epoch_seconds", 360)
    assert [(p.epoch, p.value, p.decides) for p in found.points] == [
        (2, 20.0, False), (3, 31.0, True), (4, 22.0, False),
    ], "the first epoch of a trial does not count"  # fmt: skip


def test_one_trial_is_drawn_by_epoch_and_several_by_trial():
    found, _ = traced(sweep([0.02]).state, "val_rank_ic")
    assert (found.axis, found.plotted) == ("epoch", ((1.0, 0.02), (2.0, 0.02), (3.0, 0.02)))
    found, _ = traced(sweep([0.02, 0.05, 0.03]).state, "val_rank_ic")
    assert (found.axis, found.plotted) == ("trial", ((0.0, 0.02), (1.0, 0.05), (2.0, 0.03)))


def test_a_trial_without_the_metric_is_a_gap():
    log = Log().start(n_trials=2)
    for trial, val in enumerate((metrics(0.02), metrics(None))):
        log.worker(trial).epoch(1, val, trial=trial).trial_end(trial)
    found, _ = traced(log.state, "val_rank_ic")
    assert found.plotted == ((0.0, 0.02), (1.0, None))


def test_what_a_worker_saw_is_told_in_words():
    log = Log().start(n_trials=2).worker(0).worker(1, settings={**SETTINGS, "feed": "files"})
    found, _ = traced(log.state, "feed")
    assert [(p.said, p.value) for p in found.points] == [("resident", 0.0), ("files", 1.0)]
    found, _ = traced(log.state, "loss_weights")
    assert [(p.said, p.value) for p in found.points] == [(".5/.3/.1", 0.0)]


def test_an_empty_run_has_no_evidence():
    for name in CRITERIA:
        found, _ = traced(State(), name)
        assert (found.points, found.plotted, found.total) == ((), (), 0)


def long_trial(epochs):
    state = State(run="r", n_trials=1, max_epochs=epochs, seq=epochs)
    trial = state.trial(0)
    trial.state, trial.value = "COMPLETE", 0.1
    trial.epochs = [
        EpochRow(n, float(n), 99.0 if n == 7 else 2.0, 9, 9, {}, {}, {}, None, {}, n)
        for n in range(1, epochs + 1)
    ]
    return state


def test_of_many_epochs_a_bounded_part_is_kept_and_the_one_that_decides():
    found, _ = traced(long_trial(20_000), "epoch_seconds", 360)
    assert found.total == 19_999
    assert len(found.points) == LISTED + 1
    assert (found.points[0].epoch, found.points[0].decides) == (7, True)
    assert not any(point.decides for point in found.points[1:])
    assert found.points[-1].epoch == 20_000
    assert len(found.plotted) <= PLOTTED
    assert (7.0, 99.0) in found.plotted, "the spike is drawn"


def test_thinning_keeps_order_and_extremes():
    points = [(float(i), float(i * 37 % 1001)) for i in range(5000)]
    kept = thinned(points, 100)
    assert len(kept) <= 100
    assert kept == sorted(kept)
    assert {min(y for _, y in kept), max(y for _, y in kept)} == {0.0, 1000.0}
    assert thinned(points[:50], 100) == points[:50]
    assert thinned([(float(i), None) for i in range(500)], 100) == []
