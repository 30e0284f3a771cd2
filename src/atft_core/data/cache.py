"""Writing the panel cache: one Arrow IPC file, complete or not there at all.

A cache is named after its content: panel file, sector file, data and label settings and format
version. Another input has another name, so a run that is still reading an old cache keeps it, and
"stale" cannot be overlooked. `data/panel.py` opens the file.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from atft_core.config.schema import Config
from atft_core.data.features import FEATURES
from atft_core.data.panel import FORMAT_VERSION, HEADER, Panel, open_panel
from atft_core.data.source import source_hash
from atft_core.errors import DataError
from atft_core.run import user
from atft_core.run.files import DISK_FULL, fsync_directory
from atft_core.run.user import absolute

BATCH_DAYS = 64
"""Days per record batch: what a streaming reader holds at least."""
NOT_CONTENT = {"path", "sector", "cache_dir", "workers", "prefetch"}
"""Settings of [data] that do not change what is in the cache."""


@dataclass(frozen=True)
class Identity:
    """What a cache is made from."""

    path: Path
    hash: str
    sector: Path | None
    sector_hash: str
    settings_hash: str

    @property
    def key(self) -> str:
        """Hash of everything that decides the content."""
        parts = (self.hash, self.sector_hash, self.settings_hash, str(FORMAT_VERSION))
        return _sha("\n".join(parts))


def identify(config: Config, path: Path, sector: Path | None) -> Identity:
    """Hash the input files and the settings that matter."""
    settings = {
        "data": config.data.model_dump(mode="json", exclude=NOT_CONTENT),
        "label": config.label.model_dump(mode="json"),
        "built-in": [feature.name for feature in FEATURES],
    }
    return Identity(
        path=path,
        hash=source_hash(path),
        sector=sector,
        sector_hash=source_hash(sector) if sector else "",
        settings_hash=_sha(json.dumps(settings, sort_keys=True)),
    )


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
    if target.exists():
        try:
            facts = open_panel(target).facts
        except DataError as error:
            return f"the cache is damaged ({error.message}); building it again"
        return "" if facts.get("key") == identity.key else "the cache is not the one its name says"
    older = [
        h["facts"] for h in _headers(target, identity) if h["facts"]["path"] == str(identity.path)
    ]
    if not older:
        return "no cache of this panel yet"
    if all(facts["hash"] != identity.hash for facts in older):
        return f"{identity.path.name} changed since it was cached; building anew"
    return "cached with other settings, sectors or by another version; building anew"


def _headers(target: Path, identity: Identity) -> Iterator[dict[str, Any]]:
    for file in target.parent.glob(f"{_stem(identity.path)}-*.arrow"):
        with suppress(OSError, pa.ArrowException, KeyError, TypeError, ValueError):
            schema = pa.ipc.open_file(pa.memory_map(str(file))).schema
            yield json.loads(schema.metadata[HEADER])


def write_cache(target: Path, panel: Panel) -> None:
    """Write `panel` to `target` through a temporary file; an interruption leaves no cache."""
    temporary = target.with_name(f".{target.name}.{socket.gethostname()}.{os.getpid()}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_orphans(target.parent)
        _check_space(target.parent, sum(b.nbytes for b in panel.x_batches) + panel.y_TNH.nbytes)
        try:
            _write(temporary, panel)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        fsync_directory(target.parent)
    except OSError as error:
        full = error.errno in DISK_FULL
        what = "is full" if full else f"cannot be written: {error.strerror or error}"
        raise DataError(
            f"The cache directory {target.parent} {what}.",
            hint="Choose another: --set data.cache_dir=DIR",
        ) from error


def _remove_orphans(directory: Path) -> None:
    """Temporary files of this host's builders that are no more."""
    for file in directory.glob(f".*.{socket.gethostname()}.*.tmp"):
        pid = file.name.split(".")[-2]
        if pid.isdecimal() and not Path(f"/proc/{pid}").exists():
            file.unlink(missing_ok=True)


def _check_space(directory: Path, needed: int) -> None:
    free = shutil.disk_usage(directory).free
    if free < needed * 1.05:
        raise DataError(
            f"The cache needs {needed / 2**20:.0f} MiB in {directory}, "
            f"where {free / 2**20:.0f} MiB are free.",
            hint="Make room or choose another place: --set data.cache_dir=DIR",
        )


def _write(path: Path, panel: Panel) -> None:
    batches = _batches(panel)
    first = next(batches)
    schema = first.schema.with_metadata({HEADER: json.dumps(_header(panel)).encode()})
    with path.open("wb") as file:
        with pa.ipc.new_file(file, schema) as writer:
            writer.write_batch(first)
            for batch in batches:
                writer.write_batch(batch)
        file.flush()
        os.fsync(file.fileno())


def _header(panel: Panel) -> dict[str, Any]:
    return {
        "format": FORMAT_VERSION,
        "codes": panel.codes,
        "features": panel.features,
        "groups": panel.groups,
        "horizons": panel.horizons,
        "market": panel.market_names,
        "neighbours": panel.neighbours_RNK.shape[2],
        "sector": panel.sector_N.tolist(),
        "sectors": panel.sectors,
        "facts": panel.facts,
    }


def _batches(panel: Panel) -> Iterator[pa.RecordBatch]:
    graph_at = {int(day): i for i, day in enumerate(panel.neighbour_days_R)}
    x_TNF = panel.x_TNF
    for start in range(0, len(panel.dates_T), BATCH_DAYS):
        days = slice(start, start + BATCH_DAYS)
        count = len(panel.dates_T[days])
        graphs = [panel.neighbours_RNK[graph_at[t]] if t in graph_at else None
                  for t in range(start, start + count)]  # fmt: skip
        columns = {
            "date": pa.array(panel.dates_T[days]),
            "x": _fixed(x_TNF[days]),
            "y": _fixed(panel.y_TNH[days]),
            "valid": _fixed(panel.valid_TN[days]),
            "market": _lists([row if row.size else None for row in panel.market_TM[days]],
                             np.float32),
            "neighbours": _lists(graphs, np.int32),
        }  # fmt: skip
        yield pa.RecordBatch.from_pydict(columns)


def _fixed(array: NDArray[Any]) -> pa.FixedSizeListArray:
    """Rows of a dense array, without copying (but bits)."""
    values = np.ascontiguousarray(array).reshape(-1)
    return pa.FixedSizeListArray.from_arrays(pa.array(values), values.size // len(array))


def _lists(rows: list[NDArray[Any] | None], dtype: type[np.generic]) -> pa.ListArray:
    """Rows of different length; None = empty."""
    flat = [np.empty(0, dtype) if row is None else row.ravel() for row in rows]
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in flat])]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.concatenate(flat).astype(dtype)))
