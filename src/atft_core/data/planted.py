"""A panel whose true signal is known, so that a model can be held against what is reachable.

Shapes: T days (W of them before the panel starts), N stocks, F stock features, L lags, S sectors.

    y = day volatility x stock volatility x (rho alpha + sqrt(1 - rho^2) noise)

alpha is a sum of five uncorrelated parts of variance SHARES, each a function of what the panel's
rows say on that day or before:
    linear       one column
    interaction  the product of two
    temporal     one column 5, 10, 15 and 20 days ago: its own day says nothing
    graph        the weighted sum over a stock's neighbours of yesterday's value of one column: the
                 stock's own columns say nothing
    regime       one column, whose sign is the state of the market, seen through noise
A class of models that can express some of the parts has a correlation with alpha of at most the
root of their shares (`ceilings`). The columns stand in random order among distractors. Regimes have
fixed lengths, each once in each state, so that every part of the panel has as much of either.
`rho = 0` plants nothing (placebo).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atft_core.cross_section import Bools, Floats
from atft_core.data.synthetic import FIRST_DAY, write_sectors, write_table
from atft_core.errors import DataError, UsageError
from atft_core.run.files import write_atomically

SHARES = {"linear": 0.25, "interaction": 0.20, "temporal": 0.20, "graph": 0.20, "regime": 0.15}
"""Shares of alpha's variance."""
RHO = 0.10
"""Correlation of alpha with the standardised return."""
LAGS, KERNEL = (5, 10, 15, 20), (0.6, -0.5, 0.45, -0.4)
"""Days ago that the temporal part sees, and their weights (scaled to length 1)."""
NEIGHBOURS, SAME_SECTOR = 8, 6
"""Stocks that a stock depends on, and how many of them are of its sector."""
SECTORS = 33
FEATURES = 38
"""Usual number of columns; most of them are distractors."""
STATE_DAYS = (4, 4, 7, 7, 5, 5, 6, 6)
"""Lengths of the regimes, in turn; the states alternate."""
STATE_NOISE = 0.5
"""Deviation of the market input around the state."""
PERSISTENCE = {"linear": 0.95, "first": 0.9, "second": 0.9, "lagged": 0.0, "spilled": 0.0,
               "signed": 0.9}  # fmt: skip
"""Daily autocorrelation of the six columns that matter."""
COMMON_SHARE, FACTORS, FREEDOM = 0.3, 5, 4
"""Share of the noise that factors have in common; degrees of freedom of the rest."""
HALTED = 0.01
WARM_UP = max(LAGS) + 5


@dataclass(frozen=True, eq=False)
class Planted:
    """The panel and its truth."""

    x_TNF: NDArray[np.float32]
    roles: dict[str, int]
    """Which columns matter, by role."""
    market_TM: Floats
    y_TN: Floats
    parts: dict[str, Floats]
    """The parts of alpha, [T, N], each of variance 1."""
    edges_NN: Floats
    """Weight of the column's stock in the row's."""
    sector_N: NDArray[np.int64]
    there_TN: Bools
    """Listed and traded."""

    @property
    def alpha_TN(self) -> Floats:  # noqa: N802
        """The true signal, variance 1."""
        return sum_of(self.parts, SHARES)


def sum_of(parts: dict[str, Floats], names: Sequence[str] | dict[str, float]) -> Floats:
    """Some of the parts, each with the root of its share."""
    total_TN: Floats = np.sum([np.sqrt(SHARES[name]) * parts[name] for name in names], axis=0)
    return total_TN


def make_planted(*, stocks: int, days: int, features: int, rho: float, seed: int) -> Planted:
    """Draw a panel; the same arguments give the same panel. Raises UsageError when too small."""
    if features < len(PERSISTENCE) or stocks < 2 * SECTORS:
        raise UsageError(
            f"{stocks} stocks with {features} features make no planted panel.",
            hint=f"It needs at least {2 * SECTORS} stocks and {len(PERSISTENCE)} features.",
        )
    rng = np.random.default_rng(seed)
    total = days + WARM_UP
    sector_N = rng.permutation(np.arange(stocks) % SECTORS)
    edges_NN = _edges(rng, sector_N)
    order = rng.permutation(features)
    roles = {role: int(order[i]) for i, role in enumerate(PERSISTENCE)}
    x_TNF = _columns(rng, (total, stocks, features), roles)
    state_T = _states(total)
    there_TN = _listed(rng, total, stocks)
    seen = {role: np.where(there_TN, x_TNF[..., f], 0.0) for role, f in roles.items()}
    parts = _parts(seen, edges_NN, state_T)
    noisy_T = state_T + STATE_NOISE * rng.standard_normal(total)
    market_TM = np.stack([noisy_T, rng.standard_normal(total)], axis=1)
    signal_TN = rho * sum_of(parts, SHARES) + np.sqrt(1 - rho**2) * _noise(rng, total, stocks)
    shown = slice(WARM_UP, None)
    return Planted(
        x_TNF=x_TNF[shown].astype(np.float32),
        roles=roles,
        market_TM=market_TM[shown],
        y_TN=(_scales(rng, total, stocks) * signal_TN)[shown],
        parts={name: part[shown] for name, part in parts.items()},
        edges_NN=edges_NN,
        sector_N=sector_N,
        there_TN=there_TN[shown],
    )


