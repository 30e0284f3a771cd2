"""What lies beside a panel: the sectors of its stocks, and who depends on whom.

Shapes: N stocks, E edges of the stock that has most of them, R rows of the file.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atft_core.cross_section import Floats
from atft_core.data.checks import SHOWN, Finding
from atft_core.data.read import Table, collect, column_findings, open_table
from atft_core.run.user import absolute

NO_SECTOR = {"", "n/a", "na", "nan", "none", "null", "unknown", "-"}
"""Names under which files say that a sector is not known."""
MAX_EDGES = 64
"""Edges of a stock that are used: those with the largest weights."""


@dataclass(frozen=True, eq=False)
class Sectors:
    """Sector of each stock (-1 = unknown), and the names of the sectors."""

    sector_N: NDArray[np.int64]
    names: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Edges:
    """Whom each stock depends on (-1 = nobody more), and by how much."""

    neighbours_NE: NDArray[np.int32]
    weights_NE: NDArray[np.float32]
    """Each stock's weights have length 1, so that messages have the size of what they carry."""


def side_path(panel: Path, asked: str, name: str) -> Path | None:
    """A file beside the panel, or the one that the config names; None when there is none."""
    if asked != "auto":
        return absolute(Path(asked)) if asked else None
    beside = panel.parent / f"{name}.parquet"
    return beside if beside.is_file() and beside != panel else None


def read_sectors(path: Path | None, codes: tuple[str, ...]) -> tuple[Sectors, list[Finding]]:
    """Sectors of the stocks, and what is wrong with them."""
    unknown = Sectors(np.full(len(codes), -1, dtype=np.int64))
    if path is None:
        return unknown, []
    table = open_table(path)
    findings = _columns(table, "sector", ("code", "sector"))
    if findings:
        return unknown, findings
    rows = collect(table, pl.col("code").cast(pl.String), pl.col("sector").cast(pl.String))
    named = {
        (code, sector.strip())
        for code, sector in rows.iter_rows()
        if sector is not None and sector.strip().casefold() not in NO_SECTOR
    }
    by_code = dict(sorted(named))
    if len(by_code) < len(named):
        each = Counter(code for code, _ in named)
        several = tuple(sorted(code for code, count in each.items() if count > 1))
        message = f"{len(several)} stocks have more than one sector in {path.name}"
        return unknown, [Finding("two_sectors", message, len(several), several[:SHOWN])]
    names = tuple(sorted({by_code[code] for code in codes if code in by_code}))
    index = {name: i for i, name in enumerate(names)}
    sector_N = np.array([index[by_code[c]] if c in by_code else -1 for c in codes], dtype=np.int64)
    without = tuple(code for code in codes if code not in by_code)
    if without:
        message = f"{len(without)} of {len(codes)} stocks have no sector"
        found = Finding("unknown_sector", message, len(without), without[:SHOWN])
        if named and not names:
            example = min(code for code, _ in named)
            found = replace(found, advice=f"no code of {path.name} is in the panel: {example!r}")
        findings = [found]
    return Sectors(sector_N, names), findings


def read_edges(path: Path | None, codes: tuple[str, ...]) -> tuple[Edges, list[Finding]]:
    """Edges between the stocks, and what is wrong with them.

    Columns code, neighbour and, if any, weight (else all are equal): `code` depends on `neighbour`.
    They hold for all days, so they must have been known before the first.
    """
    none = Edges(np.empty((len(codes), 0), np.int32), np.empty((len(codes), 0), np.float32))
    if path is None:
        return none, []
    table = open_table(path)
    weighted = "weight" in table.schema
    findings = _columns(table, "edges", ("code", "neighbour"), ("weight",) if weighted else ())
    if findings:
        return none, findings
    names = (pl.col(name).cast(pl.String) for name in ("code", "neighbour"))
    weight = pl.col("weight").cast(pl.Float64) if weighted else pl.lit(1.0).alias("weight")
    index = {code: n for n, code in enumerate(codes)}
    rows = collect(table, *names, weight)
    reader_R, read_R = (
        np.array([index.get(code, -1) for code in rows[name]], dtype=np.int64)
        for name in ("code", "neighbour")
    )
    weight_R = rows["weight"].to_numpy()
    used_R = (reader_R >= 0) & (read_R >= 0) & (reader_R != read_R)
    useful_R = used_R & np.isfinite(weight_R) & (weight_R != 0)
    findings = _edge_findings(path, len(rows), int(used_R.sum()), int(useful_R.sum()))
    if not useful_R.any():
        return none, findings
    return _edges(len(codes), reader_R[useful_R], read_R[useful_R], weight_R[useful_R]), findings


def _columns(
    table: Table, setting: str, wanted: tuple[str, ...], numeric: tuple[str, ...] = ()
) -> list[Finding]:
    """Findings about the columns of a side file, which cannot be mapped."""
    found = column_findings(table, {name: name for name in wanted}, numeric)
    advice = f'name its columns {" and ".join(wanted)}, or do without: --set data.{setting}=""'
    return [replace(each, advice=advice) for each in found]


def _edge_findings(path: Path, rows: int, used: int, useful: int) -> list[Finding]:
    findings = []
    if used < rows:
        message = f"{rows - used} of {rows} edges in {path.name} are not between two of the stocks"
        findings.append(Finding("foreign_edges", message, rows - used))
    if useful < used:
        message = f"{used - useful} edges in {path.name} have no weight"
        findings.append(Finding("weightless_edges", message, used - useful))
    return findings


def _edges(
    stocks: int, reader_R: NDArray[np.int64], read_R: NDArray[np.int64], weight_R: Floats
) -> Edges:
    """Rows of edges, largest weight first; of an edge that is given twice the sum counts."""
    edge_R, place_R = np.unique(reader_R * stocks + read_R, return_inverse=True)
    sum_R = np.bincount(place_R, weights=weight_R / np.abs(weight_R).max())  # 1e300 has a square
    order_R = np.lexsort((-np.abs(sum_R), edge_R // stocks))
    reader_R, read_R, sum_R = edge_R[order_R] // stocks, edge_R[order_R] % stocks, sum_R[order_R]
    first_N = np.searchsorted(reader_R, np.arange(stocks))
    rank_R = np.arange(len(reader_R)) - first_N[reader_R]
    kept_R = rank_R < MAX_EDGES
    width = int(rank_R[kept_R].max()) + 1
    neighbours_NE = np.full((stocks, width), -1, dtype=np.int32)
    weights_NE = np.zeros((stocks, width))
    neighbours_NE[reader_R[kept_R], rank_R[kept_R]] = read_R[kept_R]
    weights_NE[reader_R[kept_R], rank_R[kept_R]] = sum_R[kept_R]
    length_N1 = np.sqrt(np.square(weights_NE).sum(axis=1, keepdims=True))
    unit_NE = np.divide(weights_NE, length_N1, out=np.zeros_like(weights_NE), where=length_N1 > 0)
    return Edges(neighbours_NE, unit_NE.astype(np.float32))
