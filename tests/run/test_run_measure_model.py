"""How good the model is, how sure that is, and what luck would have reached."""

import math

import pytest
from run_builders import Log, dry_run, metrics, result, sweep

from atft_core.run.judge.criteria import Verdict
from atft_core.run.judge.noise import noise_floor

PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN


def test_the_best_complete_trial_is_looked_at_not_the_best_pruned_one():
    found = result(sweep([0.02, 0.09, 0.03], pruned=(1,)), "val_rank_ic", 0)
    assert (found.value, found.source) == (0.03, "trial 2, epoch 3")


def test_the_last_epoch_counts_not_the_best_one():
    log = Log().start().worker()
    for number, value in enumerate((0.01, 0.09, 0.02), 1):
        log.epoch(number, metrics(value))
    found = result(log.trial_end().end(), "val_rank_ic", 0)
    assert (found.value, found.n, found.stderr) == (0.02, 250, 0.008)


def test_a_sweep_without_a_complete_trial_has_no_model():
    found = result(sweep([0.1, 0.1], pruned=(0, 1)), "val_rank_ic", 0)
    assert (found.verdict, found.note) == (UNKNOWN, "no trial is complete")


def test_a_horizon_that_was_not_measured_is_unknown():
    found = result(dry_run(), "val_rank_ic", 0, horizon=5)
    assert (found.verdict, found.horizon) == (UNKNOWN, 5)


def test_a_handful_of_days_is_no_evidence():
    found = result(dry_run(metrics(0.5, days=19)), "val_rank_ic", 0)
    assert (found.verdict, found.n, "needs 20" in found.note) == (UNKNOWN, 19, True)
    assert result(dry_run(metrics(0.5, days=20)), "val_rank_ic", 0).verdict is PASS


@pytest.mark.parametrize(
    ("value", "verdict", "noisy"),
    [(0.04, PASS, False), (0.01, PASS, True), (-0.01, FAIL, True), (-0.04, FAIL, False)],
)
def test_a_verdict_whose_interval_reaches_across_the_bar_says_so(value, verdict, noisy):
    found = result(dry_run(metrics(value, rank_ic_se=0.01)), "val_rank_ic", 0.0)
    assert (found.verdict, "within noise" in found.note) == (verdict, noisy)


def test_the_lower_bound_is_one_sided_at_90_percent():
    found = result(dry_run(metrics(0.012, rank_ic_se=0.01)), "rank_ic_lower", 0)
    assert found.value == pytest.approx(0.012 - 1.28155 * 0.01, abs=1e-6)
    assert found.verdict is FAIL
    assert result(dry_run(metrics(0.013, rank_ic_se=0.01)), "rank_ic_lower", 0).verdict is PASS


@pytest.mark.parametrize("name", ["rank_ic_lower", "above_noise_floor"])
@pytest.mark.parametrize("error", [None, 0.0, -1.0, math.nan])
def test_a_bound_without_an_error_is_unknown(name, error):
    found = result(sweep([0.1] * 5, rank_ic_se=error), name, 0)
    assert (found.verdict, "no standard error" in found.note) == (UNKNOWN, True)


def test_the_noise_floor_grows_with_the_trials_that_were_tried():
    few = result(sweep([0.011, 0.0], rank_ic_se=0.01), "above_noise_floor", 0)
    many = result(sweep([0.011, *[0.0] * 4], rank_ic_se=0.01), "above_noise_floor", 0)
    assert few.value == pytest.approx(0.011 - noise_floor(2, 0.01))
    assert many.value == pytest.approx(0.011 - noise_floor(5, 0.01))
    assert (few.verdict, many.verdict) == (PASS, FAIL)
    pruned = result(sweep([0.011, *[0.0] * 4], pruned=(1, 2), failed=(4,), rank_ic_se=0.01),
                    "above_noise_floor", 0)  # fmt: skip
    assert pruned.value == pytest.approx(0.011 - noise_floor(4, 0.01))


@pytest.mark.parametrize(
    ("difference", "verdict", "on_target"),
    [(0.002, PASS, True), (-0.004, PASS, False), (-0.006, FAIL, False)],
)
def test_the_baseline_may_be_ahead_by_noise_only(difference, verdict, on_target):
    val = metrics(baseline_diff=difference, baseline_diff_se=0.004)
    found = result(dry_run(val), "beats_baseline", 0, 0)
    assert (found.verdict, found.on_target) == (verdict, on_target)
    assert "against reversal" in found.note


def test_beating_the_baseline_is_needed_for_the_target():
    val = metrics(baseline_diff=-0.001, baseline_diff_se=0.004)
    assert result(dry_run(val), "beats_baseline", 0, 0, gate="target").verdict is FAIL


def test_a_baseline_that_was_not_scored_is_unknown():
    val = metrics(baseline=None, baseline_diff=None, baseline_diff_se=None)
    assert result(dry_run(val), "beats_baseline", 0).verdict is UNKNOWN


def test_a_sign_ratio_that_is_too_good_asks_for_a_leak_check():
    found = result(dry_run(metrics(sign_ratio=0.06)), "sign_ratio", 0.01, 0.01)
    assert (found.verdict, found.on_target, found.alarm) == (PASS, None, True)
    assert "check for a leak" in found.note
    assert not result(dry_run(metrics(sign_ratio=0.02)), "sign_ratio", 0.01).alarm


@pytest.mark.parametrize(
    ("values", "share", "verdict"),
    [
        ([0.05, 0.01, 0.02, 0.01, -0.01], 0.8, PASS), ([0.05, 0.01, 0.02, 0.0, -0.01], 0.6, FAIL),
        ([-0.01, -0.02, -0.01], 1.0, PASS),
    ],
)  # fmt: skip
def test_most_trials_must_have_the_sign_of_the_best(values, share, verdict):
    found = result(sweep(values), "same_sign", 0.8)
    assert (found.value, found.verdict) == (pytest.approx(share), verdict)


def test_pruned_trials_have_a_sign_and_failed_ones_have_none():
    log = sweep([0.05, -0.01, -0.02, 0.01], pruned=(1,), failed=(2,))
    found = result(log, "same_sign", 0.8)
    assert (found.value, found.n) == (pytest.approx(2 / 3), 3)


def test_two_trials_say_nothing_about_consistency():
    found = result(sweep([0.05, 0.04]), "same_sign", 0.8)
    assert (found.verdict, found.n) == (UNKNOWN, 2)
