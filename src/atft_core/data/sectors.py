"""The sectors of a panel's stocks, from the file beside it.

Shapes: N stocks.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atft_core.data.checks import SHOWN, Finding
from atft_core.data.read import collect, column_findings, open_table
from atft_core.run.user import absolute

NO_SECTOR = {"", "n/a", "na", "nan", "none", "null", "unknown", "-"}
"""Names under which files say that a sector is not known."""


def sector_path(panel: Path, sector: str) -> Path | None:
    """File of the sectors, from the config; None when there is none."""
    if sector != "auto":
        return absolute(Path(sector)) if sector else None
    beside = panel.parent / "sector.parquet"
    return beside if beside.is_file() and beside != panel else None


def read_sectors(
    path: Path | None, codes: tuple[str, ...]
) -> tuple[NDArray[np.int64], tuple[str, ...], list[Finding]]:
    """Sector index of each stock (-1 = unknown), names of the sectors, findings."""
    unknown_N = np.full(len(codes), -1, dtype=np.int64)
    if path is None:
        return unknown_N, (), []
    table = open_table(path)
    findings = column_findings(table, {"code": "code", "sector": "sector"}, ())
    if findings:
        advice = 'name its columns code and sector, or do without: --set data.sector=""'
        return unknown_N, (), [Finding(f.rule, f.message, advice=advice) for f in findings]
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
        return unknown_N, (), [Finding("two_sectors", message, len(several), several[:SHOWN])]
    sectors = tuple(sorted({by_code[code] for code in codes if code in by_code}))
    index = {name: i for i, name in enumerate(sectors)}
    sector_N = np.array([index[by_code[c]] if c in by_code else -1 for c in codes], dtype=np.int64)
    without = tuple(code for code in codes if code not in by_code)
    if without:
        message = f"{len(without)} of {len(codes)} stocks have no sector"
        found = Finding("unknown_sector", message, len(without), without[:SHOWN])
        if named and not sectors:
            example = min(code for code, _ in named)
            found = replace(found, advice=f"no code of {path.name} is in the panel: {example!r}")
        findings = [found]
    return sector_N, sectors, findings
