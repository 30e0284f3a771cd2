"""Decision rules: what they see, that they decide once, and what stopping saves."""

import pytest
from run_builders import Log, metrics

from atft_core.run.events import Decision
from atft_core.run.judge.rules import RULES, decisions_on_sweep, decisions_on_trial, stopped_by
from atft_core.run.stages import RuleSpec
from atft_core.run.state import from_json, to_json

EARLY = RuleSpec("early_signs", 0.5, 0.01)
SECOND = RuleSpec("second_look", 0.75, 0.015)
EPOCHS = 8


def trial_log(values, ic=0.01, se=0.004):
    """A trial in training with these RankICs, an hour per epoch."""
    log = Log().start(n_trials=4, max_epochs=EPOCHS).worker()
    for number, value in enumerate(values, start=1):
        log.epoch(number, metrics(value, ic=ic, rank_ic_se=se), seconds=3600.0)
    return log


def on_trial(log, *rules):
    return decisions_on_trial(log.state, rules, 0)


@pytest.mark.parametrize(
    ("values", "ic", "verdict", "why"),
    [
        ([0.0, 0.02, 0.017, 0.015], -0.01, "go on", "RankIC 0.0150 reaches 0.01"),
        ([0.0, -0.02, -0.01, -0.005], -0.01, "go on", "RankIC rises"),
        ([0.0, 0.004, 0.003, 0.002], 0.001, "go on", "IC 0.0010 is not below 0"),
        ([0.0, 0.004, 0.003, 0.002], -0.01, "stop", "RankIC 0.0020 is below 0.01"),
    ],
)
def test_early_on_all_signs_must_be_bad(values, ic, verdict, why):
    (found,) = on_trial(trial_log(values, ic), EARLY)
    assert (found.verdict, found.trial, found.rule) == (verdict, 0, "early_signs")
    assert why in found.said
    assert found.evidence["epoch"] == 4


def test_before_its_time_and_at_the_end_a_rule_is_silent():
    bad = [0.0, 0.004, 0.003]
    assert on_trial(trial_log(bad, -0.01), EARLY) == []
    short = Log().start(max_epochs=2).worker().epoch(1, metrics(-0.1)).epoch(2, metrics(-0.1))
    assert on_trial(short, EARLY) == [], "nothing is left to save"


def test_a_later_epoch_does_not_change_what_is_looked_at():
    (found,) = on_trial(trial_log([0.0, 0.004, 0.003, 0.002, 0.09, 0.09], -0.01), EARLY)
    assert found.verdict == "stop"


def test_the_second_look_counts_the_error():
    assert on_trial(trial_log([0.01] * 6, se=0.001), SECOND)[0].verdict == "stop"
    (found,) = on_trial(trial_log([0.01] * 6, se=0.005), SECOND)
    assert found.verdict == "go on"
    assert found.said == ("trial 0: go on, RankIC 0.0100 +- 0.0050, at best 0.0164, against 0.015")


def test_what_stopping_saves_and_whether_it_acts():
    log = trial_log([0.01] * 6, se=0.001)
    (advice,) = on_trial(log, SECOND)
    assert advice.saves_hours == pytest.approx(2.0)
    assert advice.said.endswith("against 0.015; this saves about 2h00")
    assert "stop (advice)" in advice.said
    (acting,) = on_trial(log, RuleSpec("second_look", 0.75, 0.015, acts=True))
    assert acting.acts
    assert "(advice)" not in acting.said


def test_a_trial_is_judged_once_by_each_rule_also_after_a_restart():
    log = trial_log([0.0, 0.004, 0.003, 0.002], -0.01)
    log.add(*on_trial(log, EARLY))
    assert on_trial(log, EARLY) == []
    assert decisions_on_trial(from_json(to_json(log.state)), (EARLY,), 0) == []
    assert log.state.alerts[-1].text.startswith("trial 0: stop (advice)")


def sweep_log(values, n_trials=8, se=0.004):
    log = Log().start(n_trials=n_trials, max_epochs=2)
    for number, value in enumerate(values):
        log.worker(number)
        for epoch in (1, 2):
            log.epoch(epoch, metrics(value, rank_ic_se=se), trial=number, seconds=1800.0)
        log.trial_end(number, value=value)
    return log


