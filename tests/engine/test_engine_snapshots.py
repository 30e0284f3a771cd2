"""Snapshots are worth a small part of the engine's time, however long a run has become."""

import pytest

from atft_core.config.schema import Config
from atft_core.engine import session as session_module
from atft_core.engine.session import SNAPSHOT_SHARE, Session
from atft_core.run import events as ev
from atft_core.run.directory import create
from atft_core.run.lock import EngineLock


class Clock:
    """Moved by what is made to take time."""

    now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(session_module, "time", made)
    return made


@pytest.fixture
def session(tmp_path, clock):
    run = create(tmp_path / "run")
    made = Session(run, Config(), EngineLock(run.lock))
    made.record(ev.RunStarted(run="run", n_trials=1, max_epochs=9))
    yield made
    made.journal.close()
    made.lock.release()


def test_a_dear_snapshot_is_made_again_when_it_has_become_a_small_part_of_the_time(
    session, clock, monkeypatch
):
    saved = []

    def save(run, state):
        saved.append(clock.now)
        clock.now += 2.0

    monkeypatch.setattr(session_module.snapshot, "save", save)
    session.renew_snapshot()
    assert len(saved) == 1, "the first one is free"
    clock.now += 2.0 / SNAPSHOT_SHARE - 0.1
    session.renew_snapshot()
    assert len(saved) == 1
    clock.now += 0.2
    session.renew_snapshot()
    assert len(saved) == 2
    session.save_snapshot()
    assert len(saved) == 3, "the last one is always made"
