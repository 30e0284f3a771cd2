"""state = fold(events): the same however the log is cut, repeated or resumed."""

import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from run_builders import Log, dry_run, metrics, sweep

from atft_core.run import events as ev
from atft_core.run.events import KINDS, Stamped, encode
from atft_core.run.fold import apply, fold
from atft_core.run.journal import Tail
from atft_core.run.state import State, from_json, to_json

TRIALS = st.integers(0, 2)
WORKER = {"trial": TRIALS, "attempt": st.integers(1, 2), "worker_seq": st.integers(1, 6)}
EVENTS = st.one_of(
    st.builds(ev.RunStarted, run=st.just("r"), n_trials=st.integers(0, 3)),
    st.builds(ev.EngineStarted, pid=st.integers(1, 9)),
    st.builds(ev.DataReady, facts=st.dictionaries(st.text(), st.text(), max_size=2)),
    st.builds(ev.TrialIntent, trial=TRIALS),
    st.builds(ev.TrialAsked, trial=TRIALS, params=st.just({"loss.rank_ic": 0.5})),
    st.builds(ev.WorkerStarted, trial=TRIALS, attempt=st.integers(1, 2)),
    st.builds(ev.Settings, values=st.just({"feed": "resident"}), **WORKER),
    st.builds(ev.Progress, epoch=st.integers(0, 3), phase=st.sampled_from(["load", ""]), **WORKER),
    st.builds(ev.Epoch, epoch=st.integers(1, 3), val=st.just({"1": metrics()}), **WORKER),
    st.builds(ev.WorkerExited, trial=TRIALS, ok=st.booleans(), reason=st.text(max_size=3)),
    st.builds(
        ev.TrialEnded, trial=TRIALS, state=st.sampled_from(["COMPLETE", "PRUNED", "FAIL"]),
        value=st.none() | st.floats(-1, 1),
    ),
    st.builds(ev.Requested, id=st.text(min_size=1, max_size=3)),
    st.builds(ev.StopRequested, now=st.booleans()),
    st.builds(ev.Alert, text=st.text(max_size=5)),
    st.builds(ev.HoldoutScored, trial=TRIALS, metrics=st.just({"1": metrics()})),
    st.builds(ev.RunEnded, state=st.sampled_from(["FINISHED", "STOPPED", "FAILED"])),
)  # fmt: skip
LOGS = st.lists(st.tuples(EVENTS, st.sampled_from([0.0, 1.0, 200.0, 1000.0])), max_size=25)


def stamp(pairs):
    log = Log()
    for event, after in pairs:
        log.add(event, after=after)
    return log.stamped


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(pairs=LOGS, cuts=st.lists(st.integers(0, 4000), max_size=6), noise=st.booleans())
def test_the_fold_does_not_depend_on_how_the_log_reaches_the_reader(tmp_path, pairs, cuts, noise):
    events = stamp(pairs)
    lines = [encode(stamped) for stamped in events]
    if noise:
        lines = [text for line in lines for text in (line, "torn {", '{"kind":"born_later"}')]
    data = "".join(f"{line}\n" for line in lines).encode()
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"")
    tail, state, done = Tail(path), State(), 0
    for end in [*sorted(min(cut, len(data)) for cut in cuts), len(data)]:
        with path.open("ab") as file:
            file.write(data[done:end])
        done = end
        for stamped in tail.events():
            apply(state, stamped)
    assert state == fold(events)


@settings(max_examples=60, deadline=None)
@given(pairs=LOGS, cut=st.integers(0, 25))
def test_a_snapshot_and_the_events_after_it_give_the_full_fold(pairs, cut):
    events = stamp(pairs)
    snapshot = json.loads(json.dumps(to_json(fold(events[:cut]))))
    state = from_json(snapshot)
    for stamped in events[cut:]:
        apply(state, stamped)
    assert state == fold(events)


@settings(max_examples=60, deadline=None)
@given(pairs=LOGS, repeats=st.lists(st.integers(0, 24), max_size=10))
def test_replayed_events_change_nothing(pairs, repeats):
    events = stamp(pairs)
    state = fold(events)
    replayed = fold([events[i] for i in repeats if i < len(events)], start=state)
    assert replayed == state


@pytest.mark.parametrize("log", [dry_run(), sweep([0.01, 0.02, 0.03], pruned=(0,), failed=(1,))])
def test_every_split_point_of_a_run_is_a_good_snapshot(log):
    whole = log.state
    for cut in range(len(log.stamped) + 1):
        saved = from_json(json.loads(json.dumps(to_json(fold(log.stamped[:cut])))))
        assert fold(log.stamped[cut:], start=saved) == whole


