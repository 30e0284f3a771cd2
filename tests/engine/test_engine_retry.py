"""A step that failed half-way is taken again in the same process: nothing counts twice."""

import errno
import os
from types import SimpleNamespace

import pytest

from atft_core.engine import pool, supervise, trials
from atft_core.engine.attempts import _against_another, _wordless
from atft_core.engine.outcome import End, Outcome
from atft_core.engine.study import Asked, open_study
from atft_core.errors import EngineError
from atft_core.run import events as ev
from atft_core.run.alerts import newest_standing
from atft_core.run.fold import fold
from atft_core.run.journal import read_events


def full(*_):
    raise OSError(errno.EIO, "Input/output error")


def test_an_event_whose_sync_fails_is_believed_as_the_log_has_it(session, monkeypatch):
    monkeypatch.setattr(session.journal, "sync", full)
    with pytest.raises(OSError, match="Input/output"):
        session.record(ev.TrialAsked(trial=0, params={"x": 1}))
    assert session.state == fold(read_events(session.run.events))
    assert 0 in session.state.trials
    monkeypatch.undo()
    session.record(ev.WorkerStarted(trial=0))
    assert session.state.lost == 0
    assert session.state == fold(read_events(session.run.events))


def test_half_a_line_is_taken_back_whoever_may_open_files(session, monkeypatch):
    write, size = os.write, session.run.events.stat().st_size

    def half(fd, data):
        return write(fd, data[: len(data) // 2])

    monkeypatch.setattr("atft_core.run.journal.os.write", half)
    monkeypatch.setattr("atft_core.run.journal.os.open", full)
    with pytest.raises(OSError, match="No space left"):
        session.journal.write(ev.Alert(text="x"))
    assert session.run.events.stat().st_size == size


def lost(session, times):
    for attempt in range(1, times + 1):
        session.record(ev.WorkerStarted(trial=0, attempt=attempt))
        session.record(ev.WorkerExited(trial=0, attempt=attempt, ok=False, reason="CRASHED: so"))


def test_how_often_a_trial_was_lost_is_what_the_log_says(session):
    retries = session.config.engine.max_retries
    lost(session, retries)
    assert _against_another(session, 0) is None
    lost(session, 1)
    found = _against_another(session, 0)
    assert (found.state, found.reason) == (
        "failed",
        f"CRASHED: so; {retries + 1} attempts were lost",
    )


def test_a_trial_that_took_too_long_is_over_for_the_next_engine_too(session):
    session.record(ev.WorkerStarted(trial=0))
    session.record(ev.WorkerExited(trial=0, over="TIMED_OUT: 2 h"))
    assert _against_another(session, 0).reason == "TIMED_OUT: 2 h"


def test_whoever_was_ended_by_order_or_found_no_room_has_not_crashed(session):
    crashed = Outcome("lost", "CRASHED: so")
    assert _wordless(session, End(), crashed) == crashed
    assert _wordless(session, End(ordered=True), crashed).state == "stopped"
    assert _wordless(session, End(fate="HUNG: so"), crashed).reason == "HUNG: so"
    session.reserve.give_up()
    assert _wordless(session, End(), crashed).state == "stopped"


def test_a_trial_that_is_told_is_not_told_again(session, monkeypatch):
    study = session.study
    trial = study.ask()
    session.record(ev.TrialAsked(trial=0, params={}))
    study.tell(trial, 0.1)
    monkeypatch.setattr(trials, "remove_leftovers", full)
    assert trials._already_told(session, Asked(0, trial))
    assert trials._already_told(session, Asked(0, trial))
    kinds = [type(s.event).__name__ for s in read_events(session.run.events)]
    assert kinds.count("TrialEnded") == 1
    monkeypatch.setattr(pool, "run_trial", lambda *_: pytest.fail("it is through"))
    assert pool.work(session).state == "FINISHED"


def test_an_end_is_written_once_though_the_disk_fails_behind_it(session, monkeypatch):
    monkeypatch.setattr("atft_core.engine.pause.FIRST_SECONDS", 0.01)
    sync, fails = session.journal.sync, [full]

    def once():
        fails.pop()() if fails else sync()

    monkeypatch.setattr(session.journal, "sync", once)
    supervise._end(session, ev.RunEnded(reason="so"))
    ends = [s for s in read_events(session.run.events) if isinstance(s.event, ev.RunEnded)]
    assert len(ends) == 1


def test_a_study_that_another_program_holds_may_be_free_in_a_minute(session, monkeypatch):
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import DatabaseError, OperationalError

    def held(*_, kind, **__):
        raise kind("select", {}, Exception("database is locked"))

    for kind, raised in ((OperationalError, StorageInternalError), (DatabaseError, EngineError)):
        monkeypatch.setattr(
            "atft_core.engine.study.Storage.in_file", lambda *_, kind=kind: held(kind=kind)
        )
        with pytest.raises(raised, match="locked"):
            open_study(session.run, session.config, trials_known=0)


def test_a_pause_that_an_engine_ended_in_is_over_for_the_next_one(session):
    session.record(ev.RunPaused(reason="no room"))
    assert newest_standing(session.state).key == "paused"
    session.record(ev.RunEnded(state="STOPPED", reason="asked"))
    session.record(ev.EngineStarted(pid=3))
    assert newest_standing(session.state) is None


def test_a_gauge_turns_when_that_is_on_record(session, monkeypatch):
    from atft_core.engine import watch
    from atft_core.run.gauge import Band

    band = Band(10, 0.0, 20, 0.0)
    clock = SimpleNamespace(time=lambda: 100.0)
    monkeypatch.setattr(watch, "time", clock)
    assert watch._turned(session, "disk_low", band, 1.0)
    clock.time = lambda: 101.0
    assert watch._turned(session, "disk_low", band, 1.0), "nobody was told"
    session.record(ev.Alert(key="disk_low", text="low"))
    assert watch._turned(session, "disk_low", band, 1.0) is None