def test_a_sweep_whose_best_is_below_the_bar_for_sure_is_hopeless():
    rule = RuleSpec("sweep_hopeless", 0.5, 0.015)
    assert decisions_on_sweep(sweep_log([0.001] * 3).state, (rule,)) == []
    (found,) = decisions_on_sweep(sweep_log([0.001] * 4).state, (rule,))
    assert found.verdict == "stop"
    assert found.saves_hours == pytest.approx(4.0)
    (found,) = decisions_on_sweep(sweep_log([0.001, 0.012, 0.0, 0.0]).state, (rule,))
    assert found.verdict == "go on"


def test_a_sweep_that_has_what_was_hoped_for_may_end():
    rule = RuleSpec("sweep_reached", 0.5, 0.04)
    assert decisions_on_sweep(sweep_log([0.05] * 4).state, (rule,))[0].verdict == "stop"
    assert decisions_on_sweep(sweep_log([0.042] * 4).state, (rule,))[0].verdict == "go on"


def test_a_sweep_without_anything_new_for_long_has_stalled():
    rule = RuleSpec("sweep_stalled", 0.5)
    log = sweep_log([0.01, 0.03, 0.02, 0.02, 0.01])
    (found,) = decisions_on_sweep(log.state, (rule,))
    assert found.verdict == "go on"
    log.add(found)
    log = log.worker(5).epoch(1, trial=5).trial_end(5, value=0.01)
    (found,) = decisions_on_sweep(log.state, (rule,))
    assert (found.verdict, found.evidence["best"]) == ("stop", 1)


def test_a_sweep_that_may_stop_was_first_said_to_go_on_once():
    rule = RuleSpec("sweep_hopeless", 0.25, 0.015)
    log = sweep_log([0.012, 0.011])
    (found,) = decisions_on_sweep(log.state, (rule,))
    log.add(found)
    assert found.verdict == "go on"
    log.worker(2).epoch(1, trial=2).trial_end(2, value=0.01)
    assert decisions_on_sweep(log.state, (rule,)) == []


def test_a_sweep_of_which_all_was_pruned_can_be_hopeless_or_stalled():
    log = Log().start(n_trials=8, max_epochs=4)
    for number in range(5):
        log.worker(number)
        log.epoch(1, metrics(0.001, rank_ic_se=0.004), trial=number)
        log.trial_end(number, "PRUNED", value=0.001)
    hopeless = RuleSpec("sweep_hopeless", 0.5, 0.015)
    assert decisions_on_sweep(log.state, (hopeless,))[0].verdict == "stop"


def test_nothing_is_decided_on_a_handful_of_days_or_at_the_end():
    few = Log().start(n_trials=4, max_epochs=EPOCHS).worker()
    for number in range(1, 7):
        few.epoch(number, metrics(0.001, rank_ic_se=0.0001, days=5))
    assert on_trial(few, SECOND) == []
    rule = RuleSpec("sweep_hopeless", 0.5, 0.015)
    assert decisions_on_sweep(sweep_log([0.001] * 8).state, (rule,)) == []


def test_what_a_rule_stopped_stays_stopped_for_the_next_engine():
    log = trial_log([0.01] * 6, se=0.001)
    log.add(*on_trial(log, RuleSpec("second_look", 0.75, 0.015, acts=True)))
    assert stopped_by(from_json(to_json(log.state)), 0).startswith("trial 0: stop, RankIC")
    assert stopped_by(log.state, None) == ""
    advice = trial_log([0.01] * 6, se=0.001)
    advice.add(*on_trial(advice, SECOND))
    assert stopped_by(advice.state, 0) == ""


def test_rules_of_another_version_are_left_out():
    log = trial_log([0.0] * 4)
    assert on_trial(log, RuleSpec("born_later", 0.5)) == []
    assert {kind.about for kind in RULES.values()} == {"trial", "sweep"}
    assert isinstance(on_trial(log, EARLY)[0], Decision)
