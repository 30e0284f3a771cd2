"""Files that are either old or new, never half-written."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from atft_core.run.faults import after, before

_NOWHERE = {errno.ELOOP, errno.ENXIO, errno.ENAMETOOLONG}
"""A link to itself, a socket: nobody can read a file there."""
DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""How the system says that there is no room: the disk, this user's share of it, a limit."""


def fsync_directory(path: Path) -> None:
    """Make a rename inside `path` survive a power cut."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def fsync_file(path: Path) -> None:
    """Make what is in a file survive a power cut."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def open_to_write(path: Path, *, append: bool = False) -> BinaryIO:
    """A file for writing, unbuffered, and no other one that a link leads to; no pipe is waited for.

    A run directory may come from somebody else, and its owner may be you.
    """
    own = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    fd = os.open(path, own | (os.O_APPEND if append else os.O_TRUNC), 0o640)
    return os.fdopen(fd, "ab" if append else "wb", buffering=0)


def write_atomically(path: Path, *pieces: bytes, durable: bool = True, place: str = "") -> None:
    """Replace `path` by these bytes in one step; nothing is left behind when writing fails.

    `place`: how drills call it, where that is not by its name.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    place = place or path.name
    before(f"open {place}")
    try:
        with open_to_write(temporary) as raw, io.BufferedWriter(raw) as file:
            file.writelines(pieces)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        before(f"rename {place}")
        temporary.replace(path)
        if durable:
            before(f"sync {place}")
            fsync_directory(path.parent)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    after(f"write {place}")


_HALF = re.compile(r"\..+\.(?P<pid>\d+)\.tmp(-journal)?")
"""What is not through yet: half a file, or what SQLite keeps beside half a database."""


def remove_leftovers(directory: Path) -> None:
    """What processes that were killed had written beside the files that they meant to replace.

    For whoever holds the lock of a run. Another process of this machine may be at it just now: its
    own are left alone.
    """
    for path in directory.rglob(".*.tmp*"):
        half = _HALF.fullmatch(path.name)
        if half and path.is_file() and not Path("/proc", half["pid"]).exists():
            path.unlink(missing_ok=True)


def write_json(
    path: Path, value: Any, *, durable: bool = True, readable: bool = True, place: str = ""
) -> None:
    """Write `value` as JSON; NaN and infinity are refused. What nobody reads takes a sixth of
    the time without line breaks.
    """
    text = json.dumps(value, indent=1 if readable else None, allow_nan=False, ensure_ascii=False)
    write_atomically(path, f"{text}\n".encode(), durable=durable, place=place)


class NotRegularError(OSError):
    """A place that holds no file: to read a FIFO would be to wait for ever."""


def open_regular(path: Path) -> io.BufferedReader:
    """A file for reading, without waiting for anybody; NotRegularError for what is none."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(fd).st_mode
    if not stat.S_ISREG(mode):
        os.close(fd)
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        raise NotRegularError(errno.EINVAL, "is no regular file", str(path))
    return os.fdopen(fd, "rb")


def read_regular(path: Path, most: int = -1) -> bytes:
    """What a file holds, or so many bytes of it; OSError, NotRegularError for what is none."""
    with open_regular(path) as file:
        return file.read(most)


def read_json(path: Path) -> Any | None:
    """What `path` holds, or None when it is no file, not for this user or not JSON."""
    try:
        return json.loads(read_regular(path).decode())
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError,
            NotRegularError):  # fmt: skip
        return None
    except (ValueError, RecursionError):  # no JSON, no UTF-8, a number of ten thousand digits
        return None
    except OSError as error:
        if error.errno in _NOWHERE:
            return None
        raise
