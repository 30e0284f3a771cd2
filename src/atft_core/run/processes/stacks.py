"""A process that says where it is when it is asked: SIGUSR1 makes it write all stacks to a file."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TextIO

from atft_core.run.files import open_to_write


@contextmanager
def stacks_on_request(path: Path) -> Iterator[None]:
    """Write the stacks of all threads to `path` on SIGUSR1, and to standard error on a crash.

    Also a process that hangs answers: no Python runs for it. Where the file cannot be made they go
    to standard error, too: no night is lost for want of it. What an earlier process has written
    stays, since an alert may point to it.
    """
    faulthandler.enable()
    with ExitStack() as kept:
        file: BinaryIO | TextIO = sys.stderr
        with suppress(OSError):
            file = own = kept.enter_context(open_to_write(path, append=True))
            if path.stat().st_size:
                own.write(f"\n== a later start, pid {os.getpid()}\n".encode())
        faulthandler.register(signal.SIGUSR1, file=file, all_threads=True)
        kept.callback(faulthandler.unregister, signal.SIGUSR1)
        yield
