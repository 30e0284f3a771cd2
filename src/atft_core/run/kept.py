"""Which checkpoints a trial keeps, seen from outside: epoch, size, age."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

_NAME = re.compile(r"epoch_(\d{1,9})")
_ENTRIES = 1000
"""Looked at in a directory; a trial keeps two checkpoints of three files."""


@dataclass(frozen=True)
class Kept:
    """A checkpoint on disk."""

    epoch: int
    size: int
    """Bytes of all its files."""
    t: float
    """When it was finished."""


def kept_checkpoints(directory: Path) -> list[Kept]:
    """The newest first; one that is removed meanwhile is left out."""
    found = []
    for path in _below(directory):
        name = _NAME.fullmatch(path.name)
        with suppress(OSError):
            if name is not None:
                size = sum(file.stat().st_size for file in _below(path))
                found.append(Kept(int(name[1]), size, path.stat().st_mtime))
    return sorted(found, key=lambda kept: -kept.epoch)


def _below(directory: Path) -> list[Path]:
    try:
        return list(islice(directory.iterdir(), _ENTRIES))
    except OSError:
        return []
