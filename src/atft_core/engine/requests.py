"""Requests that consoles and commands leave in requests/: each is answered by one event."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from atft_core.engine.session import Session
from atft_core.engine.shared import run_id
from atft_core.engine.space import refusal
from atft_core.engine.study import enqueue, has_enqueued
from atft_core.run.events import PruneRequested, Requested, StopRequested, TrialEnqueued
from atft_core.run.faults import after
from atft_core.run.files import read_json
from atft_core.run.wording import finite

_AT_ONCE = 10
"""Requests between two looks at the worker: each waits for the disk."""
_CLOCKS_DIFFER = 60.0
"""Seconds that the clock of whoever asks may go ahead."""
_SAID = 300
"""Characters of an answer: it may quote what somebody typed."""


def answer_requests(session: Session) -> None:
    """Act on what has been asked for since the last look; a few at a time, a stop first."""
    found = sorted(_unanswered(session), key=lambda asked: asked[1].get("op") != "stop")
    for request_id, request in found[:_AT_ONCE]:
        if session.signalled:
            return
        ok, message = _act(session, request_id, request)
        after("request act")
        _answer(session, request_id, request, ok=ok, message=message)


def expire_requests(session: Session) -> None:
    """A request left for an engine that died must not stop the one that was started since.

    One that was obeyed but not answered when the engine was killed is completed: the study has its
    trial already.
    """
    for request_id, request in _unanswered(session):
        asked = finite(request.get("t"))
        if asked is not None and session.lock.taken <= asked <= time.time() + _CLOCKS_DIFFER:
            continue
        ok, message = False, "left before this engine started"
        if request.get("op") == "enqueue" and has_enqueued(session.study, request_id):
            ok, message = _act(session, request_id, request)
        _answer(session, request_id, request, ok=ok, message=message)


def _unanswered(session: Session) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for path in _left(session.run.requests):
        if path.suffix == ".json" and path.stem not in session.state.answered:
            value = read_json(path)
            found.append((path.stem, value if isinstance(value, dict) else {}))
    return found


def _left(requests: Path) -> list[Path]:
    """In order of their names."""
    try:
        return sorted(requests.iterdir())
    except OSError:  # moved away, or unreadable: nobody asks for anything
        return []


def _act(session: Session, request_id: str, request: dict[str, Any]) -> tuple[bool, str]:
    act = _ACTIONS.get(str(request.get("op")))
    if act is None:
        return False, f"unknown request {str(request.get('op'))[:40]!r}"
    args = request.get("args")
    try:
        return act(session, args if isinstance(args, dict) else {}, request_id, _user(request))
    except (ValueError, TypeError, KeyError) as error:  # whatever it holds, it ends no run
        return False, f"it cannot be done: {error!r}"


def _stop(session: Session, args: dict[str, Any], request_id: str, user: str) -> tuple[bool, str]:
    now = bool(args.get("now"))
    session.record(StopRequested(now=now, user=user))
    return True, "stops now" if now else "stops after the running trial"


def _prune(session: Session, args: dict[str, Any], request_id: str, user: str) -> tuple[bool, str]:
    """Only what runs can be given up; the worker leaves its checkpoint and its scores."""
    number = args.get("trial")
    trial = session.state.trials.get(number) if isinstance(number, int) else None
    if trial is None or not trial.running:
        return False, f"trial {str(number)[:20]} is not running"
    session.record(PruneRequested(trial=trial.number, user=user))
    return True, f"trial {trial.number} is given up"


def _enqueue(
    session: Session, args: dict[str, Any], request_id: str, user: str
) -> tuple[bool, str]:
    """One more trial. The study first: a kill between the two leaves it waiting there, once."""
    params = args.get("params", {})
    if not isinstance(params, dict):
        return False, "its parameters are none"
    if session.config.engine.sampler == "grid":
        return False, "the trials of a grid are planned: no other can be added"
    if why := refusal(session.config, params):
        return False, why
    marks = {"run": run_id(session.run)} if session.config.engine.storage else {}
    enqueue(session.study, params, request_id, **marks)
    if request_id in session.state.added:  # a kill came between that and the answer
        return True, "it is the next trial that starts"
    session.record(TrialEnqueued(params=params, request=request_id, user=user))
    return True, "it is the next trial that starts"


_ACTIONS: dict[str, Callable[[Session, dict[str, Any], str, str], tuple[bool, str]]] = {
    "stop": _stop,
    "prune": _prune,
    "enqueue": _enqueue,
}


def _user(request: dict[str, Any]) -> str:
    return _text(request.get("user"))


def _answer(
    session: Session, request_id: str, request: dict[str, Any], *, ok: bool, message: str
) -> None:
    op, user = _text(request.get("op")), _user(request)
    said = message[:_SAID]
    session.record(Requested(id=request_id, op=op, user=user, ok=ok, message=said))


def _text(value: Any) -> str:
    return str(value or "")[:64]
