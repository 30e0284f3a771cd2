"""A process that says where it is when it is asked: SIGUSR1 makes it write all stacks to a file."""

from __future__ import annotations

import faulthandler
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def stacks_on_request(path: Path) -> Iterator[None]:
    """Write the stacks of all threads to `path` on SIGUSR1, and to standard error on a crash.

    Also a process that hangs answers: no Python runs for it.
    """
    faulthandler.enable()
    with path.open("w") as file:
        faulthandler.register(signal.SIGUSR1, file=file, all_threads=True)
        try:
            yield
        finally:
            faulthandler.unregister(signal.SIGUSR1)
