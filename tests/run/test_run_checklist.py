"""A criterion in words: how far from its bar it is, and what is missing."""

import pytest
from run_builders import Log, result, sweep

from atft_core.run.judge.checklist import margin, margin_errors, other_bar, reason
from atft_core.run.judge.criteria import CRITERIA, Verdict, check, meaning
from atft_core.run.stages import CriterionSpec, Stage


@pytest.mark.parametrize(
    ("name", "minimum", "said", "errors"),
    [
        ("val_rank_ic", 0.0, "+.050", "+6.2 se"),
        ("val_rank_ic", 0.07, "-.020", "-2.5 se"),
        ("epoch_seconds", 15, "-5.0 s", ""),
        ("epoch_seconds", 360, "+340.0 s", ""),
        ("gpu_utilisation", 40, "+50 %", ""),
        ("all_batches", 1, "0 %", ""),
        ("feed", 0, "", ""),
    ],
)
def test_the_margin_is_positive_on_the_right_side_of_the_bar(name, minimum, said, errors):
    found = result(sweep([0.05]), name, minimum)
    assert (margin(found), margin_errors(found)) == (said, errors)


def test_the_margin_counts_from_the_bar_that_decides():
    found = result(sweep([0.05]), "val_rank_ic", 0.0, 0.04, gate="target")
    assert found.margin == pytest.approx(0.01)
    assert other_bar(found, "target") == "> 0", "the minimum"
    forgiven = result(sweep([0.05], baseline_diff=-0.001), "beats_baseline", 0.0)
    assert forgiven.verdict is Verdict.PASS
    assert forgiven.margin == pytest.approx(-0.001 + 1.2816 * 0.004, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("gpu_utilisation", "an epoch with GPU samples"),
        ("stall_share", "an epoch with step timers"),
        ("epoch_seconds", "a trial's second epoch"),
        ("no_crash", "the end of 3 more trials"),
        ("feed", "settings of a worker"),
        ("loss_weights", "settings of trial 0 with its loss"),
        ("all_batches", "an epoch with batch counts"),
        ("val_rank_ic", "the end of a complete trial"),
        ("same_sign", "the end of a complete trial"),
    ],
)
def test_what_is_not_measured_says_which_event_is_missing(name, missing):
    running = result(Log().start(n_trials=3), name, 0)
    assert running.verdict is Verdict.PENDING
    assert reason(running) == f"waits for {missing}"
    over = result(Log().start(n_trials=3).end("STOPPED"), name, 0)
    assert over.verdict is Verdict.UNKNOWN
    assert reason(over) == f"never came: {missing}"


def test_a_value_that_may_change_waits_for_the_trials_that_are_left():
    log = Log().start(n_trials=3).worker().epoch(1).epoch(2).trial_end()
    assert reason(result(log, "val_rank_ic", 0)) == "waits for the end of 2 more trials"
    assert reason(result(log, "feed", 0)) == "waits for settings of 2 more workers"
    assert reason(result(sweep([0.05]), "val_rank_ic", 0)) == "", "it has its verdict"


def test_samples_that_are_too_few_say_how_many_are_missing():
    few = Log().start().worker().epoch(1, gpu={"n": 12, "p50": 80.0}).epoch(2, gpu=None)
    said = reason(result(few, "gpu_utilisation", 40))
    assert said == "waits for an epoch with 18 more GPU samples"
    short = sweep([0.05], days=3)
    assert reason(result(short, "val_rank_ic", 0)) == "never came: an epoch with 20 valid days"


def test_a_criterion_of_a_newer_version_says_what_it_needs():
    spec = CriterionSpec("not_invented_yet", "?", "model quality", 0.0)
    stage = Stage("k", "t", "k", "s", None, 1, 1, criteria=(spec,))
    (found,) = check(sweep([0.05]).state, stage)
    assert reason(found) == "never came: a newer version of atft"
    assert meaning("not_invented_yet") == ""


def test_every_criterion_has_its_formula_in_words():
    assert all(len(meaning(name)) > 20 for name in CRITERIA)
