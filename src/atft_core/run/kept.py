"""Which checkpoints a trial keeps, seen from outside: epoch, size, age; whether one is whole."""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from atft_core.run.events import Json
from atft_core.run.files import read_json, read_regular

MANIFEST = "manifest.json"
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


def manifest_sum(manifest: Json) -> str:
    """Of what a manifest says, without its own sum."""
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def is_whole(directory: Path, epoch: int) -> bool:
    """Whether a checkpoint's manifest is what was written, and its files what that speaks of."""
    place = directory / f"epoch_{epoch:05d}"
    found = read_json(place / MANIFEST)
    manifest: Json = found if isinstance(found, dict) else {}
    sums = manifest.get("sha256")
    if not isinstance(sums, dict) or sums.pop(MANIFEST, "") != manifest_sum(manifest) or not sums:
        return False
    try:
        return all(
            hashlib.sha256(read_regular(place / str(name))).hexdigest() == said
            for name, said in sums.items()
        )
    except (OSError, ValueError):
        return False


def _below(directory: Path) -> list[Path]:
    try:
        return list(islice(directory.iterdir(), _ENTRIES))
    except OSError:
        return []
