"""Snapshots are worth a small part of the engine's time, however long a run has become."""

import pytest

from atft_core.engine import session as session_module
from atft_core.engine.session import SNAPSHOT_SHARE


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
def session(clock, session):
    return session


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
