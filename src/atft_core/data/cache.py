"""Which cache belongs to a panel, and whether it is there: complete, or not at all.

A cache is named after its content: panel file, files beside it, data and label settings and format
version. Another input has another name, so a run that is still reading an old cache keeps it, and
"stale" cannot be overlooked. `data/draft.py` writes the file, `data/panel.py` opens it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from atft_core.config.schema import Config
from atft_core.data.draft import Draft, draft_bytes
from atft_core.data.features import FEATURES
from atft_core.data.panel import (
    COLUMNS_HASH,
    FORMAT_VERSION,
    Frame,
    Panel,
    open_panel,
    read_facts,
)
from atft_core.data.source import remembered_hash, source_hash, stamp
from atft_core.data.stored import Kind, kind_of
from atft_core.errors import DataError
from atft_core.run import user
from atft_core.run.files import DISK_FULL, fsync_directory
from atft_core.run.user import absolute

NOT_CONTENT = {"path", "sector", "edges", "cache_dir", "feed", "workers", "prefetch"}
"""Settings of [data] that do not change what is in the cache."""


@dataclass(frozen=True)
class Identity:
    """What a cache is made from."""

    path: Path
    hash: str
    side: dict[str, Path]
    """Files beside the panel, by meaning: sector, edges."""
    side_hashes: dict[str, str]
    settings_hash: str
    versions: tuple[list[int], ...]
    """Which versions of the files were hashed."""

    @property
    def key(self) -> str:
        """Hash of everything that decides the content."""
        sides = [f"{name} {value}" for name, value in sorted(self.side_hashes.items())]
        parts = (self.hash, *sides, self.settings_hash, str(FORMAT_VERSION))
        return _sha("\n".join(parts))


def identify(config: Config, path: Path, side: dict[str, Path]) -> Identity:
    """Hash the input files and the settings that matter."""
    settings = {
        "data": config.data.model_dump(mode="json", exclude=NOT_CONTENT),
        "label": config.label.model_dump(mode="json"),
        "built-in": [feature.name for feature in FEATURES],
    }
    versions = file_versions(path, *side.values())  # before the hashes: a change is seen
    return Identity(
        versions=versions,
        path=path,
        hash=source_hash(path),
        side=side,
        side_hashes={name: source_hash(file) for name, file in side.items()},
        settings_hash=_sha(json.dumps(settings, sort_keys=True)),
    )


def file_versions(*files: Path) -> tuple[list[int], ...]:
    """Which version of each input file is there now; none of one that is gone."""
    return tuple(stamp(each) if each.exists() else [] for each in files)


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def cache_file(config: Config, identity: Identity) -> Path:
    """Where the cache of this identity is, or would be."""
    chosen = config.data.cache_dir
    directory = absolute(Path(chosen)) if chosen else user.cache()
    return directory / f"{_stem(identity.path)}-{identity.key[:16]}.arrow"


def _stem(path: Path) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", f"{path.parent.name}-{path.stem}")[-80:].lstrip("-.")


def why_build(target: Path, identity: Identity) -> str:
    """Why the cache has to be built; empty when it is there and readable."""
    if target.is_file():
        return _why_not(target, identity)
    if target.exists():
        raise DataError(
            f"{target} is not a file, so no cache can be written there.",
            hint="Remove it, or choose another place: --set data.cache_dir=DIR",
        )
    older = [facts for facts in _known(target, identity) if facts["path"] == str(identity.path)]
    if not older:
        return "no cache of this panel yet"
    if all(facts["hash"] != identity.hash for facts in older):
        return f"{identity.path.name} changed since it was cached; building anew"
    return "cached with other settings, sectors or by another version; building anew"


def _why_not(target: Path, identity: Identity) -> str:
    """What is wrong with the cache that is there; empty when nothing is."""
    try:
        facts = open_panel(target).facts
    except DataError as error:
        return f"the cache is damaged ({error.message}); building it again"
    if facts.get("key") != identity.key:
        return "the cache is not the one its name says"
    if not _is_whole(target, facts):
        return "the cache is damaged (its content is not what was written); building it again"
    return ""


def _is_whole(target: Path, facts: dict[str, Any]) -> bool:
    """Whether the content is what was written; hashed once per version of the file."""
    now = remembered_hash(target, lambda path: open_panel(path).columns_hash, "#columns")
    return now == facts.get(COLUMNS_HASH)


def open_whole(cache: Path) -> Panel:
    """The panel of a cache whose content is what was written; DataError otherwise."""
    panel = open_panel(cache)
    if not _is_whole(cache, panel.facts):
        raise DataError(
            f"The panel cache {cache} is damaged: its content is not what was written.",
            hint="Look for a failing disk, then start again: the cache is built anew.",
        )
    return panel


class CacheWatch:
    """Notices that somebody wrote into the cache that is mapped here."""

    def __init__(self, cache: Path) -> None:
        self._cache, self._seen = cache, stamp(cache)

    def refuse_damage(self) -> None:
        """DataError when the file has changed and is not what was once written.

        A file that is gone is still mapped, as it was.
        """
        with suppress(FileNotFoundError):
            if (now := stamp(self._cache)) != self._seen:
                open_whole(self._cache)
                self._seen = now


def _known(target: Path, identity: Identity) -> Iterator[dict[str, Any]]:
    for file in target.parent.glob(f"{_stem(identity.path)}-*.arrow"):
        with suppress(OSError, pa.ArrowException, KeyError, TypeError, ValueError, IndexError):
            facts = read_facts(pa.ipc.open_file(pa.memory_map(str(file))))
            yield {key: str(facts[key]) for key in ("path", "hash")}


@contextmanager
def new_cache(target: Path, frame: Frame, kind: Kind) -> Iterator[Draft]:
    """A cache to be filled in, in a temporary file; it replaces `target` once it is finished.

    Left before `finish`, or interrupted, nothing stays. Raises DataError when it cannot be kept.
    """
    temporary = _temporary(target)
    with _said(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_orphans(target.parent)
        _check_space(target.parent, draft_bytes(frame, kind))
    try:
        with _said(target.parent):
            draft = Draft(temporary, frame, kind)
        with closing(draft):
            yield draft
        with _said(target.parent):
            if draft.finished:
                temporary.replace(target)
                fsync_directory(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def finish_cache(draft: Draft, target: Path, facts: dict[str, Any]) -> None:
    """All is filled in; DataError when the disk does not take it."""
    with _said(target.parent):
        draft.finish(facts)


@contextmanager
def scratch_cache(target: Path) -> Iterator[Path]:
    """A place beside the cache for one that nobody keeps."""
    scratch = _temporary(target.with_name(f"check-{target.name}"))
    try:
        yield scratch
    finally:
        with suppress(OSError):  # nothing could be written there in the first place
            scratch.unlink(missing_ok=True)


def _temporary(target: Path) -> Path:
    """Where a process of this host writes; removed by others when it is no more."""
    return target.with_name(f".{target.name}.{socket.gethostname()}.{os.getpid()}.tmp")


@contextmanager
def _said(directory: Path) -> Iterator[None]:
    """An error of the cache's file system as a DataError with advice."""
    try:
        yield
    except OSError as error:
        full = error.errno in DISK_FULL
        what = "is full" if full else f"cannot be written: {error.strerror or error}"
        raise DataError(
            f"The cache directory {directory} {what}.",
            hint="Choose another: --set data.cache_dir=DIR",
        ) from error


def write_cache(target: Path, panel: Panel) -> None:
    """Write a panel that is in memory."""
    with new_cache(target, panel, kind_of(panel.x_TNF)) as draft:
        draft.x_TNF[...] = panel.x_TNF
        draft.y_TNH[...] = panel.y_TNH
        draft.rank_TNH[...] = panel.rank_TNH
        draft.gauss_TNH[...] = panel.gauss_TNH
        finish_cache(draft, target, panel.facts)


def _remove_orphans(directory: Path) -> None:
    """Temporary files of this host's builders that are no more."""
    for file in directory.glob(f".*.{socket.gethostname()}.*.tmp"):
        pid = file.name.split(".")[-2]
        if pid.isdecimal() and not Path(f"/proc/{pid}").exists():
            file.unlink(missing_ok=True)


def _check_space(directory: Path, needed: int) -> None:
    free = shutil.disk_usage(directory).free
    needed = int(needed * 1.05)  # names, masks and graphs are not counted
    if free < needed:
        raise DataError(
            f"The cache needs {needed / 2**20:.0f} MiB in {directory}, "
            f"where {free / 2**20:.0f} MiB are free.",
            hint="Make room or choose another place: --set data.cache_dir=DIR",
        )
