"""What the console sends and needs while a run is live: an SSH line is slow, and shared."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from atft_core.bench.machine import machine
from atft_core.bench.runs import epoch_events, long_run
from atft_core.errors import AtftError
from atft_core.run.directory import RunDirectory
from atft_core.run.journal import Journal

FIRST_FRAME = b"Checklist"
"""What is on the screen once everything is drawn."""
PATIENCE = 60.0


@dataclass(frozen=True)
class ConsoleSizes:
    """What is measured."""

    columns: int = 120
    rows: int = 34
    seconds: float = 15.0
    trials: int = 20
    epochs: int = 15


def bench_console(sizes: ConsoleSizes, say: Callable[[str], None]) -> dict[str, Any]:
    """Seconds to the first frame; bytes and processor time per second with two events each."""
    with TemporaryDirectory(prefix="atft-bench-") as scratch:
        run = long_run(Path(scratch) / "output" / "live", sizes.trials, sizes.epochs)
        leader, process = _start(run, sizes)
        try:
            say("first frame")
            began = time.monotonic()
            first = _read(leader, lambda data: FIRST_FRAME in data, PATIENCE)
            drawn = time.monotonic() - began
            if FIRST_FRAME not in first:
                raise AtftError(f"The console drew nothing in {drawn:.0f} s: {first[-300:]!r}")
            say(f"{sizes.seconds:.0f} s of a live run")
            _read(leader, lambda _: False, 3.0)  # what it still has to draw
            before = psutil.Process(process.pid).cpu_times()
            sent = _live(run, leader, sizes)
            after = psutil.Process(process.pid).cpu_times()
        finally:
            process.kill()
            process.wait()
            os.close(leader)
    spent = after.user + after.system - before.user - before.system
    return {
        "machine": machine(),
        "sizes": vars(sizes),
        "first_frame_seconds": round(drawn, 2),
        "first_frame_bytes": len(first),
        "bytes_per_s": round(sent / sizes.seconds),
        "processor_share": round(spent / sizes.seconds, 3),
    }


def _start(run: RunDirectory, sizes: ConsoleSizes) -> tuple[int, subprocess.Popen[bytes]]:
    leader, follower = os.openpty()
    fcntl.ioctl(leader, termios.TIOCSWINSZ, struct.pack("HHHH", sizes.rows, sizes.columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "atft_tui", str(run.path)],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
        env={**os.environ, "TERM": "xterm-256color"},
    )
    os.close(follower)
    return leader, process


def _live(run: RunDirectory, leader: int, sizes: ConsoleSizes) -> int:
    """Two events and a log line per second; bytes that came meanwhile."""
    sent, end, number = 0, time.monotonic() + sizes.seconds, 0
    with Journal(run.events) as journal:
        while time.monotonic() < end:
            number += 1
            for event in epoch_events(sizes.trials, number, 2 * number):
                journal.append(event)
            with run.log.open("a") as log:
                log.write(f"Epoch {number} trial {sizes.trials} train .5 in 14.0 s\n")
            sent += len(_read(leader, lambda _: False, 1.0))
    return sent


def _read(leader: int, enough: Callable[[bytes], bool], limit: float) -> bytes:
    """What the console writes, until it is enough or the time is up."""
    data, end = b"", time.monotonic() + limit
    while not enough(data) and time.monotonic() < end:
        if select.select([leader], [], [], 0.1)[0]:
            try:
                data += os.read(leader, 65536)
            except OSError as error:  # the other end is closed
                raise AtftError(f"The console ended: {data[-300:]!r}") from error
    return data
