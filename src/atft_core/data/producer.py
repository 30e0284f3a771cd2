"""A producer of the ring feed: copies pieces of a file into shared memory, as told.

    python producer.py MEMORY_FD FILE NUMBER WORKER_PID

Each line of standard input is a job, `TO FROM SIZE` in bytes; each is answered by `TO` on standard
output. After every piece the producer's own counter in the shared memory moves, so that slow and
hung can be told apart. It ends with its input, that is, with the worker that started it.

A program of its own that imports nothing but the standard library: it starts in 20 ms and shares
no lock with anybody.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import struct
import sys

PIECE = 8 * 2**20
"""Bytes between two signs of life."""


def serve(memory_fd: int, path: str, number: int) -> None:
    """Copy until there are no more jobs."""
    memory = mmap.mmap(memory_fd, 0)
    view, pieces = memoryview(memory), 0
    file = os.open(path, os.O_RDONLY)
    for line in sys.stdin.buffer:
        target, source, size = map(int, line.split())
        done = 0
        while done < size:
            stop = min(done + PIECE, size)
            got = os.preadv(file, [view[target + done : target + stop]], source + done)
            if not got:
                sys.exit(f"{path} ends before byte {source + size}")
            done += got
            pieces += 1
            struct.pack_into("<q", memory, 8 * number, pieces)
        os.write(1, b"%d\n" % target)


def end_with(worker: int) -> None:
    """Be killed when the worker is gone, also while stopped or waiting for a disk."""
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
    if os.getppid() != worker:  # it was gone before it could be said
        sys.exit("the worker is gone")


if __name__ == "__main__":
    end_with(int(sys.argv[4]))
    serve(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
