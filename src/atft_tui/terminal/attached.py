"""Is there a terminal, and is it still there?

When a connection drops, the kernel sends SIGHUP, which ends the console. Where that signal is
ignored (nohup, some wrappers) Textual reads end-of-file for ever at full speed; so a thread sleeps
in poll(2) until the terminal hangs up, and ends the process. It holds nothing that could be lost.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Mapping, MutableMapping

_HUNG_UP = select.POLLHUP | select.POLLERR | select.POLLNVAL


def why_not(environ: Mapping[str, str]) -> str:
    """Why no screen can be drawn here; empty when one can."""
    streams = (("input", sys.__stdin__), ("output", sys.__stdout__), ("errors", sys.__stderr__))
    for name, stream in streams:
        if stream is None or not stream.isatty():
            return f"standard {name} is not a terminal"
    if environ.get("TERM", "dumb") in ("dumb", ""):
        return f"TERM={environ.get('TERM', '')!r} cannot draw a screen"
    return ""


def forget_stale_size(environ: MutableMapping[str, str]) -> None:
    """An exported COLUMNS or LINES would hide the true size, and every change of it."""
    for name in ("COLUMNS", "LINES"):
        environ.pop(name, None)


def exit_on_hangup(before: Callable[[], object], fd: int = 0) -> threading.Thread:
    """End this process when the terminal on `fd` is gone, after `before` was called."""

    def wait() -> None:
        poller = select.poll()
        poller.register(fd, 0)  # hang-up and errors are always reported
        while not any(event & _HUNG_UP for _, event in poller.poll()):
            pass
        threading.Timer(1.0, os._exit, (128 + signal.SIGHUP,)).start()  # `before` may block
        before()
        os._exit(128 + signal.SIGHUP)

    thread = threading.Thread(target=wait, name="atft-hangup", daemon=True)
    thread.start()
    return thread
