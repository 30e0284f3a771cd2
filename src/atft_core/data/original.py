"""A panel in the shape of the original system's data set, to try loads of that size.

Shapes: T days, N stocks.

At scale 1: 8,988,034 rows, 112 columns (99 of them numbers), 4,484 codes, 2,434 days between
2015-10-13 and 2025-09-26, 18 % of the (day, stock) pairs missing, returns over 1, 5, 10 and 20
days as targets. Prices are random walks and most features noise: the shape is the original's.
Columns are mapped by `configs/data/original.toml`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from atft_core.cross_section import Bools
from atft_core.data.columns import Progress
from atft_core.data.synthetic import write_sectors
from atft_core.errors import DataError, UsageError

ROWS, STOCKS, DAYS = 8_988_034, 4_484, 2_434
FIRST, LAST = np.datetime64("2015-10-13"), np.datetime64("2025-09-26")
HORIZONS = (1, 5, 10, 20)
SECTORS = 33
CHUNK = 60
"""Days that are written at once, as a row group."""
RETURN_DAYS = (1, 2, 3, 5, 10, 20, 60, 120)
FAMILIES: dict[str, tuple[int, ...]] = {
    "log_returns": (1, 5, 10, 20),
    "sma": (5, 10, 20, 60, 120),
    "ema": (5, 10, 20, 60, 200),
    "price_to_sma": (5, 20, 60),
    "volatility": (5, 10, 20, 60),
    "sharpe": (5, 20, 60),
    "rsi": (2, 14),
    "macd": (12, 26),
    "bb_width": (20, 60),
    "bb_pct": (20, 60),
    "atr": (5, 14),
    "adx": (14, 28),
    "volume_ma": (5, 20),
    "volume_ratio": (5, 20),
    "turnover_rate": (5, 20),
    "mkt_ret": (1, 5, 10, 20),
    "mkt_vol": (20, 60),
    "mkt_trend": (50, 200),
    "beta": (60, 120),
    "alpha": (1, 5),
    "rel_strength": (1, 5),
    "sec_ret": (1, 5, 20),
    "sec_vol": (20, 60),
    "margin_long": (1, 5),
    "margin_short": (1, 5),
    "margin_ratio": (1, 5),
    "short_ratio": (1, 5),
    "foreign_flow": (1, 4),
    "individual_flow": (1, 4),
    "stmt_growth": (1, 4),
    "stmt_yoy": (1, 4),
    "stmt_margin": (1, 4),
    "days_since_statement": (1,),
    "upper_shadow": (1,),
    "lower_shadow": (1,),
    "gap": (1, 5),
    "high_low_range": (1,),
}
"""Families of features and their spans: made of noise."""
BARS = ("Open", "High", "Low", "Close", "Volume", "TurnoverValue")
MASKS = ("is_rsi2_valid", "is_ema200_valid", "is_valid_ma", "is_stmt_valid")


def feature_names() -> list[str]:
    """The derived features in the order of the file; with the bars, the 99 numbers."""
    returns = [f"returns_{days}d" for days in RETURN_DAYS]
    return returns + [f"{family}_{span}" for family, spans in FAMILIES.items() for span in spans]


def write_original(path: Path, *, scale: float, seed: int, say: Progress) -> int:
    """Write the panel and sector.parquet beside it; returns the number of rows.

    `scale` is the share of the codes; all days are kept. UsageError below 20 codes, DataError when
    the files cannot be written; an interrupted file is removed.
    """
    stocks = round(STOCKS * scale)
    if stocks < 20:
        raise UsageError(f"--scale {scale} leaves {stocks} of {STOCKS} stocks; 20 are needed.")
    rng = np.random.default_rng(seed)
    dates_T, there_TN = calendar(), presence(rng, stocks, round(ROWS * stocks / STOCKS))
    codes = [f"{1300 + i}" for i in range(stocks)]
    sector_N = rng.integers(SECTORS, size=stocks)
    steps_TN = rng.standard_normal((DAYS, stocks), dtype=np.float32) * np.float32(0.02)
    close_TN = np.exp(np.cumsum(steps_TN, axis=0) + np.float32(7.0))
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sectors = pl.DataFrame({"code": codes, "sector": [f"S{s:02d}" for s in sector_N]})
        write_sectors(path.parent / "sector.parquet", sectors)
        try:
            tables = _tables(rng, dates_T, codes, sector_N, close_TN, there_TN, say)
            first = next(tables)
            with pq.ParquetWriter(temporary, first.schema) as writer:
                writer.write_table(first)
                for table in tables:
                    writer.write_table(table)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}") from error
    return int(there_TN.sum())


def calendar() -> NDArray[np.datetime64]:
    """Trading days from FIRST to LAST; the holidays lie evenly between them."""
    days = np.arange(FIRST, LAST + 1)
    working = days[np.is_busday(days)]
    chosen: NDArray[np.datetime64] = working[
        np.linspace(0, len(working) - 1, DAYS).round().astype(int)
    ]
    return chosen


def presence(rng: np.random.Generator, stocks: int, rows: int) -> Bools:
    """Which stock has a row on which day: late listings, delistings and gaps; `rows` in all."""
    day_T1 = np.arange(DAYS)[:, None]
    listed_N = np.where(rng.random(stocks) < 0.3, rng.integers(DAYS // 2, size=stocks), 0)
    gone_N = np.where(rng.random(stocks) < 0.1, rng.integers(DAYS // 2, DAYS, size=stocks), DAYS)
    rank_TN = rng.random((DAYS, stocks), dtype=np.float32)
    rank_TN[(day_T1 < listed_N) | (day_T1 >= gone_N)] += 1.0
    order = np.argpartition(rank_TN.ravel(), rows - 1)[:rows]
    there_TN = np.zeros(DAYS * stocks, dtype=np.bool_)
    there_TN[order] = True
    return there_TN.reshape(DAYS, stocks)


def _tables(  # noqa: PLR0917 -- the whole world of a row
    rng: np.random.Generator,
    dates_T: NDArray[np.datetime64],
    codes: list[str],
    sector_N: NDArray[np.int64],
    close_TN: NDArray[np.float32],
    there_TN: Bools,
    say: Progress,
) -> Iterator[pa.Table]:
    code_of_N, sector_of = pa.array(codes), pa.array([f"S{s:02d}" for s in range(SECTORS)])
    for start in range(0, DAYS, CHUNK):
        say(f"days from {dates_T[start]}", start / DAYS)
        t, n = np.nonzero(there_TN[start : start + CHUNK])
        t += start
        close = close_TN[t, n]
        noise = rng.standard_normal((5, len(t)), dtype=np.float32) * np.float32(0.01)
        top, low = np.exp(np.abs(noise[:2]).max(axis=0)), np.exp(-np.abs(noise[:2]).max(axis=0))
        opened, volume = close * np.exp(noise[0]), np.exp(12 + 50 * noise[4])
        bars = (opened, close * top, close * low, close, volume, volume * close)
        columns: dict[str, pa.Array] = {
            "Code": code_of_N.take(pa.array(n)),
            "Date": pa.array(dates_T[t]),
            "section": pa.repeat("Prime", len(t)),
            "sector33_code": sector_of.take(pa.array(sector_N[n])),
            "sector33_name": sector_of.take(pa.array(sector_N[n])),
            **{name: pa.array(values) for name, values in zip(BARS, bars, strict=True)},
        }
        for days in RETURN_DAYS:
            columns[f"returns_{days}d"] = _return(close_TN, t - days, t, n)
        for name in feature_names()[len(RETURN_DAYS) :]:
            columns[name] = pa.array(rng.standard_normal(len(t), dtype=np.float32))
        for name in MASKS:
            columns[name] = pa.array(t >= CHUNK)
        for days in HORIZONS:
            columns[f"target_{days}d"] = _return(close_TN, t, t + days, n)
        yield pa.table(columns)


def _return(
    close_TN: NDArray[np.float32],
    before: NDArray[np.int64],
    after: NDArray[np.int64],
    n: NDArray[np.int64],
) -> pa.Array:
    """Return between two days; null where either is outside of the calendar."""
    known = (before >= 0) & (after < len(close_TN))
    first, last = before.clip(0), after.clip(max=len(close_TN) - 1)
    return pa.array(close_TN[last, n] / close_TN[first, n] - 1, mask=~known)
