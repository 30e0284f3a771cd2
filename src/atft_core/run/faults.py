"""Places at which a drill lets a process fail: killed, or told by the system that it cannot write.

    ATFT_FAULT=PLACE:N:KIND:FILE        after run trial_asked:2:kill:/tmp/passes

the second time that a process of the run comes past that place; several are separated by `;`. FILE
counts the passes, a line each, over all processes together: one that was started again goes on
counting. The place `*` notes every place that is passed: so a drill learns what there is.

Nobody sets it outside of drills; then a place costs one comparison.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from typing import NamedTuple

VARIABLE = "ATFT_FAULT"
ERRORS = {"full": errno.ENOSPC, "io": errno.EIO}
"""Kinds that are an error of the system."""
KINDS = ("kill", *ERRORS)
SILENT = ("hang", "stop")
"""Kinds that nobody is told of: a watchdog has to notice."""
SLOW_SECONDS = 0.3
"""That a step takes more, of the kind `slow`."""
EVERY = "*"


class _Fault(NamedTuple):
    place: str
    nth: int
    kind: str
    file: str


def _wished(text: str) -> dict[str, _Fault]:
    """By place; several faults are separated by semicolons."""
    found = (_Fault(*_split(each)) for each in text.split(";") if each)
    return {fault.place: fault for fault in found}


def _split(text: str) -> tuple[str, int, str, str]:
    place, nth, kind, file = text.split(":", 3)
    return place, int(nth), kind, file


_faults = _wished(os.environ.get(VARIABLE, ""))


def before(step: str) -> None:
    """A step is about to be taken that can fail; OSError, or the end, where a drill wants it."""
    if _faults:
        _pass(f"before {step}", may_fail=True)


def after(step: str) -> None:
    """A step was taken; the end, where a drill wants it."""
    if _faults:
        _pass(f"after {step}", may_fail=False)


def _pass(place: str, *, may_fail: bool) -> None:
    if EVERY in _faults:
        _note(_faults[EVERY].file, place)
    fault = _faults.get(place)
    if fault is None or _note(fault.file, place) != fault.nth:
        return
    if fault.kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if fault.kind == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
        return
    if fault.kind == "slow":
        time.sleep(SLOW_SECONDS)
        return
    if fault.kind == "hang":
        time.sleep(86_400)
    if not may_fail:
        raise ValueError(f"nothing can fail {place}: it can only be killed there")
    raise OSError(ERRORS[fault.kind], os.strerror(ERRORS[fault.kind]), place)


def _note(file: str, place: str) -> int:
    """Write one line; how many there are then."""
    fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, f"{place}\n".encode())
        return os.pread(fd, os.fstat(fd).st_size, 0).count(b"\n")
    finally:
        os.close(fd)
