"""The verdicts so far: one per stretch, made by the fold alone."""

import json
from dataclasses import asdict

import pytest
from run_builders import Log, dry_run

from atft_core.run import events as ev
from atft_core.run.fold import apply, fold
from atft_core.run.state import from_json, to_json
from atft_core.run.verdict.history import KEPT, copied
from atft_core.run.verdict.limits import Split

WAITS = {"wait": 8.0, "compute": 2.0, "validate": 0.0}
WORKS = {"wait": 0.1, "compute": 9.9, "validate": 0.0}


def words(log):
    return [each.word for each in log.state.verdicts]


def run_of(*times, seconds=10.0, gpu=None):
    log = Log().start().worker()
    for number, each in enumerate(times, start=1):
        log.t += seconds - 1
        log.epoch(number, time=each, seconds=seconds, gpu=gpu)
    return log


def test_equal_neighbours_are_one_stretch_from_the_first_epochs_begin_to_the_last_ones_end():
    log = run_of(WORKS, WORKS, WAITS, WAITS, WAITS, WORKS)
    first, second, third = log.state.verdicts
    assert [each.word for each in (first, second, third)] == [
        "compute-bound", "data-bound", "compute-bound",
    ]  # fmt: skip
    assert [each.epochs for each in (first, second, third)] == [2, 3, 1]
    ends = [each.t for each in log.state.trials[0].epochs]
    assert (first.until, second.until, third.until) == (ends[1], ends[4], ends[5])
    assert second.since == max(ends[2] - 10.0, first.until)
    assert second.said.startswith("3 epochs, trial 0: 80 % of the train time waits for data")


def test_the_numbers_of_a_stretch_are_those_of_all_its_epochs():
    log = Log().start().worker()
    log.epoch(1, time={"wait": 1.0, "compute": 9.0}, seconds=10.0, gpu={"p50": 90.0})
    log.epoch(2, time={"wait": 0.0, "compute": 30.0}, seconds=30.0, gpu={"p50": 70.0})
    log.epoch(3, time={"wait": 0.0, "compute": 10.0}, seconds=10.0, gpu=None)
    (found,) = log.state.verdicts
    assert found.split == Split(1.0, 49.0, 0.0, 0.0, gpu=75.0)
    assert "wait 2.0 %, GPU busy 75 %" in found.said


def test_a_sweep_says_from_which_trial_to_which():
    log = run_of(WORKS).trial_end().worker(1).epoch(1, trial=1, time=WORKS, seconds=10.0)
    (found,) = log.state.verdicts
    assert found.said.startswith("2 epochs, trials 0 to 1: ")


def test_an_epoch_without_times_says_nothing():
    assert words(Log().start().worker().epoch(1, time={})) == []


def test_a_silence_that_ended_is_remembered_with_its_length():
    log = Log().start().worker().epoch(1, time=WORKS, seconds=10.0)
    heard = log.t
    log.t += 1000.0
    log.epoch(2, time=WORKS, seconds=10.0)
    _, silence, again = log.state.verdicts
    assert (silence.word, silence.since, silence.first) == ("HUNG", heard, 0)
    assert silence.seconds > 300
    assert "worker pid 2" in silence.said
    assert again.word == "compute-bound"


def test_a_lost_worker_and_its_reason_are_remembered():
    log = Log().start().worker().epoch(1, time=WORKS, seconds=10.0)
    log.add(ev.WorkerExited(trial=0, ok=False, reason="killed by SIGKILL " + "x" * 500))
    crash = log.state.verdicts[-1]
    assert (crash.word, crash.first) == ("CRASHED", 0)
    assert crash.said.startswith("killed by SIGKILL")
    assert len(crash.said) == 200


@pytest.mark.parametrize(("end", "word"), [("STOPPED", "STOPPED"), (None, "DIED")])
def test_a_pause_lasts_until_the_next_engine(end, word):
    log = Log().start().worker().epoch(1, time=WORKS, seconds=10.0)
    since = log.t + 1 if end else log.t
    if end:
        log.end(end)
    log.add(ev.EngineStarted(pid=9, host="h"), after=500.0)
    pause = log.state.verdicts[-1]
    assert (pause.word, pause.since, pause.until) == (word, since, log.t)


def test_a_run_begins_with_its_preflight_and_ends_with_its_end():
    log = Log().start().add(ev.Preflight(checks=[{"ok": True}, {"ok": False}]))
    assert log.state.verdicts[0].said == "2 checks, 1 failed"
    assert words(dry_run()) == ["compute-bound", "FINISHED"]


def test_only_the_newest_stretches_are_kept():
    log = run_of(*([WORKS, WAITS] * KEPT))
    assert len(log.state.verdicts) == KEPT
    assert log.state.verdicts[-1].until == log.state.trials[0].epochs[-1].t


def test_a_snapshot_and_the_rest_give_the_same_history():
    log = run_of(WORKS, WAITS, WAITS, WORKS, gpu={"p50": 40.0, "memory": 10.0})
    for cut in range(1, len(log.stamped)):
        before = json.loads(json.dumps(to_json(fold(log.stamped[:cut]))))
        after = fold(log.stamped[cut:], from_json(before))
        assert after.verdicts == log.state.verdicts


def test_a_copy_does_not_grow_with_the_next_epoch():
    log = run_of(WORKS, WAITS, WAITS)
    state = fold(log.stamped[:-1])
    copy = copied(state.verdicts)
    then = [asdict(each) for each in copy]
    apply(state, log.stamped[-1])
    assert [asdict(each) for each in copy] == then
    assert state.verdicts[-1].epochs == 2
    assert copied([]) == []


@pytest.mark.parametrize(
    "damage",
    [{"seconds": float("nan")}, {"seconds": 0.0}, {"gpu": {"p50": float("inf"), "memory": "x"}}],
)
@pytest.mark.parametrize("validate", [-10.0, float("nan"), "text", None])
def test_nonsense_in_an_epoch_is_no_number_of_the_history(damage, validate):
    log = Log().start().worker()
    for number in (1, 2):
        log.epoch(number, time={"wait": 1.0, "compute": 9.0, "validate": validate}, **damage)
    (found,) = log.state.verdicts
    assert found.said.startswith("2 epochs, trial 0: ")
    assert "nan" not in f"{found}"
    json.dumps(to_json(log.state)["verdicts"], allow_nan=False)
