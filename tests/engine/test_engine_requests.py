"""Whatever is left in requests/: it is answered, a few at a time, and ends no run."""

import json
import time

import pytest

from atft_core.engine import requests as module
from atft_core.engine.requests import answer_requests, expire_requests


@pytest.fixture
def ask(session):
    session.run.requests.mkdir(exist_ok=True)

    def leave(name, **request):
        path = session.run.requests / f"{name}.json"
        path.write_text(json.dumps({"user": "u", "t": time.time(), **request}))

    return leave


@pytest.mark.parametrize(
    "params", ["garbage", [["a", 1]], 7, None, {"model.hidden": [1]}, {"x": 1}]
)
def test_parameters_that_are_none_are_refused(session, ask, params):
    ask("a", op="enqueue", args={"params": params})
    answer_requests(session)
    assert session.state.answered["a"][0] is False
    assert not session.state.added


def test_a_request_of_the_future_is_one_of_another_life(session, ask):
    ask("a", op="stop", t=9e12)
    ask("b", op="stop", t=time.time() + 1)
    expire_requests(session)
    assert session.state.answered["a"] == (False, "left before this engine started")
    assert "b" not in session.state.answered


def test_a_stop_does_not_wait_behind_thousands(session, ask):
    for n in range(50):
        ask(f"{n:03}", op="nope")
    ask("zz", op="stop", args={"now": True})
    answer_requests(session)
    assert session.state.stop == "now"
    assert len(session.state.answered) == module._AT_ONCE
    session.signalled = True
    answer_requests(session)
    assert len(session.state.answered) == module._AT_ONCE


def test_an_entry_that_nobody_can_read_is_answered_too(session, ask):
    ask("a", op="nope")
    (session.run.requests / "loop.json").symlink_to("loop.json")
    (session.run.requests / "place.json").mkdir()
    answer_requests(session)
    assert set(session.state.answered) == {"a", "loop", "place"}
