"""Two runs beside each other: what changed, what is noise, what makes them hard to compare."""

import json

import pytest
from run_builders import IDENTITY, Log, dry_run, metrics, sweep

from atft_core.run import events as ev
from atft_core.run.events import DataReady
from atft_core.run.judge.contrast import GLYPH, contrast
from atft_core.run.judge.criteria import CRITERIA
from atft_core.run.runbook import load, shipped
from atft_core.run.state import State

SHORT = load(shipped("runbook.toml")).stage("short")


def lines(before, after, stage=SHORT):
    found = contrast(before.state, after.state, stage)
    return {line.name: line for line in found.lines}


@pytest.mark.parametrize(
    ("before", "after", "change", "z"),
    [
        (0.020, 0.060, "better", 0.04 / (0.008 * 2**0.5)),
        (0.060, 0.020, "worse", -0.04 / (0.008 * 2**0.5)),
        (0.050, 0.055, "within noise", 0.005 / (0.008 * 2**0.5)),
        (0.050, 0.050, "the same", 0.0),
    ],
)
def test_a_difference_counts_when_it_is_more_than_both_errors_explain(before, after, change, z):
    line = lines(sweep([before]), sweep([after]))["val_rank_ic"]
    assert (line.change, line.z) == (change, pytest.approx(z))
    assert line.difference == pytest.approx(after - before)


def test_lower_is_better_for_seconds_and_higher_for_the_share_of_batches():
    assert lines(dry_run(), dry_run())["epoch_seconds"].change == "the same"
    before = Log().start().worker()
    for number in (1, 2):
        before.epoch(number, seconds=90.0, batches=10)
    found = lines(before.trial_end().end(), dry_run())
    assert found["epoch_seconds"].change == "better"
    assert found["median_epoch_seconds"].said == ("90.0 s", "20.0 s", "-70.0 s")
    assert found["all_batches"].said == ("20 %", "100 %", "+80 %")
    assert found["all_batches"].change == "better"
    assert found["batches"].change == "other", "more batches are neither better nor worse"


def test_an_estimate_without_a_known_error_is_said_with_a_question_mark():
    found = lines(sweep([0.05], sign_ratio=0.01), sweep([0.05], sign_ratio=0.02))
    assert found["sign_ratio"].change == "better?"
    assert lines(sweep([0.05]), sweep([0.04]))["rank_ic_lower"].change == "worse?"


def test_what_one_run_has_not_measured_is_not_known():
    found = lines(sweep([0.05]), sweep([0.05, 0.04, 0.03]))
    assert found["same_sign"].change == "not known"
    assert found["same_sign"].said == ("-", "100 %", "")
    assert found["windows_per_s"].change == "not known"


def test_programs_of_ones_own_are_compared_by_their_own_metric():
    def log(loss):
        told = ev.RunStarted(run="r", n_trials=1, max_epochs=1, objective="-loss")
        begun = Log().add(told, ev.DataReady(facts={"command": "fit.py"})).worker(settings=None)
        return begun.epoch(1, {"loss": loss}).trial_end(value=-loss).end()

    found = lines(log(0.5), log(0.25), stage=None)
    assert found["below.loss"].change in ("better", "better?")
    assert not {"val_rank_ic", "loss_weights", "feed"} & set(found)


def test_settings_that_were_seen_are_compared_in_words():
    other = {"feed": "files", "start_method": "fork", "val_debug": False}
    before = Log().start().worker(settings=other).epoch(1, metrics()).trial_end().end()
    feed = lines(before, sweep([0.05]))["feed"]
    assert feed.said == ("files", "resident", "")
    assert feed.change == "better"


def test_every_measure_and_the_figures_of_the_run_are_there():
    found = lines(sweep([0.05]), sweep([0.05, 0.04], failed=(1,)))
    assert set(CRITERIA) <= set(found)
    assert found["trials_failed"].change == "worse"
    assert found["trials_ended"].said == ("1", "2", "+1")
    assert found["time_spent"].said[2].startswith("+")
    assert list(dict.fromkeys(line.section for line in found.values())) == [
        "infrastructure", "configuration", "model quality", "the run as a whole",
    ]  # fmt: skip


def test_without_a_stage_all_measures_are_taken_at_the_horizon_of_the_run():
    found = lines(sweep([0.05], stage=""), sweep([0.05], stage=""), stage=None)
    assert found["val_rank_ic"].horizon == 1
    assert found["val_rank_ic"].said[:2] == (".050", ".050")


def test_an_empty_run_is_compared_without_a_fault():
    found = contrast(State(), sweep([0.05]).state, SHORT)
    assert {line.change for line in found.lines} <= set(GLYPH)
    assert any("no end yet" in caveat for caveat in found.caveats)


def test_what_is_not_the_same_is_named():
    before = sweep([0.05], stage="dry")
    after = sweep([0.05, 0.05])
    start = after.stamped[0].event
    other = {**IDENTITY, "data_hash": "e" * 16, "code": "v2"}
    object.__setattr__(start, "identity", other)
    object.__setattr__(start, "horizon", 5)
    object.__setattr__(start, "override", "the vendor was late")
    caveats = "\n".join(contrast(before.state, after.state, SHORT).caveats)
    for said in (
        "stage: dry before, short after", "horizon: 1 before, 5 after",
        "asked for: 1 trial x 2 epochs before, 2 trials x 2 epochs after",
        f"hash of the data: {'d' * 16} before, {'e' * 16} after", "version: v1 before, v2 after",
        "the run after was started although its gate was closed: the vendor was late",
    ):  # fmt: skip
        assert said in caveats
    assert contrast(before.state, before.state, SHORT).caveats == ()


def test_lines_are_json():
    found = contrast(sweep([0.05]).state, sweep([0.04]).state, SHORT)
    json.dumps([vars(line) for line in found.lines], allow_nan=False)


@pytest.mark.parametrize("days", [5, True, "x", None, {}, [], [None], float("nan")])
def test_validation_days_that_are_none_stop_nothing(days):
    odd = dry_run()
    odd.add(DataReady(split={"val": days}, facts={"path": days}))
    found = contrast(odd.state, dry_run().state, SHORT)
    assert contrast(dry_run().state, odd.state, SHORT).lines
    assert found.lines
