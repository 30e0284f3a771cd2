"""A run that cannot write waits in the open: what for, for how long, and when it gives up."""

import errno
import os

import pytest

from atft_core.engine import pause
from atft_core.engine.pause import FRUITLESS, Patience, patiently
from atft_core.run import events as ev
from atft_core.run.fold import fold
from atft_core.run.journal import read_events
from atft_core.run.lock import Holder
from atft_core.run.status import load, status


def failing(kind):
    return OSError(kind, os.strerror(kind), "params.json")


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Pauses that a test can wait for."""
    monkeypatch.setattr(pause, "FIRST_SECONDS", 0.01)
    monkeypatch.setattr(pause, "LONGEST_SECONDS", 0.02)


class Step:
    """Fails in turn as it is told to, and is then done."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.taken = 0

    def __call__(self):
        self.taken += 1
        if self.errors:
            raise self.errors.pop(0)


def told(session):
    return [type(s.event).__name__ for s in read_events(session.run.events)][1:]


@pytest.mark.parametrize("kind", sorted(pause.PASSING))
def test_what_passes_is_waited_for_and_the_step_taken_again(session, kind):
    session.drained[0] = "of the step that failed"
    step = Step(failing(kind), failing(kind))
    assert patiently(session, step) is None
    assert (step.taken, session.drained) == (3, {})
    assert told(session) == ["RunPaused", "RunContinued"] * 2
    first = session.state.alerts[0]
    assert first.text.startswith(f"paused: params.json: {os.strerror(kind)}; it goes on by itself")
    assert [alert.ended for alert in session.state.alerts] == [False, True] * 2


def test_what_does_not_pass_is_no_reason_to_wait(session):
    with pytest.raises(IsADirectoryError):
        patiently(session, Step(failing(errno.EISDIR)))
    assert told(session) == []


def test_pauses_that_do_not_help_come_to_an_end(session):
    step = Step(*[failing(errno.EIO)] * 100)
    with pytest.raises(OSError, match=r"Input/output error"):
        patiently(session, step)
    assert step.taken == FRUITLESS + 2


def test_while_there_is_no_room_nothing_is_tried_and_a_stop_is_obeyed(session, monkeypatch):
    looks = iter(range(5))
    monkeypatch.setattr(session.reserve, "regain", lambda: False)

    def no_more(session):
        session.signalled = next(looks, None) is None

    monkeypatch.setattr(pause, "answer_requests", no_more)
    step = Step(failing(errno.ENOSPC))
    end = patiently(session, step)
    assert (end.state, end.reason) == ("STOPPED", "the engine was asked to end by a signal")
    assert step.taken == 1


def test_a_trial_that_stopped_since_the_disk_is_full_is_taken_up_again(session, monkeypatch):
    session.reserve.give_up()
    ends = [ev.RunEnded(state="STOPPED", reason="the disk is full"), None]
    assert patiently(session, lambda: ends.pop(0)) is None
    assert told(session) == ["RunPaused", "RunContinued"]
    assert not session.reserve.disk_is_full()


def test_waits_that_bring_nothing_become_longer_and_progress_makes_them_short_again(monkeypatch):
    monkeypatch.setattr(pause, "FIRST_SECONDS", 1.0)
    monkeypatch.setattr(pause, "LONGEST_SECONDS", 300.0)
    patience = Patience()
    assert [patience.next(7) for _ in range(4)] == [1.0, 2.0, 4.0, 8.0]
    assert patience.next(8) == 1.0
    for _ in range(FRUITLESS):
        patience.next(8)
    assert patience.exhausted(8)
    assert not patience.exhausted(9), "there was progress since"
    assert patience.next(9) == 1.0 and not patience.exhausted(9)


def test_a_pause_is_a_status_of_its_own_and_no_time_of_work(session):
    session.record(ev.RunPaused(reason="no room"))
    state = load(session.run)
    found = status(state, Holder.ENGINE, state.t + 5000)
    assert (found.name, found.reason, found.live) == ("PAUSED", "no room", True)
    assert state.spent(state.t + 5000) == pytest.approx(state.t - state.started)
    session.record(ev.RunContinued())
    state = fold(read_events(session.run.events))
    assert status(state, Holder.ENGINE, state.t).name == "RUNNING"
    assert [stretch.word for stretch in state.verdicts] == ["PAUSED"]
