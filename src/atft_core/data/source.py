"""Which content a panel file has: a hash that is computed once per version of the file."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from atft_core.errors import DataError
from atft_core.run import user
from atft_core.run.files import read_json, write_json

SETTLED_SECONDS = 2.0
"""A file changed this recently may change again within the same time stamp: not remembered."""
REMEMBERED = 500
"""Files whose hashes are remembered."""


def source_hash(path: Path) -> str:
    """SHA-256 of the content, remembered by path, size, time of change and inode."""
    return remembered_hash(path, _file_hash)


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remembered_hash(path: Path, compute: Callable[[Path], str], what: str = "") -> str:
    """What `compute` makes of a file, done once per version of the file; `what` tells it apart."""
    try:
        now = stamp(path)
        key = f"{path.resolve()}{what}"
        known = _remembered().get(key)
        if isinstance(known, dict) and known.get("stamp") == now and "hash" in known:
            return str(known["hash"])
        digest = compute(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    if time.time() - now[1] / 1e9 > SETTLED_SECONDS:
        _remember(key, {"stamp": now, "hash": digest})
    return digest


def stamp(path: Path) -> list[int]:
    """Size, time of the last change (ns) and inode: what differs once a file was written again.

    Not the time of modification, which a copy or an archive sets as it likes.
    """
    found = path.stat()
    return [found.st_size, found.st_ctime_ns, found.st_ino]


def _file() -> Path:
    return user.cache() / "hashes.json"


def _remembered() -> dict[str, Any]:
    with suppress(OSError):
        known = read_json(_file()) if _file().is_file() else {}
        if isinstance(known, dict):
            return known
    return {}


def _remember(key: str, entry: dict[str, Any]) -> None:
    """Only a shortcut: without it the file is hashed again, so a failure is no error."""
    known = _remembered()
    known.pop(key, None)
    known[key] = entry
    with suppress(OSError):
        _file().parent.mkdir(parents=True, exist_ok=True)
        write_json(_file(), dict(list(known.items())[-REMEMBERED:]), durable=False)
