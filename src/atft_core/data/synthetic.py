"""A panel whose truth is known: daily bars with a planted signal that earlier bars reveal.

Shapes: T days, N stocks, S sectors.

Return of the next day = volatility x (signal + factors + fat-tailed noise). The signal is a sum of
five parts, each a function of bars already written:
    reversal      the last return, with the opposite sign
    intraday      where the close stands within the day's range, with the opposite sign
    interaction   last return x volume shock: a move on high volume goes on
    lead-lag      the last return of the sector's leader, its stock with the highest volume
    drift         a slow state that shows in volume: what reaches the long horizons
`signal=0` plants nothing (placebo). The same seed gives the same panel.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from atft_core.cross_section import Floats
from atft_core.errors import DataError, UsageError
from atft_core.run.files import write_atomically

WEIGHTS = {"reversal": 0.10, "range": 0.06, "interaction": 0.07, "lead_lag": 0.09, "drift": 0.06}
"""Standard deviation of each part of the signal, in deviations of the noise, at `signal=1`."""
SECTORS = (
    "Energy", "Materials", "Industrials", "Consumer", "Health Care",
    "Financials", "Technology", "Utilities",
)  # fmt: skip
FACTORS = 3
"""Common factors, which make some days better than others for any model."""
COMMON_SHARE, SECTOR_SHARE = 0.12, 0.12
"""Shares of the noise's variance that the factors and the sectors have."""
SLOW = 0.985
"""Daily persistence of the state behind the drift."""
FIRST_DAY = "2019-01-02"
GAP_SHARE, LATE_SHARE, EARLY_SHARE = 0.003, 0.1, 0.03
"""Missing rows, stocks that list late, stocks that are delisted early."""


@dataclass(frozen=True, eq=False)
class _World:
    """What does not change from day to day."""

    rng: np.random.Generator
    sector_N: np.ndarray[tuple[int], np.dtype[np.int64]]
    leader_N: np.ndarray[tuple[int], np.dtype[np.int64]]
    """The stock of the same sector with the highest volume."""
    sector_loading_N: Floats
    loading_NC: Floats
    volatility_N: Floats
    volume_N: Floats


def write_panel(
    path: Path,
    *,
    stocks: int = 120,
    days: int = 520,
    signal: float = 1.0,
    seed: int = 0,
    kind: Literal["ohlcv", "ready"] = "ohlcv",
) -> None:
    """Write a parquet panel to `path` and sector.parquet beside it.

    kind "ohlcv": date, code, open, high, low, close, volume. kind "ready": date, code, some
    features (f_*) and the returns over 1, 5, 10 and 20 days (target_*). Raises UsageError when
    there is nothing to write, DataError when the files cannot be written.
    """
    if stocks < 2 or days < 2:
        raise UsageError(f"a panel of {stocks} stocks and {days} days is too small.")
    rng = np.random.default_rng(seed)
    world = _world(rng, stocks)
    bars = _simulate(world, days, signal)
    frame = _frame(world, bars, days)
    if kind == "ready":
        frame = _ready(frame)
    codes = [_code(i) for i in range(stocks)]
    sectors = pl.DataFrame({"code": codes, "sector": [SECTORS[s] for s in world.sector_N]})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_sectors(path.parent / "sector.parquet", sectors)
        write_table(path, frame)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}") from error


def write_sectors(path: Path, sectors: pl.DataFrame) -> None:
    """Sectors are part of a panel's data: those of another panel are not to be replaced."""
    if path.exists() and not _holds(path, sectors):
        raise UsageError(
            f"{path} belongs to another panel.",
            hint="Write this one into a directory of its own.",
        )
    write_table(path, sectors)


def _holds(path: Path, frame: pl.DataFrame) -> bool:
    try:
        return frame.equals(pl.read_parquet(path))
    except (OSError, pl.exceptions.PolarsError):
        return False  # not even a table