def test_fold_leaves_its_start_alone():
    start = Log().start().worker().state
    before = to_json(start)
    more = Log(t=5000.0, stamped=[]).add(ev.RunEnded())
    fold([replace(more.stamped[0], seq=99)], start=start)
    assert to_json(start) == before


def test_every_kind_of_event_is_folded():
    for kind, cls in KINDS.items():
        needed = {
            "run_started": {"run": "r"},
            "engine_started": {"pid": 1},
            "requested": {"id": "x"},
            "decision": {"rule": "r"},
            "walked_forward": {},
        }
        free = (
            "data_ready", "preflight", "stop_requested", "trial_enqueued", "alert", "run_paused",
            "run_continued", "run_ended", "cluster_seen",
        )  # fmt: skip
        values = needed.get(kind, {} if kind in free else {"trial": 0})
        assert fold([Stamped(1, 1.0, cls(**values))]).seq == 1


def test_a_worker_line_drained_twice_counts_once():
    log = Log().start().worker()
    epoch = ev.Epoch(trial=0, attempt=1, worker_seq=2, epoch=1, val={"1": metrics(0.1)})
    again = replace(epoch, val={"1": metrics(0.9)})
    state = log.add(epoch, again, epoch).state
    assert [row.metric("rank_ic", 1) for row in state.trials[0].epochs] == [0.1]


def test_an_old_worker_line_does_not_turn_progress_back():
    old = ev.Progress(trial=0, worker_seq=2, epoch=1, batch=20)
    new = ev.Progress(trial=0, worker_seq=3, epoch=1, batch=30)
    log = Log().start().worker().add(old, new, old)
    assert log.state.trials[0].batch == 30


def test_an_epoch_whose_first_report_was_lost_takes_its_place():
    log = Log().start().worker().epoch(1, metrics(0.1)).epoch(3, metrics(0.3))
    log.worker(attempt=2)
    for epoch in (1, 2, 3, 4):
        log.epoch(epoch, metrics(0.9), attempt=2)
    rows = log.state.trials[0].epochs
    assert [row.epoch for row in rows] == [1, 2, 3, 4]
    assert [row.metric("rank_ic", 1) for row in rows] == [0.1, 0.9, 0.3, 0.9]


def test_the_first_report_of_an_epoch_stands():
    log = Log().start().worker().epoch(1, metrics(0.1)).epoch(2, metrics(0.2))
    log.add(ev.WorkerExited(trial=0, ok=False, reason="killed"))
    log.worker(attempt=2).epoch(2, metrics(0.9), attempt=2).epoch(3, metrics(0.3), attempt=2)
    trial = log.state.trials[0]
    assert [(row.epoch, row.metric("rank_ic", 1)) for row in trial.epochs] == [
        (1, 0.1), (2, 0.2), (3, 0.3),
    ]  # fmt: skip
    assert (trial.crashes, trial.attempt) == (1, 2)


def test_late_lines_of_an_attempt_that_was_given_up_do_not_count():
    log = Log().start().worker().add(ev.WorkerExited(trial=0, ok=False)).worker(attempt=2)
    log.add(ev.Epoch(trial=0, attempt=1, worker_seq=50, epoch=1))
    assert log.state.trials[0].epochs == []


def test_a_crashed_trial_has_no_value_and_is_not_best():
    state = sweep([0.09, 0.02, 0.05], failed=(0,), pruned=(2,)).state
    assert state.trials[0].value is None
    assert [trial.number for trial in state.complete] == [1]
    assert state.best.number == 1


def test_a_value_that_is_no_number_is_never_best():
    log = Log().start(n_trials=2)
    for trial, value in enumerate((float("nan"), -0.2)):
        log.worker(trial).epoch(trial=trial).trial_end(trial, "COMPLETE", value)
    assert log.state.best.number == 1


def test_a_metric_that_is_no_number_is_none():
    rows = Log().start().worker()
    for number, value in enumerate((None, float("nan"), float("inf"), "0.3"), 1):
        rows.epoch(number, metrics(value))
    trial = rows.state.trials[0]
    assert [row.metric("rank_ic", 1) for row in trial.epochs] == [None] * 4
    assert trial.epochs[0].metric("rank_ic", 5) is None


def test_an_intent_alone_is_no_trial():
    assert Log().start().add(ev.TrialIntent(trial=0)).state.trials == {}


def test_a_resumed_run_is_open_again():
    log = dry_run().add(ev.EngineStarted(pid=9))
    assert (log.state.end_state, log.state.engines, log.state.engine_pid) == ("", 2, 9)


def test_a_silence_beyond_the_budget_is_a_hang_even_if_the_worker_came_back():
    log = Log().start().worker()
    log.add(ev.Progress(trial=0, worker_seq=log.seq(0), phase="train"), after=10)
    log.add(ev.Progress(trial=0, worker_seq=log.seq(0), phase="train"), after=299)
    assert log.state.trials[0].hangs == 0
    log.add(ev.Progress(trial=0, worker_seq=log.seq(0), phase="train"), after=301)
    assert log.state.trials[0].hangs == 1


