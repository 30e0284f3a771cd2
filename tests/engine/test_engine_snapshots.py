"""Snapshots and copies take a small part of the engine's time, however long a run has become."""

import pytest

from atft_core.engine import paced
from atft_core.engine.paced import SHARE, Paced
from clock import Clock


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(paced, "time", made)
    return made


def test_what_is_dear_is_done_again_when_it_has_become_a_small_part_of_the_time(clock):
    done = []

    def act():
        done.append(clock.now)
        clock.now += 2.0

    some = Paced(act)
    some.renew()
    assert len(done) == 1, "the first time is free"
    clock.now += 2.0 / SHARE - 0.1
    some.renew()
    assert len(done) == 1
    clock.now += 0.2
    some.renew()
    assert len(done) == 2
    some.now()
    assert len(done) == 3, "the last time always"
