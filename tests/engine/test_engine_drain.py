"""What a worker says is copied once, and seldom enough; whatever the clock on the wall does."""

import pytest

from atft_core.engine import drain as module
from atft_core.engine.drain import drain
from atft_core.run import events as ev
from atft_core.run.journal import Journal
from clock import Clock


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    monkeypatch.setattr("atft_core.run.journal.time", made)
    return made


@pytest.fixture
def session(clock, session):
    session.run.trial(0).path.mkdir()
    session.record(ev.WorkerStarted(trial=0, attempt=1))
    return session


def test_within_a_phase_a_second_passes_between_two_lines_also_after_a_clock_was_set_back(
    session, clock
):
    with Journal(session.run.trial(0).events, "trial") as worker:
        batches = []
        for step in (0.0, 0.5, 0.7, 0.2, -7200.0, 0.6, 0.6):
            clock.now += step
            worker.append(ev.Progress(trial=0, epoch=1, phase="train", batch=len(batches)))
            drain(session, 0)
            batches.append(session.state.trials[0].batch)
    assert batches == [0, 0, 2, 2, 4, 5, 6]
