"""Reading a large state makes millions of objects and no garbage."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_inside = 0
_was_on = True


@contextmanager
def collecting_later() -> Iterator[None]:
    """No garbage collection inside: it would spend half the time looking at the same objects."""
    global _inside, _was_on
    with _lock:  # of several threads inside, the first one in and the last one out
        if not _inside:
            _was_on = gc.isenabled()
            gc.disable()
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside and _was_on:
                gc.enable()