def ceilings(sector_N: NDArray[np.int64]) -> dict[str, float]:
    """Highest correlation with alpha that each class of models can reach."""
    share = SHARES
    base = share["linear"]
    own = base + share["interaction"] + share["temporal"] + share["regime"]
    # The sector's mean holds SAME_SECTOR of the neighbours, thinned by all its other stocks.
    others_N = np.bincount(sector_N)[sector_N] - 1
    told_N = np.minimum(SAME_SECTOR, others_N) / np.sqrt(NEIGHBOURS * others_N)
    told = float(np.sqrt(np.mean(told_N**2)))
    variance = {
        "same day, linear": base,
        "same day": base + share["interaction"],
        "same day and market": base + share["interaction"] + share["regime"],
        "same day and history": base + share["interaction"] + share["temporal"],
        "all of the stock's own": own,
        "and its sector": own + share["graph"] * told**2,
        "and its edges": 1.0,
    }
    return {name: float(np.sqrt(value)) for name, value in variance.items()}


def alignment(score_DN: Floats, alpha_DN: Floats, known_DN: Bools) -> Floats:
    """Correlation of a score with alpha on each day [D]; NaN where it is not defined.

    Its deviation over 120 days is 23 times smaller than that of an information coefficient.
    """
    count_D1 = known_DN.sum(axis=1, keepdims=True).clip(min=1)

    def centred(x_DN: Floats) -> Floats:
        x_DN = np.where(known_DN, x_DN, 0.0)
        return np.where(known_DN, x_DN - x_DN.sum(axis=1, keepdims=True) / count_D1, 0.0)

    a_DN, b_DN = centred(score_DN), centred(alpha_DN)
    length_D = np.sqrt((a_DN**2).sum(axis=1) * (b_DN**2).sum(axis=1))
    found_D: Floats = np.full(len(length_D), np.nan)
    np.divide((a_DN * b_DN).sum(axis=1), length_D, out=found_D, where=length_D > 0)
    return found_D


def write_planted(path: Path, planted: Planted) -> None:
    """Write the panel to `path`; beside it sector.parquet, edges.parquet, the truth and a config.

    The truth is NAME.alpha.parquet: date, code, alpha and its parts. NAME.toml maps the columns and
    cuts the splits (71 % train, 10 % validation, 19 % holdout). Raises DataError when the files
    cannot be written, UsageError when the side files belong to another panel.
    """
    days, stocks, n_features = planted.x_TNF.shape
    codes = [f"PLT{i:04d}" for i in range(stocks)]
    dates_T = np.busday_offset(FIRST_DAY, np.arange(days), roll="forward")
    t, n = np.nonzero(planted.there_TN)
    keys = {"date": dates_T[t], "code": pl.Series(codes)[n]}
    features = {f"x_{f:02d}": planted.x_TNF[t, n, f] for f in range(n_features)}
    market = {f"m_{m}": planted.market_TM[t, m].astype(np.float32) for m in range(2)}
    panel = pl.DataFrame(keys | features | market | {"target_1": planted.y_TN[t, n].astype("f4")})
    parts = {name: part[t, n].astype("f4") for name, part in planted.parts.items()}
    truth = pl.DataFrame(keys | {"alpha": planted.alpha_TN[t, n].astype("f4")} | parts)
    reader, read = np.nonzero(planted.edges_NN)
    edges = pl.DataFrame({"code": pl.Series(codes)[reader], "neighbour": pl.Series(codes)[read],
                          "weight": planted.edges_NN[reader, read].astype("f4")})  # fmt: skip
    names = [f"S{s:02d}" for s in planted.sector_N]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sectors = pl.DataFrame({"code": codes, "sector": names})
        write_sectors(path.parent / "sector.parquet", sectors)
        write_table(path.parent / "edges.parquet", edges)
        write_table(path.with_suffix(".alpha.parquet"), truth)
        config = _config(path, [*features], [*market], dates_T)
        write_atomically(path.with_suffix(".toml"), config.encode())
        write_table(path, panel)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}") from error


