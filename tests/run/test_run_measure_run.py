"""How a run went: speed, health, and what its workers really ran with."""

import math

import pytest
from run_builders import SETTINGS, Log, result, sweep

from atft_core.run import events as ev
from atft_core.run.judge.criteria import Verdict

PASS, FAIL, PENDING, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.PENDING, Verdict.UNKNOWN


# --- the GPU, the feed and the clock


def test_gpu_utilisation_is_the_median_over_train_spans_weighted_by_samples():
    log = Log().start().worker()
    for number, (p50, n) in enumerate([(10.0, 5), (70.0, 100), (80.0, 60)], 1):
        log.epoch(number, gpu={"n": n, "p10": 0.0, "p50": p50, "p90": 99.0})
    found = result(log.trial_end().end(), "gpu_utilisation", 40, 60)
    assert (found.value, found.n, found.verdict) == (70.0, 165, PASS)
    assert "3 epochs" in found.source


@pytest.mark.parametrize(
    ("gpu", "note"),
    [
        (None, "NVML"), ({}, "NVML"), ({"n": 0, "p50": 90.0}, "NVML"),
        ({"n": 14, "p50": 90.0}, "30 samples"), ({"n": 100, "p50": math.nan}, "NVML"),
    ],
)  # fmt: skip
def test_too_few_gpu_samples_are_unknown(gpu, note):
    log = Log().start().worker().epoch(1, gpu=gpu).epoch(2, gpu=gpu).trial_end().end()
    found = result(log, "gpu_utilisation", 40, 60)
    assert (found.verdict, found.value) == (UNKNOWN, None)
    assert note in found.note


def test_a_gpu_that_was_seen_in_a_few_epochs_only_is_unknown():
    log = Log().start().worker().epoch(1)
    for number in (2, 3, 4):
        log.epoch(number, gpu=None)
    found = result(log.trial_end().end(), "gpu_utilisation", 40)
    assert found.verdict is UNKNOWN
    assert "1 of 4 epochs" in found.note


def test_stall_share_is_wait_over_train_time():
    log = Log().start().worker()
    log.epoch(1, time={"wait": 1.0, "compute": 3.0}).epoch(2, time={"wait": 0.0, "compute": 6.0})
    found = result(log.trial_end().end(), "stall_share", 0.2, 0.05)
    assert (found.value, found.n) == (pytest.approx(0.1), 2)
    assert (found.verdict, found.on_target) == (PASS, False)
    assert result(log, "stall_share", 0.1).verdict is FAIL


def test_epoch_time_leaves_out_the_first_epoch_of_each_trial():
    log = Log().start(n_trials=2)
    for trial, times in enumerate([(900.0, 20.0), (800.0, 30.0, 25.0)]):
        log.worker(trial)
        for number, seconds in enumerate(times, 1):
            log.epoch(number, trial=trial, seconds=seconds)
        log.trial_end(trial)
    found = result(log.end(), "epoch_seconds", 360, 300)
    assert (found.value, found.n, found.source) == (30.0, 3, "trial 1, epoch 2")
    assert found.verdict is PASS


def test_one_epoch_alone_has_no_epoch_time():
    log = Log().start().worker().epoch(1).trial_end().end()
    assert result(log, "epoch_seconds", 360).verdict is UNKNOWN


# --- crashes and hangs


def test_a_worker_that_crashed_fails_the_run_even_if_its_trial_was_saved():
    log = Log().start().worker().epoch(1)
    log.add(ev.WorkerExited(trial=0, ok=False, reason="killed by SIGKILL"))
    assert result(log, "no_crash", 0).verdict is FAIL
    log.worker(attempt=2).epoch(2, attempt=2).trial_end().end()
    found = result(log, "no_crash", 0)
    assert (found.value, found.verdict) == (1.0, FAIL)


def test_a_failed_trial_counts_once():
    found = result(sweep([0.1, 0.1], failed=(1,)), "no_crash", 0)
    assert (found.value, found.verdict, found.note) == (1.0, FAIL, "trial 1: killed")


def test_a_hang_counts_although_the_worker_came_back():
    log = Log().start().worker().epoch(1).epoch(2).trial_end()
    assert result(log, "no_crash", 0).verdict is PASS
    log = Log().start().worker()
    log.add(ev.Progress(trial=0, worker_seq=log.seq(0), phase="train"), after=900)
    log.epoch(1).epoch(2).trial_end().end()
    assert result(log, "no_crash", 0).verdict is FAIL


