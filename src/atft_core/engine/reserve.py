"""Room on the disk that is kept aside, so that a run can still write down that it is full."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from atft_core.run.files import DISK_FULL, open_to_write

T = TypeVar("T")
FULL_BYTES = 32 * 2**20
"""Free bytes below which the disk counts as full: there is still room to pause in order."""
ROOM_BYTES = 2 * FULL_BYTES
"""Free bytes from which it goes on."""
RESERVE_BYTES = 2**20


class Reserve:
    """A file whose only use is its size; gone once the disk is full."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file = directory / ".reserve"
        self._full = False

    def keep(self) -> None:
        """Take the room; where there is none that is found out soon enough."""
        with suppress(OSError):
            _take(self._file, RESERVE_BYTES)

    def release(self) -> None:
        """Give the room back."""
        self._file.unlink(missing_ok=True)

    def disk_is_full(self) -> bool:
        """Whether the run has to pause; from then on the room is there for what it has to say."""
        if not self._full and self.free < FULL_BYTES:
            self.give_up()
        return self._full

    def give_up(self) -> None:
        """Somebody found no room: the disk counts as full until `regain`."""
        self._full = True
        self.release()

    def regain(self) -> bool:
        """Whether there is room again; then the reserve is kept as before.

        Room is asked for, since a quota or a file system that became read-only shows in no figure.
        """
        probe = self._file.with_name(".room")
        try:
            if self.free < ROOM_BYTES:
                return False
            try:
                _take(probe, FULL_BYTES)
            finally:
                probe.unlink(missing_ok=True)
        except OSError:
            return False
        self._full = False
        self.keep()
        return True

    @property
    def free(self) -> int:
        """Bytes that are left on the disk of the run."""
        return shutil.disk_usage(self._directory).free

    def write(self, step: Callable[[], T]) -> T:
        """Do a step of writing; where the disk is full, once more with the reserve let go."""
        try:
            return step()
        except OSError as error:
            if error.errno not in DISK_FULL or self._full:
                raise
            self.give_up()
            return step()


def _take(path: Path, size: int) -> None:
    with open_to_write(path) as file:
        os.posix_fallocate(file.fileno(), 0, size)
