"""Room on the disk that is kept aside, so that a run can still write down that it is full."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from atft_core.run.files import DISK_FULL

T = TypeVar("T")
FULL_BYTES = 32 * 2**20
"""Free bytes below which the disk counts as full: a run stops while it can still do so in order."""
RESERVE_BYTES = 2**20


class Reserve:
    """A file whose only use is its size; gone once the disk is full."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file = directory / ".reserve"
        self._full = False

    def keep(self) -> None:
        """Take the room; where there is none that is found out soon enough."""
        with suppress(OSError), self._file.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, RESERVE_BYTES)

    def release(self) -> None:
        """Give the room back."""
        self._file.unlink(missing_ok=True)

    def disk_is_full(self) -> bool:
        """Whether the run has to stop; from then on the room is there for its last words."""
        if not self._full and self.free < FULL_BYTES:
            self._full = True
            self.release()
        return self._full

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
            self._full = True
            self.release()
            return step()
