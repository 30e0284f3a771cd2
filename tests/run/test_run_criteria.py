"""Verdicts from evidence: what was not measured never passes, and noise is called noise."""

import math
from dataclasses import replace

import pytest
from run_builders import Log, dry_run, metrics, result, sweep

from atft_core.run import events as ev
from atft_core.run.judge.criteria import CRITERIA, Verdict, check, overall
from atft_core.run.runbook import load
from atft_core.run.shipped import shipped
from atft_core.run.stages import CriterionSpec, stage_from_json, stage_to_json
from atft_core.run.state import State

PASS, FAIL, PENDING, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.PENDING, Verdict.UNKNOWN
DRY = load(shipped("runbook.toml")).stage("dry")
SHORT = load(shipped("runbook.toml")).stage("short")


def verdicts(log, stage):
    return {found.name: found.verdict for found in check(log.state, stage)}


# --- the whole checklist


def test_a_good_dry_run_passes_every_row():
    assert set(verdicts(dry_run(), DRY).values()) == {PASS}
    assert overall(check(dry_run().state, DRY), State()) is PASS
    assert overall(check(dry_run().state, DRY), State(lost=1)) is UNKNOWN


def test_a_good_sweep_passes_every_row():
    found = verdicts(sweep([0.05, 0.06, 0.055, 0.05, 0.045]), SHORT)
    assert set(found.values()) == {PASS}, found


def test_an_empty_log_passes_nothing():
    assert set(verdicts(Log(), SHORT).values()) == {PENDING}
    assert set(verdicts(Log().start().end("FAILED"), SHORT).values()) == {UNKNOWN}


def test_nothing_passes_while_its_value_may_change():
    log = Log().start(n_trials=2)
    log.worker(0).epoch(1).epoch(2).trial_end(0)
    found = check(log.state, SHORT)
    assert {row.name for row in found if row.verdict is PASS} == {"loss_weights"}
    assert {row.verdict for row in found if row.name != "loss_weights"} == {PENDING}
    assert overall(found, State()) is PENDING


def test_a_run_whose_planned_trials_have_all_ended_is_judged_before_its_end_is_written():
    log = Log().start().worker().epoch(1).epoch(2).trial_end()
    assert overall(check(log.state, DRY), State()) is PASS


def test_what_can_only_get_worse_fails_at_once():
    log = Log().start(n_trials=3).worker().epoch(1).epoch(2, seconds=400.0, batches=49)
    found = verdicts(log, SHORT)
    assert found["epoch_seconds"] is FAIL
    assert found["all_batches"] is FAIL
    assert found["val_rank_ic"] is PENDING
    assert overall(check(log.state, SHORT), State()) is FAIL


@pytest.mark.parametrize("name", CRITERIA)
def test_a_row_of_a_run_without_evidence_is_unknown_when_the_run_has_ended(name):
    found = result(Log().start().end(), name, 0.0)
    assert (found.verdict, found.value) == (UNKNOWN, None)
    assert found.note


@pytest.mark.parametrize("nothing", [None, math.nan, math.inf, True, "0.9"])
@pytest.mark.parametrize("name", ["val_rank_ic", "val_ic", "sign_ratio", "rank_ic_lower",
                                  "above_noise_floor", "beats_baseline", "same_sign"])  # fmt: skip
def test_a_metric_that_is_no_number_never_passes(name, nothing):
    keys = {"val_ic": "ic", "sign_ratio": "sign_ratio", "beats_baseline": "baseline_diff"}
    val = metrics(**{keys.get(name, "rank_ic"): nothing})
    for log in (dry_run(val), sweep([nothing] * 5) if name == "same_sign" else dry_run(val)):
        found = result(log, name, -1.0)
        assert (found.verdict, found.value) == (UNKNOWN, None)


def test_a_stage_of_a_newer_version_is_unknown_not_passed():
    spec = CriterionSpec("born_later", "t", "s", 0.0, None)
    found = check(dry_run().state, replace(DRY, criteria=(spec,)))
    assert [row.verdict for row in found] == [UNKNOWN]


def test_a_run_whose_script_was_edited_has_not_passed():
    edited = ev.Settings(trial=0, attempt=1, worker_seq=9, values={"edited": {"train.py": "1"}})
    log = Log().start().worker().add(edited)
    assert [alert.key for alert in log.state.alerts] == ["edited"]
    assert "train.py changed: trial 0 runs another program" in log.state.alerts[0].text
    assert log.state.doubt == "ran a script that was edited meanwhile"
    assert overall(check(dry_run().state, DRY), log.state) is UNKNOWN


def test_no_rows_are_no_pass():
    assert overall([], State()) is UNKNOWN


def test_a_stage_read_back_from_the_log_judges_the_same():
    stage = stage_from_json(stage_to_json(SHORT) | {"born_later": 1})
    assert stage == SHORT


# --- bars


def test_the_gate_says_which_bar_decides():
    log = dry_run(metrics(0.03))
    low = result(log, "val_rank_ic", 0.0, 0.04)
    high = result(log, "val_rank_ic", 0.0, 0.04, gate="target")
    assert (low.verdict, low.on_target) == (PASS, False)
    assert (high.verdict, high.on_target) == (FAIL, False)


@pytest.mark.parametrize("gate", ["minimum", "target"])
def test_a_single_bar_decides_both_gates(gate):
    log = dry_run(metrics(0.03))
    assert result(log, "val_rank_ic", 0.02, None, gate=gate).verdict is PASS
    assert result(log, "val_rank_ic", None, 0.04, gate=gate).verdict is FAIL
    assert result(log, "val_rank_ic", 0.02, None, gate=gate).on_target is None


def test_bars_are_strict_where_the_plan_is():
    assert result(dry_run(metrics(-0.01)), "val_rank_ic", -0.01).verdict is FAIL
    assert result(dry_run(metrics(sign_ratio=0.01)), "sign_ratio", 0.01).verdict is PASS
    assert result(dry_run(), "epoch_seconds", 20.0).verdict is FAIL
