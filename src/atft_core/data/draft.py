"""A cache that is being filled in.

Shapes: T days, N stocks, F features, H horizons.

The file is laid out first: all that is small is written, and gaps are left where features and
labels go. Those are scattered through maps of the gaps, column by column, so that memory holds
the columns at hand and not the panel. What is known only at the end goes into a last batch.
"""

from __future__ import annotations

import io
import json
import mmap
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from atft_core.data.panel import COLUMNS_HASH, FORMAT_VERSION, HEADER, Frame, hash_of
from atft_core.data.stored import TYPES, Kind

LABELS = ("y", "rank", "gauss")
"""Columns [T, N, H] of float32."""
OPTIONS = pa.ipc.IpcWriteOptions(allow_64bit=True)
"""A panel may have more than 2^31 features in all."""


def draft_bytes(frame: Frame, kind: Kind) -> int:
    """Bytes of the large columns."""
    cells = frame.valid_TN.size
    features = len(frame.features) * np.dtype(TYPES[kind]).itemsize
    return cells * (features + 4 * len(LABELS) * len(frame.horizons))


class Draft:
    """An open cache file with writable maps of its large columns.

    Raises OSError when there is no room: it is reserved before anything is written to the maps.
    """

    def __init__(self, path: Path, frame: Frame, kind: Kind) -> None:
        self.finished = False
        self._frame = frame
        self._file = path.open("wb")
        try:
            self._lay_out(path, frame, kind)
        except BaseException:
            self._file.close()
            raise

    def _lay_out(self, path: Path, frame: Frame, kind: Kind) -> None:
        cells, (days, stocks) = frame.valid_TN.size, frame.valid_TN.shape
        widths = {"x": len(frame.features), **dict.fromkeys(LABELS, len(frame.horizons))}
        dtypes = {"x": TYPES[kind], **dict.fromkeys(LABELS, np.float32)}
        sink = _SinkWithGaps(self._file)
        columns = {
            name: _fixed(sink.gap(name, cells * width, np.dtype(dtypes[name])), days)
            for name, width in widths.items()
        }
        batch = pa.RecordBatch.from_pydict({**columns, **_small_columns(frame)})
        schema = batch.schema.with_metadata({HEADER: json.dumps(_header(frame)).encode()})
        self._writer = pa.ipc.new_file(sink, schema, options=OPTIONS)
        self._writer.write_batch(batch)
        self._file.flush()
        self._last = batch.slice(0, 0)
        maps: dict[str, NDArray[Any]] = {
            name: np.memmap(path, dtypes[name], "r+", sink.offsets[name], (days, stocks, width))
            for name, width in widths.items()
        }
        self.x_TNF: NDArray[Any] = maps["x"]
        self.y_TNH: NDArray[np.float32] = maps["y"]
        self.rank_TNH: NDArray[np.float32] = maps["rank"]
        self.gauss_TNH: NDArray[np.float32] = maps["gauss"]

    def finish(self, facts: dict[str, Any]) -> None:
        """Everything is filled in: add what is known about it, and make it durable."""
        large = (self.x_TNF, self.y_TNH, self.rank_TNH, self.gauss_TNH)
        hashed = {**facts, COLUMNS_HASH: hash_of(self._frame, large, facts)}
        facts_json = json.dumps(hashed, allow_nan=False)
        self._writer.write_batch(self._last, custom_metadata={HEADER: facts_json.encode()})
        self._writer.close()
        self._file.flush()
        os.fsync(self._file.fileno())  # of the pages of the maps, too
        self.finished = True

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


class _SinkWithGaps(io.RawIOBase):
    """A file for Arrow to write to that leaves out the buffers that stand for gaps."""

    def __init__(self, file: BinaryIO) -> None:
        self.offsets: dict[str, int] = {}
        self._file = file
        self._names: dict[int, str] = {}

    def gap(self, name: str, count: int, dtype: np.dtype[Any]) -> pa.Array:
        """An array of `count` values that takes up no memory; its place becomes offsets[name]."""
        size = max(count * dtype.itemsize, 1)
        # Only addresses: the pages are never touched.
        anonymous = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        buffer = pa.py_buffer(mmap.mmap(-1, size, flags=anonymous, prot=mmap.PROT_READ))
        self._names[buffer.address] = name
        kind = pa.from_numpy_dtype(dtype)
        return pa.Array.from_buffers(kind, count, [None, buffer])

    def writable(self) -> bool:
        """Arrow asks."""
        return True

    def tell(self) -> int:
        """Bytes so far, gaps included."""
        return self._file.tell()

    def write(self, data: Any) -> int:
        """Write, or reserve the room of a gap so that a full disk is an error now, not later."""
        buffer = pa.py_buffer(data)
        name = self._names.get(buffer.address)
        if name is None:
            return self._file.write(data)
        self.offsets[name] = self._file.tell()
        os.posix_fallocate(self._file.fileno(), self.offsets[name], buffer.size)
        self._file.seek(buffer.size, os.SEEK_CUR)
        return int(buffer.size)


def _header(frame: Frame) -> dict[str, Any]:
    return {
        "format": FORMAT_VERSION,
        "codes": frame.codes,
        "features": frame.features,
        "groups": frame.groups,
        "horizons": frame.horizons,
        "market": frame.market_names,
        "neighbours": frame.neighbours_RNK.shape[2],
        "sector": frame.sector_N.tolist(),
        "sectors": frame.sectors,
    }


def _small_columns(frame: Frame) -> dict[str, pa.Array]:
    days = len(frame.dates_T)
    graph_at = {int(day): i for i, day in enumerate(frame.neighbour_days_R)}
    graphs = [frame.neighbours_RNK[graph_at[t]] if t in graph_at else None for t in range(days)]
    nothing = [None] * (days - 1)
    return {
        "date": pa.array(frame.dates_T),
        "valid": _fixed(pa.array(frame.valid_TN.ravel()), days),
        "market": _lists([row if row.size else None for row in frame.market_TM], np.float32),
        "neighbours": _lists(graphs, np.int32),
        "edges": _lists([frame.edges_NE, *nothing], np.int32),
        "edge_weights": _lists([frame.edge_weights_NE, *nothing], np.float32),
    }


def _fixed(values: pa.Array, days: int) -> pa.FixedSizeListArray:
    """Rows of a dense array, without copying."""
    return pa.FixedSizeListArray.from_arrays(values, len(values) // days)


def _lists(rows: list[NDArray[Any] | None], dtype: type[np.generic]) -> pa.ListArray:
    """Rows of different length; None = empty."""
    flat = [np.empty(0, dtype) if row is None else row.ravel() for row in rows]
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in flat])]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.concatenate(flat).astype(dtype)))
