"""Silence is what an engine heard itself: no clock that jumps, no sleep of its own counts."""

import pytest

from atft_core.engine import silence
from atft_core.engine.silence import LOOK_SECONDS, Listening
from clock import Clock


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(silence, "time", made)
    return made


def looked(clock, found, heard, *steps):
    for step in steps:
        clock.now += step
        found.look(heard)
    return found.silence


def test_it_grows_while_nothing_is_heard_and_ends_with_a_word(clock):
    found = Listening()
    assert looked(clock, found, (1, 5), 0.1, 0.1, 0.1) == pytest.approx(0.2), "the first is news"
    assert looked(clock, found, (1, 5), *[0.1] * 20) == pytest.approx(2.2)
    assert looked(clock, found, (1, 6), 0.1) == 0.0
    assert looked(clock, found, (2, 0), 0.1) == 0.0, "another attempt"


def test_while_the_engine_was_stopped_nobody_listened(clock):
    found = Listening()
    looked(clock, found, (1, 5), 0.1)
    assert looked(clock, found, (1, 5), 3600.0) == LOOK_SECONDS


def test_work_is_what_was_listened_to(clock):
    found = Listening()
    looked(clock, found, (1, 5), *[0.1] * 10)
    looked(clock, found, (1, 6), 3600.0)
    assert found.watch.seconds == pytest.approx(1.0 + LOOK_SECONDS)
