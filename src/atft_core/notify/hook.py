"""A command of the user's, run once for an alert: no shell, a deadline, bounded output."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress

from atft_core.notify.message import Message
from atft_core.run.foreign import clean

_KEPT = 400
"""Bytes of its output that are told when it fails."""
_TICK = 0.05


def run_hook(command: Sequence[str], message: Message, seconds: float) -> str:
    """Run `command` with the message on its standard input; why it failed, else ''.

    What it leaves running is none of our business, unless it is killed: then its group goes, too.
    """
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **message.environ()},
        )
    except OSError as error:
        return f"cannot be run: {error.strerror or error}"
    _hand_over(process, message)
    said = _watch(process, seconds)
    with suppress(OSError):
        if process.stdout is not None:
            process.stdout.close()
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return _told(f"was killed after {seconds:g} s", said)
    if process.returncode < 0:
        return _told(f"was killed by signal {-process.returncode}", said)
    return _told(f"ended with exit code {process.returncode}", said) if process.returncode else ""


def _hand_over(process: subprocess.Popen[bytes], message: Message) -> None:
    """The message fits into the pipe, so nobody has to read it."""
    if process.stdin is not None:
        with suppress(BrokenPipeError), process.stdin:
            process.stdin.write(json.dumps(message.json()).encode() + b"\n")


def _watch(process: subprocess.Popen[bytes], seconds: float) -> bytes:
    """The beginning of what it says, until it ends or its time is up; the rest is thrown away."""
    if process.stdout is None:
        return b""
    fd, kept, give_up = process.stdout.fileno(), b"", time.monotonic() + seconds
    open_, poll = True, select.poll()
    poll.register(fd, select.POLLIN)
    while time.monotonic() < give_up:
        over = process.poll() is not None
        ready = open_ and poll.poll(0 if over else 1000 * _TICK)
        if ready:
            data = os.read(fd, 1 << 16)
            open_ = bool(data)
            kept = (kept + data)[:_KEPT]
        if over and (not ready or len(kept) == _KEPT):
            break
        if not open_ and not over:
            time.sleep(_TICK)
    return kept


def _told(fate: str, said: bytes) -> str:
    words = clean(" ".join(said.decode(errors="replace").split()), _KEPT)
    return f"{fate}: {words}" if words else fate
