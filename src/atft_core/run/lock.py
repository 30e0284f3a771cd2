"""The engine's lock: an open-file-description lock on engine.lock.

It belongs to the open file, so it ends with the process however that ends, is not dropped when
some other part of the process closes the same file, and can be looked at without being taken.
Linux only. On a network file system the lock of another host is invisible: the owner's host is
written into the file, and a reader elsewhere says "unknown", never "dead".
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import struct
import time
from enum import Enum
from pathlib import Path
from typing import Any

from atft_core.errors import RunBusyError
from atft_core.run.faults import after, before
from atft_core.run.files import read_json

_FLOCK = "hhqqi4x"  # short l_type, l_whence; off_t l_start, l_len; pid_t l_pid


class Holder(Enum):
    """Who holds the lock, as far as this host can tell."""

    NOBODY = "nobody"
    ENGINE = "engine"
    UNKNOWN = "unknown"


_LOOK = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
"""A group's members may look, not write; nobody waits for what is no file."""
_TAKE = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
"""A link could lead to a file of somebody's that is no lock: it would be written over."""


def _flock(kind: int) -> bytes:
    return struct.pack(_FLOCK, kind, os.SEEK_SET, 0, 0, 0)


def probe(path: Path) -> Holder:
    """Whether an engine holds the lock; never takes it."""
    try:
        fd = os.open(path, _LOOK)
    except FileNotFoundError:
        return Holder.NOBODY
    except PermissionError:
        return Holder.UNKNOWN
    try:
        answer = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, _flock(fcntl.F_WRLCK))
    finally:
        os.close(fd)
    kind = struct.unpack(_FLOCK, answer)[0]
    if kind != fcntl.F_UNLCK:
        return Holder.ENGINE
    owner_host = owner(path).get("host", "")
    return Holder.UNKNOWN if owner_host not in ("", socket.gethostname()) else Holder.NOBODY


def owner(path: Path) -> dict[str, Any]:
    """What the last owner wrote about itself: pid, host; empty when it left in order."""
    try:
        value = read_json(path)
    except OSError:
        return {}
    return value if isinstance(value, dict) else {}


class ProcessLock:
    """Held from construction to `release`; the file says who holds it."""

    def __init__(self, path: Path, *, silent: bool = False, **about: Any) -> None:
        """Take the lock or raise RunBusyError; `about` is written beside pid and host.

        `silent`: nothing is written, for a disk that may be full.
        """
        self.path, self._silent = path, silent
        self._fd = os.open(path, _TAKE, 0o640)
        try:
            fcntl.fcntl(self._fd, fcntl.F_OFD_SETLK, _flock(fcntl.F_WRLCK))
            after(f"lock {path.name}")
            self.taken = time.time()
            self._describe({"pid": os.getpid(), "host": socket.gethostname(), **about})
        except (BlockingIOError, PermissionError) as error:
            os.close(self._fd)
            raise self.busy(owner(path)) from error
        except OSError:  # nobody could be told who holds it
            os.close(self._fd)
            raise

    def busy(self, who: dict[str, Any]) -> RunBusyError:
        """The error for somebody who comes second."""
        return RunBusyError(f"{self.path} is held by the process {who.get('pid', '?')}.")

    def _describe(self, value: dict[str, Any]) -> None:
        if self._silent:
            return
        before(f"describe {self.path.name}")
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, json.dumps(value).encode(), 0)

    def release(self) -> None:
        """Let go in order."""
        if self._fd >= 0:
            self._describe({})
            os.close(self._fd)
            self._fd = -1


class EngineLock(ProcessLock):
    """Held for the life of an engine."""

    def __init__(self, path: Path, *, silent: bool = False) -> None:
        """Take the lock; RunBusyError when it is held, or when that cannot be known."""
        if probe(path) is Holder.UNKNOWN:
            raise RunBusyError(
                f"{path.parent} belongs to an engine on {owner(path).get('host', 'another host')}, "
                "which cannot be seen from here.",
                hint=f"Go on there. If that host is gone for good: rm {path}",
            )
        super().__init__(path, silent=silent)

    def busy(self, who: dict[str, Any]) -> RunBusyError:
        """Name the run and how to watch or end it."""
        directory = self.path.parent
        return RunBusyError(
            f"{directory} belongs to a running engine (pid {who.get('pid', '?')} "
            f"on {who.get('host', 'this host')}).",
            hint=f"Watch it with `atft status {directory}`, end it with `atft stop {directory}`.",
        )