def write_table(path: Path, frame: pl.DataFrame) -> None:
    """All of a file or nothing of it."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    write_atomically(path, buffer.getvalue())


def _code(i: int) -> str:
    return f"SYN{i:04d}"


def _world(rng: np.random.Generator, stocks: int) -> _World:
    sector_N = rng.integers(min(len(SECTORS), max(stocks // 5, 1)), size=stocks)
    volume_N = np.exp(12.5 + 1.2 * rng.standard_normal(stocks))
    largest = [np.where(sector_N == s, volume_N, 0.0).argmax() for s in range(sector_N.max() + 1)]
    leader_N = np.array(largest)[sector_N]
    leads_N = leader_N == np.arange(stocks)
    return _World(
        rng=rng,
        sector_N=sector_N,
        leader_N=leader_N,
        sector_loading_N=np.where(leads_N, 2.0, 1.0),
        loading_NC=rng.standard_normal((stocks, FACTORS)) / np.sqrt(FACTORS) + [0.8, 0.0, 0.0],
        volatility_N=0.018 * np.exp(0.35 * rng.standard_normal(stocks)),
        volume_N=volume_N,
    )


def _simulate(world: _World, days: int, signal: float) -> dict[str, Floats]:
    """Day after day, each from the bars of the day before."""
    rng, stocks = world.rng, len(world.sector_N)
    close_N = np.exp(rng.normal(3.5, 0.6, stocks))
    past = dict.fromkeys(("return", "range", "volume"), np.zeros(stocks))
    slow_N, log_volatility = rng.standard_normal(stocks), 0.0
    bars: dict[str, list[Floats]] = {n: [] for n in ("open", "high", "low", "close", "volume")}
    for _ in range(days):
        log_volatility = 0.97 * log_volatility + 0.08 * rng.standard_normal()
        scale_N = world.volatility_N * np.exp(log_volatility)
        alpha_N = signal * _alpha(world, past, slow_N)
        move_N = alpha_N + _noise(world)
        slow_N = SLOW * slow_N + np.sqrt(1 - SLOW**2) * rng.standard_normal(stocks)
        shock_N = 0.3 * rng.standard_normal(stocks)
        day = _bar(rng, close_N, scale_N * move_N, scale_N)
        day["volume"] = world.volume_N * np.exp(0.6 * slow_N + shock_N + 0.15 * np.abs(move_N))
        for name, values in day.items():
            bars[name].append(values)
        spread_N = day["high"] - day["low"]
        past = {
            "return": _unit(day["close"] / close_N - 1.0),
            "range": _unit((day["close"] - day["low"]) / spread_N),
            "volume": _unit(shock_N),
        }
        close_N = day["close"]
    return {name: np.stack(rows) for name, rows in bars.items()}


def _alpha(world: _World, past: dict[str, Floats], slow_N: Floats) -> Floats:
    """The signal of the next day, in deviations of the noise."""
    return (
        -WEIGHTS["reversal"] * past["return"]
        - WEIGHTS["range"] * past["range"]
        + WEIGHTS["interaction"] * past["return"] * past["volume"]
        + WEIGHTS["lead_lag"] * past["return"][world.leader_N]
        + WEIGHTS["drift"] * _unit(slow_N)
    )


def _unit(x_N: Floats) -> Floats:
    """Mean 0 and variance 1 over the stocks, clipped so that one bad day does not carry on."""
    deviation = float(x_N.std())
    unit_N: Floats = ((x_N - x_N.mean()) / (deviation or 1.0)).clip(-3.0, 3.0)
    return unit_N


def _noise(world: _World) -> Floats:
    """Variance about 1: factors, the stock's sector, and a fat-tailed part of its own."""
    rng = world.rng
    common_N = world.loading_NC @ rng.standard_normal(FACTORS)
    sector_N = world.sector_loading_N * rng.standard_normal(len(SECTORS))[world.sector_N]
    own_N = rng.standard_t(5, len(world.sector_N)) / np.sqrt(5 / 3)
    own_share = 1 - COMMON_SHARE - SECTOR_SHARE
    noise_N: Floats = np.sqrt(COMMON_SHARE) * common_N + np.sqrt(SECTOR_SHARE) * sector_N
    noise_N += np.sqrt(own_share) * own_N
    return noise_N


def _bar(
    rng: np.random.Generator, last_N: Floats, move_N: Floats, scale_N: Floats
) -> dict[str, Floats]:
    """Open, high, low and close of a day that moves by `move_N` from the last close."""
    overnight_N = 0.3 * move_N + 0.3 * scale_N * rng.standard_normal(len(last_N))
    open_N = last_N * np.exp(overnight_N)
    close_N = last_N * np.exp(move_N)
    over_N, under_N = np.abs(rng.standard_normal((2, len(last_N)))) * 0.4 * scale_N + 1e-5
    return {
        "open": open_N,
        "high": np.maximum(open_N, close_N) * np.exp(over_N),
        "low": np.minimum(open_N, close_N) * np.exp(-under_N),
        "close": close_N,
    }


def _frame(world: _World, bars: dict[str, Floats], days: int) -> pl.DataFrame:
    """Rows of the stocks that are listed, on weekdays, without some gaps."""
    rng, stocks = world.rng, len(world.sector_N)
    dates_T = np.busday_offset(FIRST_DAY, np.arange(days), roll="forward")
    there_TN = rng.random((days, stocks)) > GAP_SHARE
    t_T1 = np.arange(days)[:, None]
    first_N = np.where(rng.random(stocks) < LATE_SHARE, rng.integers(days // 2 + 1, size=stocks), 0)
    early_N = rng.random(stocks) < EARLY_SHARE
    last_N = np.where(early_N, days - rng.integers(days // 3 + 1, size=stocks), days)
    there_TN &= (t_T1 >= first_N) & (t_T1 < last_N)
    t, n = np.nonzero(there_TN)
    columns = {name: values[t, n].astype(np.float32) for name, values in bars.items()}
    codes = pl.Series([_code(i) for i in range(stocks)])
    return pl.DataFrame({"date": dates_T[t], "code": codes[n], **columns})


def _ready(frame: pl.DataFrame) -> pl.DataFrame:
    """Features and targets instead of bars; targets count rows of the stock, not days."""
    close, volume = pl.col("close").cast(pl.Float64), pl.col("volume")
    span = pl.col("high") - pl.col("low")
    features = [
        (close / close.shift(1) - 1).alias("f_return_1"),
        (close / close.shift(5) - 1).alias("f_return_5"),
        (close / pl.col("open") - 1).alias("f_intraday"),
        ((close - pl.col("low")) / span).alias("f_range"),
        (volume / volume.rolling_mean(20)).alias("f_volume_20"),
        (volume.rolling_mean(5) / volume.rolling_mean(60)).alias("f_volume_60"),
    ]
    targets = [(close.shift(-h) / close - 1).alias(f"target_{h}") for h in (1, 5, 10, 20)]
    return frame.select(
        "date", "code", *(column.over("code", order_by="date") for column in [*features, *targets])
    )
