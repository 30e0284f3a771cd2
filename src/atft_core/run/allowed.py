"""What this user has allowed to run: files and programs, each by the sum of what it would do.

Kept below the state directory, since a run directory may come from anybody: the content of a file,
or as JSON all that decides what a program is, and beside a file the path that it was allowed at.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from atft_core.errors import UsageError
from atft_core.run import user
from atft_core.run.files import read_json, write_atomically

_SUM = re.compile(r"[0-9a-f]{64}")
SHORT = 12
"""Characters of a sum that are shown, and that name it."""


@dataclass(frozen=True)
class Allowed:
    """A file or a program that may run."""

    kind: Literal["file", "program"]
    sum: str
    """SHA-256."""
    since: float
    """When it was allowed, in seconds since 1970."""
    what: str
    """The path that a file had; the words of a program."""
    place: str = ""
    """Where a program would run."""


def allow_file(content: bytes, path: Path) -> None:
    """From now on this content runs wherever this user names it."""
    total, where = hashlib.sha256(content).hexdigest(), str(path).encode()
    at = content_of(total).with_suffix(".path")
    if not knows_file(total):
        _keep(f"{total}.py", content)
    if not at.is_file() or at.read_bytes() != where:
        _keep(at.name, where)


def knows_file(total: str) -> bool:
    """Whether this user has said that a content may run."""
    return bool(_SUM.fullmatch(total)) and content_of(total).is_file()


def content_of(total: str) -> Path:
    """Where the content of a sum is kept."""
    return _store() / f"{total}.py"


def allow_program(what: Mapping[str, Any]) -> None:
    """From now on runs may start a program, also where they are resumed.

    `what`: all that decides what is executed then.
    """
    _keep(f"{sum_of(what)}.json", _text(what))


def knows_program(what: Mapping[str, Any]) -> bool:
    """Whether this user has started, or allowed, just that."""
    return (_store() / f"{sum_of(what)}.json").is_file()


def sum_of(what: Mapping[str, Any]) -> str:
    """Of a program."""
    return hashlib.sha256(_text(what)).hexdigest()


def everything() -> list[Allowed]:
    """All that was allowed, the oldest first."""
    return sorted(_found(), key=lambda each: each.since)


def forget(which: Allowed) -> None:
    """Take that back."""
    for suffix in (".py", ".json", ".path"):
        (_store() / f"{which.sum}{suffix}").unlink(missing_ok=True)


def _found() -> Iterator[Allowed]:
    for path in _store().glob("*.*") if _store().is_dir() else ():
        if path.suffix == ".py":
            at = path.with_suffix(".path")
            where = at.read_text(errors="replace") if at.is_file() else "unknown"
            yield Allowed("file", path.stem, path.lstat().st_mtime, where)
        elif path.suffix == ".json":
            told: Any = read_json(path)
            argv = told.get("argv") if isinstance(told, dict) else None
            words = shlex.join(map(str, argv)) if isinstance(argv, list) else "unknown"
            place = str(told.get("place", "")) if isinstance(told, dict) else ""
            yield Allowed("program", path.stem, path.lstat().st_mtime, words, place)


def _text(what: Mapping[str, Any]) -> bytes:
    return json.dumps(what, sort_keys=True).encode()


def _keep(name: str, content: bytes) -> None:
    try:
        _store().mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(_store() / name, content)
    except OSError as error:
        raise UsageError(
            f"{_store()} cannot be written, where it is kept what you allow to run: "
            f"{error.strerror or error}.",
            hint="Make it writable, or name another place by XDG_STATE_HOME.",
        ) from error


def _store() -> Path:
    return user.state() / "plugins"