def test_a_slow_phase_has_its_own_budget():
    log = Log().start().worker()
    log.add(ev.Progress(trial=0, worker_seq=log.seq(0), phase="load"), after=10)
    log.add(ev.Progress(trial=0, worker_seq=log.seq(0), phase="train"), after=599)
    assert log.state.trials[0].hangs == 0


def test_time_without_an_engine_is_nobodys_hang():
    log = Log().start().worker().add(ev.EngineStarted(pid=3), after=7200)
    log.add(ev.Progress(trial=0, worker_seq=log.seq(0), phase="train"), after=5)
    assert log.state.trials[0].hangs == 0


def test_a_clock_that_jumps_is_nobodys_hang():
    log = Log().start().worker()
    told = {"trial": 0, "attempt": 1, "epoch": 1, "phase": "train"}
    for up, after in ((50.0, 1), (51.0, 7200), (52.0, -7200), (60.0, 8)):
        log.add(ev.Progress(worker_seq=log.seq(0), up=up, **told), after=after)
    assert log.state.trials[0].hangs == 0
    log.add(ev.Progress(worker_seq=log.seq(0), up=361.0, **told), after=1)
    assert log.state.trials[0].hangs == 1


def test_lines_that_nobody_copied_while_there_was_no_engine_are_no_silence():
    log = Log().start().worker()
    told = {"trial": 0, "attempt": 1, "epoch": 1, "phase": "train"}
    log.add(ev.Progress(worker_seq=log.seq(0), up=50.0, **told))
    log.add(ev.EngineStarted(pid=3), after=7200)
    log.add(ev.Progress(worker_seq=log.seq(0), up=7255.0, **told), after=1)
    assert log.state.trials[0].hangs == 0


def test_an_engine_that_was_lost_before_a_worker_was_heard_of_has_not_paused_since_1970():
    log = Log().start()
    log.add(ev.TrialAsked(trial=0, params={}))
    log.add(ev.EngineStarted(pid=3), after=100)
    assert log.state.paused == pytest.approx(102.0)
    assert log.state.spent(log.t) == pytest.approx(log.t - log.state.started - 102.0)


def test_events_that_are_missing_are_counted_and_told():
    events = dry_run().stamped
    state = fold([*events[:3], *events[5:]])
    assert state.lost == 2
    assert state.alerts[0].text == "2 events after event 3 cannot be read"
    assert fold(events).lost == 0


def test_a_worker_that_ran_other_code_is_part_of_what_the_run_is():
    log = Log().start().worker(settings={"code": "v2"})
    assert log.state.identity["code"] == "v1, v2"
    assert Log().start().worker(settings={"code": "v1"}).state.identity["code"] == "v1"


def test_an_engine_that_slept_is_no_silence_of_its_worker():
    log = Log().start().worker()
    told = {"trial": 0, "attempt": 1, "epoch": 1, "phase": "train"}
    begun = log.t
    log.add(ev.Progress(worker_seq=8, said=begun + 100, **told), after=900)
    log.add(ev.Progress(worker_seq=9, said=begun + 350, **told))
    assert log.state.trials[0].hangs == 0
    log.add(ev.Progress(worker_seq=10, said=begun + 900, **told))
    assert log.state.trials[0].hangs == 1


def test_a_conclusion_over_all_trials_is_gone_once_more_may_come():
    log = Log().start().add(ev.Significance(trial=0, found={"trials": 2}, said="x"))
    log.add(ev.WalkedForward(found={"folds": []}, said="y"))
    state = log.state
    assert state.significance == {"trial": 0, "said": "x", "trials": 2}
    assert state.walk == {"said": "y", "folds": []}
    assert from_json(to_json(state)) == state
    state = log.add(ev.EngineStarted(pid=2, host="h")).state
    assert (state.significance, state.walk) == ({}, {})


def test_what_lies_between_two_engines_is_no_time_of_work():
    log = Log().start().worker(0).add(ev.RunEnded(state="STOPPED"), after=10.0)
    began = log.stamped[0].t
    worked = log.t - began
    assert fold(log.stamped).spent(log.t) == worked
    log.add(ev.EngineStarted(pid=2), after=3600.0).add(ev.RunEnded(), after=5.0)
    assert fold(log.stamped).spent(log.t) == worked + 5.0
    assert State().spent(1e9) == 0.0


def test_an_engine_that_died_without_a_word_worked_until_it_was_last_heard_of():
    log = Log().start().worker(0)
    heard = log.t
    log.add(ev.EngineStarted(pid=2), after=3600.0)
    state = fold(log.stamped)
    assert state.spent(log.t) == heard - state.started
