"""Requests that consoles and commands leave in requests/: each is answered by one event."""

from __future__ import annotations

from typing import Any

from atft_core.engine.session import Session
from atft_core.run.events import Requested, StopRequested
from atft_core.run.files import read_json
from atft_core.run.wording import finite


def answer_requests(session: Session) -> None:
    """Act on what has been asked for since the last look."""
    for request_id, request in _unanswered(session):
        ok, message = _act(session, request)
        _answer(session, request_id, request, ok=ok, message=message)


def expire_requests(session: Session) -> None:
    """A request left for an engine that died must not stop the one that was started since."""
    for request_id, request in _unanswered(session):
        if finite(request.get("t")) is not None and request["t"] >= session.lock.taken:
            continue
        _answer(session, request_id, request, ok=False, message="left before this engine started")


def _unanswered(session: Session) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for path in sorted(session.run.requests.glob("*.json")):
        if path.stem not in session.state.answered:
            value = read_json(path)
            found.append((path.stem, value if isinstance(value, dict) else {}))
    return found


def _act(session: Session, request: dict[str, Any]) -> tuple[bool, str]:
    if request.get("op") != "stop":
        return False, f"unknown request {str(request.get('op'))[:40]!r}"
    args = request.get("args")
    now = isinstance(args, dict) and bool(args.get("now"))
    session.record(StopRequested(now=now, user=_text(request.get("user"))))
    return True, "stops now" if now else "stops after the running trial"


def _answer(
    session: Session, request_id: str, request: dict[str, Any], *, ok: bool, message: str
) -> None:
    op, user = _text(request.get("op")), _text(request.get("user"))
    session.record(Requested(id=request_id, op=op, user=user, ok=ok, message=message))


def _text(value: Any) -> str:
    return str(value or "")[:64]