def _config(path: Path, features: list[str], market: list[str], dates_T: NDArray[Any]) -> str:
    val, holdout = (dates_T[int(share * len(dates_T))] for share in (0.711, 0.807))
    return f"""\
# Columns and splits of {path.name}, made by atft synth.
[data]
path = {json.dumps(str(path.absolute()))}
features = {json.dumps(features)}
market = {json.dumps(market)}
normalise = "zscore"
targets = {{ 1 = "target_1" }}

[label]
horizons = [1]

[split]
warmup = {max(LAGS)}
val_start = {val}
holdout_start = {holdout}
"""


def _edges(rng: np.random.Generator, sector_N: NDArray[np.int64]) -> Floats:
    """Neighbours of each stock, drawn by sector; weights make a sum of unit columns a unit."""
    stocks = len(sector_N)
    edges_NN = np.zeros((stocks, stocks))
    index = np.arange(stocks)
    for i in index:
        alike_N = sector_N == sector_N[i]
        same = index[alike_N & (index != i)]
        inside = rng.choice(same, min(SAME_SECTOR, len(same)), replace=False)
        outside = rng.choice(index[~alike_N], NEIGHBOURS - len(inside), replace=False)
        edges_NN[i, np.concatenate([inside, outside])] = NEIGHBOURS**-0.5
    return edges_NN


def _columns(
    rng: np.random.Generator, shape: tuple[int, int, int], roles: dict[str, int]
) -> Floats:
    """Autoregressive columns of variance 1: those that matter, and distractors."""
    phi_F = rng.uniform(0.0, 0.98, shape[2])
    for role, f in roles.items():
        phi_F[f] = PERSISTENCE[role]
    x_TNF = rng.standard_normal(shape)
    shock_F = np.sqrt(1.0 - phi_F**2)
    for t in range(1, len(x_TNF)):
        x_TNF[t] = phi_F * x_TNF[t - 1] + shock_F * x_TNF[t]
    return x_TNF


def _states(total: int) -> Floats:
    """-1 or 1 by day."""
    lengths = np.resize(STATE_DAYS, total)
    sign = np.where(np.arange(total) % 2, 1.0, -1.0)
    states_T: Floats = np.repeat(sign, lengths)[:total]
    return states_T


def _parts(columns: dict[str, Floats], edges_NN: Floats, state_T: Floats) -> dict[str, Floats]:
    kernel = np.array(KERNEL) / np.linalg.norm(KERNEL)
    lagged = [w * np.roll(columns["lagged"], lag, 0) for w, lag in zip(kernel, LAGS, strict=True)]
    raw = {
        "linear": columns["linear"],
        "interaction": columns["first"] * columns["second"],
        "temporal": np.sum(lagged, axis=0),
        "graph": np.roll(columns["spilled"], 1, 0) @ edges_NN.T,
        "regime": state_T[:, None] * columns["signed"],
    }
    # Rows that are missing (a neighbour not listed yet) take away from the sums.
    return {name: part / part[part != 0].std() for name, part in raw.items()}


def _noise(rng: np.random.Generator, total: int, stocks: int) -> Floats:
    """Variance 1; factors in common make some days better than others for every model."""
    loading_NC = rng.standard_normal((stocks, FACTORS)) / np.sqrt(FACTORS)
    common_TN = rng.standard_normal((total, FACTORS)) @ loading_NC.T
    own_TN = rng.standard_t(FREEDOM, (total, stocks)) / np.sqrt(FREEDOM / (FREEDOM - 2))
    noise_TN: Floats = np.sqrt(COMMON_SHARE) * common_TN + np.sqrt(1 - COMMON_SHARE) * own_TN
    return noise_TN


def _scales(rng: np.random.Generator, total: int, stocks: int) -> Floats:
    """Volatility of each day and stock, 2 % in the middle: labels are returns."""
    smooth_T = np.convolve(rng.standard_normal(total), np.full(10, 10**-0.5), "same")
    stock_N = np.exp(0.4 * rng.standard_normal(stocks))
    scales_TN: Floats = 0.02 * np.exp(0.3 * smooth_T)[:, None] * stock_N
    return scales_TN


def _listed(rng: np.random.Generator, total: int, stocks: int) -> Bools:
    """One third of the stocks list late, a few are delisted; some days of each are missing."""
    day_T1 = np.arange(total)[:, None]
    first_N = rng.integers(-total, total // 2, stocks)
    last_N = first_N + rng.integers(total, 3 * total, stocks)
    listed_TN: Bools = (day_T1 >= first_N) & (day_T1 < last_N)
    return listed_TN & (rng.random((total, stocks)) > HALTED)