def test_a_run_that_stopped_before_its_last_trial_is_unknown_not_free_of_crashes():
    log = Log().start(n_trials=3).worker().epoch(1).trial_end().end("STOPPED")
    found = result(log, "no_crash", 0)
    assert (found.verdict, found.note) == (UNKNOWN, "1 of 3 planned trials ended")


# --- the configuration as observed


@pytest.mark.parametrize(
    ("name", "key", "wrong", "shown"),
    [
        ("feed", "feed", "per_window_parquet", "per_window_parquet"),
        ("start_method", "start_method", "fork", "fork"),
        ("val_logging_off", "val_debug", True, "on"),
        ("val_logging_off", "val_debug", None, "None"),
    ],
)
def test_a_setting_that_the_worker_observed_differently_fails_at_once(name, key, wrong, shown):
    good = Log().start(n_trials=2).worker(0)
    assert result(good, name, 0).verdict is PENDING
    assert result(good.worker(1), name, 0).verdict is PASS
    bad = Log().start(n_trials=2).worker(0, settings={**SETTINGS, key: wrong})
    found = result(bad, name, 0)
    assert (found.verdict, found.value) == (FAIL, 1.0)
    assert found.observed == shown


def test_settings_that_one_trial_did_not_report_are_unknown():
    log = Log().start(n_trials=2)
    log.worker(0).epoch(1).trial_end(0)
    log.worker(1, settings={"feed": "ring"}).epoch(1, trial=1).trial_end(1).end()
    assert result(log, "feed", 0).verdict is PASS
    found = result(log, "start_method", 0)
    assert (found.verdict, "trials [1]" in found.note) == (UNKNOWN, True)


def test_the_plan_s_loss_weights_are_checked_on_trial_0_only():
    log = Log().start(n_trials=2).worker(0)
    other = {**SETTINGS, "loss": {"rank_ic": 0.31, "cs_ic": 0.2, "sharpe": 0.0}}
    found = result(log.worker(1, settings=other), "loss_weights", 0, 0)
    assert (found.verdict, found.value, found.on_target) == (PASS, 0.0, True)
    assert (found.observed, found.note) == (".5/.3/.1", "")


@pytest.mark.parametrize(
    "loss", [{"rank_ic": 0.2, "cs_ic": 0.3, "sharpe": 0.1}, {"rank_ic": 0.5, "cs_ic": 0.3}]
)
def test_weights_that_did_not_reach_the_worker_fail(loss):
    log = Log().start().worker(settings={**SETTINGS, "loss": loss})
    assert result(log, "loss_weights", 0, 0).verdict is FAIL


def test_weights_set_on_purpose_meet_the_minimum_but_not_the_plan():
    weights = {"rank_ic": 0.7, "cs_ic": 0.3}
    asked = {"loss.rank_ic": 0.7, "loss.sharpe": 0.0}
    log = Log().start().worker(params=asked, settings={**SETTINGS, "loss": weights})
    found = result(log, "loss_weights", 0, 0)
    assert (found.verdict, found.on_target) == (PASS, False)
    assert (found.observed, found.note) == (".7/.3/0", "set on purpose for this run")
    assert result(log, "loss_weights", 0, 0, gate="target").verdict is FAIL


def test_weights_of_a_preset_count_as_asked_for_where_nothing_is_searched():
    weights = {"rank_ic": 0.6, "cs_ic": 0.4, "sharpe": 0.0}
    log = Log().start(loss=weights).worker(settings={**SETTINGS, "loss": weights})
    found = result(log, "loss_weights", 0, 0)
    assert (found.verdict, found.on_target) == (PASS, False)
    ignored = Log().start(loss=weights).worker(settings=SETTINGS)
    assert "on purpose" not in result(ignored, "loss_weights", 0, 0).note


@pytest.mark.parametrize("loss", [None, "0.5", {"rank_ic": math.nan}, {"rank_ic": "0.5"}])
def test_weights_that_were_not_observed_are_unknown(loss):
    log = Log().start().worker(settings={**SETTINGS, "loss": loss}).end()
    assert result(log, "loss_weights", 0).verdict is UNKNOWN


def test_every_epoch_must_have_all_its_batches():
    log = Log().start().worker().epoch(1).epoch(2, batches=49).trial_end().end()
    found = result(log, "all_batches", 1)
    assert (found.value, found.verdict) == (0.98, FAIL)
    assert (found.source, found.note) == ("trial 0, epoch 2", "49 of 50 batches")


def test_an_epoch_that_does_not_know_its_batches_is_unknown():
    log = Log().start().worker().epoch(1, batches_available=0).trial_end().end()
    assert result(log, "all_batches", 1).verdict is UNKNOWN
