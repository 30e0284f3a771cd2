"""The panel as training sees it: features, labels and graph by day, opened without reading them.

Shapes: T days, N stocks, F features, H horizons, M market inputs, R graphs, K neighbours, E edges.

The file is Arrow IPC. Its first record batch has one row per day, so that consecutive days lie
side by side and a window is one piece of the file; a last batch without rows carries, as its own
metadata, what was only known when the file was full. Any Arrow reader opens it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from atft_core.data.stored import Stored, decode
from atft_core.errors import DataError

FORMAT_VERSION = 4
"""Version of the cache file; raised whenever its content would differ for the same input."""
HEADER = b"atft"
"""Key of the metadata: of the schema for names, of the last batch for facts. Both are JSON."""
COLUMNS_HASH = "columns_hash"
"""The fact by which damage to the columns is found."""
HASH_DAYS = 64
"""Days that are hashed at once."""


@dataclass(frozen=True, eq=False)
class Frame:
    """What a panel is about: days, stocks, names and everything else that is small."""

    dates_T: NDArray[np.datetime64]
    """Trading days, ascending: every day on which any stock has a row."""
    codes: tuple[str, ...]
    """Stock codes, sorted."""
    features: tuple[str, ...]
    """Names of the features."""
    groups: tuple[str, ...]
    """Group of each feature, for the gated selection."""
    horizons: tuple[int, ...]
    """Trading days ahead of each label."""
    valid_TN: NDArray[np.bool_]
    """The stock was traded and its close is known."""
    market_TM: NDArray[np.float32]
    """Raw market state; NaN before there is enough history. M = 0 without a close."""
    market_names: tuple[str, ...]
    """Names of the market inputs."""
    neighbour_days_R: NDArray[np.int64]
    """Day from which each graph is known; it was computed from days up to and including it."""
    neighbours_RNK: NDArray[np.int32]
    """Most correlated stocks, best first; -1 = none."""
    sector_N: NDArray[np.int64]
    """Sector of each stock; -1 = unknown."""
    sectors: tuple[str, ...]
    """Names of the sectors."""
    edges_NE: NDArray[np.int32]
    """Stocks that each depends on as given, largest weight first; -1 = none. E may be 0."""
    edge_weights_NE: NDArray[np.float32]
    """Their weights; those of a stock have length 1."""


@dataclass(frozen=True, eq=False)
class Panel(Frame):
    """One panel. The large arrays are read-only views of the file."""

    x_TNF: Stored
    """Features: bfloat16 bits, float32, or ranks in one byte; 0 where missing."""
    y_TNH: NDArray[np.float32]
    """Returns; NaN = no label, as for every stock that is not valid."""
    rank_TNH: NDArray[np.float32]
    """Rank of the return within its day, mean 0 and variance 1; 0 where there is none."""
    gauss_TNH: NDArray[np.float32]
    """Normal quantile of the rank; 0 where there is none."""
    facts: dict[str, Any]
    """Where the panel came from: path, hash, rows, stocks, days, first, last, warnings ..."""
    x_offset: int = -1
    """Where in the file the features begin, in bytes; -1 = in no file."""

    @property
    def columns_hash(self) -> str:
        """SHA-256 of what all columns and facts hold now."""
        large = (self.x_TNF, self.y_TNH, self.rank_TNH, self.gauss_TNH)
        return hash_of(self, large, self.facts)

    def float_features(self, days: range | list[int]) -> NDArray[np.float32]:
        """Features of some days as float32, [len(days), N, F]; copies only those days."""
        chosen = slice(days.start, days.stop) if isinstance(days, range) else days
        return decode(self.x_TNF[chosen])


def hash_of(frame: Frame, large: Iterable[NDArray[Any]], facts: dict[str, Any]) -> str:
    """SHA-256 of facts, names and columns, one after the other; 2 s for 3 GB."""
    small = (
        frame.dates_T.astype(np.int64),
        frame.valid_TN,
        frame.market_TM,
        frame.neighbour_days_R,
        frame.neighbours_RNK,
        frame.sector_N,
        frame.edges_NE,
        frame.edge_weights_NE,
    )
    names = (frame.codes, frame.features, frame.groups, frame.horizons, frame.sectors)
    said = {key: value for key, value in facts.items() if key not in (COLUMNS_HASH, "cache")}
    digest = hashlib.sha256(json.dumps([names, said], sort_keys=True).encode())
    for column in (*small, *large):
        for start in range(0, len(column), HASH_DAYS):
            digest.update(np.ascontiguousarray(column[start : start + HASH_DAYS]).data)
    return digest.hexdigest()


def open_panel(cache: Path) -> Panel:
    """Map a cache file into memory; nothing large is read.

    Raises DataError when the file is missing, damaged or of another version.
    """
    try:
        mapped = pa.memory_map(str(cache))
        reader = pa.ipc.open_file(mapped)
        header = json.loads(reader.schema.metadata[HEADER])
        if header["format"] != FORMAT_VERSION:
            raise DataError(f"{cache} has format {header['format']}, expected {FORMAT_VERSION}.")
        facts = {**read_facts(reader), "cache": str(cache)}
        return _panel(header, reader.get_batch(0), facts, mapped)
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError, IndexError) as error:
        raise DataError(
            f"The panel cache {cache} cannot be read: {error}",
            hint="`atft data build --config RUN_DIR/config.toml` builds it again.",
        ) from error


def read_facts(reader: pa.RecordBatchFileReader) -> dict[str, Any]:
    """What the last batch carries: where the panel came from, and what was found in it."""
    last = reader.get_batch_with_custom_metadata(reader.num_record_batches - 1)
    facts: dict[str, Any] = json.loads(last.custom_metadata[HEADER])
    return facts


def _panel(
    header: dict[str, Any],
    batch: pa.RecordBatch,
    facts: dict[str, Any],
    mapped: pa.MemoryMappedFile,
) -> Panel:
    days, n, names = batch.num_rows, len(header["codes"]), header["market"]
    if days != facts["days"]:
        raise ValueError(f"{days} days instead of {facts['days']}")
    days_R, neighbours_RNK = _graphs(batch.column("neighbours"), n, header["neighbours"])
    x_TX = batch.column("x").values
    mapped.seek(0)  # one byte from here has the address at which the file is mapped
    edges_NE, weights_NE = _edges(batch, n)
    labels = (_rows(batch.column(name)).reshape(days, n, -1) for name in ("y", "rank", "gauss"))
    y_TNH, rank_TNH, gauss_TNH = labels
    return Panel(
        dates_T=_numpy(batch.column("date")).astype("datetime64[D]"),
        codes=tuple(header["codes"]),
        features=tuple(header["features"]),
        groups=tuple(header["groups"]),
        horizons=tuple(header["horizons"]),
        x_TNF=_numpy(x_TX).reshape(days, n, len(header["features"])),
        y_TNH=y_TNH,
        rank_TNH=rank_TNH,
        gauss_TNH=gauss_TNH,
        valid_TN=_rows(batch.column("valid")).reshape(days, n),
        market_TM=_rows(batch.column("market")).reshape(days, len(names)),
        market_names=tuple(names),
        neighbour_days_R=days_R,
        neighbours_RNK=neighbours_RNK,
        sector_N=np.array(header["sector"], dtype=np.int64),
        sectors=tuple(header["sectors"]),
        edges_NE=edges_NE,
        edge_weights_NE=weights_NE,
        facts=facts,
        x_offset=x_TX.buffers()[1].address - mapped.read_buffer(1).address,
    )


_DTYPES = {"halffloat": "f2", "float": "f4", "double": "f8", "date32[day]": "i4", "bool": "u1"}
"""Where Arrow says it in other words than numpy."""


def _numpy(array: pa.Array) -> NDArray[Any]:
    """The values, not copied. Arrow's own way imports pandas where there is one: .3 s and 40 MB."""
    if array.null_count:
        return array.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]
    kind = str(array.type)
    values_X = np.frombuffer(array.buffers()[1], _DTYPES.get(kind, kind))
    if kind == "bool":
        values_X = np.unpackbits(values_X, bitorder="little").astype(bool)
    return values_X[array.offset : array.offset + len(array)]


def _rows(column: pa.Array) -> NDArray[Any]:
    """What is in the lists of a whole column; `flatten` would import Arrow's compute functions."""
    return _numpy(column.values)


def _edges(batch: pa.RecordBatch, n: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Given edges and their weights, which the first day carries."""
    first = (_rows(batch.column(name)).reshape(n, -1) for name in ("edges", "edge_weights"))
    edges_NE, weights_NE = first
    return edges_NE.astype(np.int32), weights_NE.astype(np.float32)


def _graphs(column: pa.Array, n: int, k: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Days that carry a graph, and the graphs."""
    days_R = np.flatnonzero(np.diff(_numpy(column.offsets))).astype(np.int64)
    return days_R, _rows(column).astype(np.int32).reshape(len(days_R), n, k)
