"""The panel as training sees it: features, labels and graph by day, opened without reading them.

Shapes: T days, N stocks, F features, H horizons, M market inputs, R graphs, K neighbours.

The file is Arrow IPC, one row per day, record batches of some days; any Arrow reader opens it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from atft_core.data.bfloat16 import to_float32
from atft_core.errors import DataError

FORMAT_VERSION = 1
"""Version of the cache file; raised whenever its content would differ for the same input."""
HEADER = b"atft"
"""Key of the schema metadata under which names, sectors and facts are kept as JSON."""

Stored = NDArray[Any]
"""uint16 (bfloat16 bits) or float32."""


@dataclass(frozen=True, eq=False)
class Panel:
    """One panel. Arrays are read-only views of the file where they are large."""

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
    x_batches: tuple[Stored, ...]
    """Features by batch of days, each [days, N, F]: bfloat16 bits or float32; 0 where missing."""
    y_TNH: NDArray[np.float32]
    """Returns; NaN = no label."""
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
    facts: dict[str, Any]
    """Where the panel came from: path, hash, rows, stocks, days, first, last, warnings ..."""

    @property
    def x_TNF(self) -> Stored:  # noqa: N802
        """All features in one array. Copies the panel (0.3 s per GB) unless it is one batch."""
        return self.x_batches[0] if len(self.x_batches) == 1 else np.concatenate(self.x_batches)

    def float_features(self, days: range) -> NDArray[np.float32]:
        """Features of consecutive days as float32, [len(days), N, F]; copies only those days."""
        parts, first = [], 0
        for batch in self.x_batches:
            part = batch[max(days.start - first, 0) : max(days.stop - first, 0)]
            parts.append(to_float32(part))
            first += len(batch)
        return np.concatenate(parts)


def open_panel(cache: Path) -> Panel:
    """Map a cache file into memory. Labels and masks are copied, features are not.

    Raises DataError when the file is missing, damaged or of another version.
    """
    try:
        reader = pa.ipc.open_file(pa.memory_map(str(cache)))
        header = json.loads(reader.schema.metadata[HEADER])
        batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
        if header["format"] != FORMAT_VERSION:
            raise DataError(f"{cache} has format {header['format']}, expected {FORMAT_VERSION}.")
        return _panel(header, batches, cache)
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"The panel cache {cache} cannot be read: {error}",
            hint="`atft data build --config RUN_DIR/config.toml` builds it again.",
        ) from error


def _panel(header: dict[str, Any], batches: list[pa.RecordBatch], cache: Path) -> Panel:
    table = pa.Table.from_batches(batches)
    n, horizons, names = len(header["codes"]), header["horizons"], header["market"]
    dates_T = table["date"].to_numpy().astype("datetime64[D]")
    days_R, neighbours_RNK = _graphs(table["neighbours"], n, header["neighbours"])
    if len(dates_T) != header["facts"]["days"]:
        raise ValueError(f"{len(dates_T)} days instead of {header['facts']['days']}")
    return Panel(
        dates_T=dates_T,
        codes=tuple(header["codes"]),
        features=tuple(header["features"]),
        groups=tuple(header["groups"]),
        horizons=tuple(horizons),
        x_batches=tuple(
            _rows(batch.column("x")).reshape(-1, n, len(header["features"])) for batch in batches
        ),
        y_TNH=_stack(table["y"]).reshape(-1, n, len(horizons)),
        valid_TN=_stack(table["valid"]).reshape(-1, n),
        market_TM=_stack(table["market"]).reshape(len(dates_T), len(names)),
        market_names=tuple(names),
        neighbour_days_R=days_R,
        neighbours_RNK=neighbours_RNK,
        sector_N=np.array(header["sector"], dtype=np.int64),
        sectors=tuple(header["sectors"]),
        facts={**header["facts"], "cache": str(cache)},
    )


def _rows(column: pa.Array) -> NDArray[Any]:
    values: NDArray[Any] = column.flatten().to_numpy(zero_copy_only=False)
    return values


def _stack(column: pa.ChunkedArray) -> NDArray[Any]:
    return np.concatenate([_rows(chunk) for chunk in column.chunks])


def _graphs(column: pa.ChunkedArray, n: int, k: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Days that carry a graph, and the graphs."""
    lengths_T = np.concatenate([c.value_lengths().to_numpy() for c in column.chunks])
    days_R = np.flatnonzero(lengths_T).astype(np.int64)
    return days_R, _stack(column).astype(np.int32).reshape(len(days_R), n, k)
