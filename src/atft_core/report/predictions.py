"""The predictions of a trial as matrices, and what they are worth by bucket, year and sector.

Shapes: D days, N stocks, B buckets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from atft_core.cross_section import MIN_NAMES, Bools, Floats, rank_rows
from atft_core.objective.metrics import daily_metrics
from atft_core.objective.significance import MeanEstimate, newey_west_mean, overlap

BUCKETS = 10


@dataclass(frozen=True)
class Predicted:
    """What was predicted for each stock and day, and what came of it; NaN where there is none."""

    horizon: int
    """Trading days of the return."""
    dates_D: NDArray[np.datetime64]
    codes: tuple[str, ...]
    pred_DN: Floats
    y_DN: Floats

    @property
    def known_DN(self) -> Bools:  # noqa: N802
        """Stocks with both, on days that have enough of them."""
        known_DN = np.isfinite(self.pred_DN) & np.isfinite(self.y_DN)
        enough_D1 = known_DN.sum(axis=1, keepdims=True) >= MIN_NAMES
        found_DN: Bools = known_DN & enough_D1
        return found_DN

    def a_day_later(self) -> Predicted:
        """The same predictions, acted upon one trading day later: the label of that day."""
        y_DN = np.full_like(self.y_DN, np.nan)
        y_DN[:-1] = self.y_DN[1:]
        return replace(self, y_DN=y_DN)


def predicted(table: Any, split: str, horizon: int) -> Predicted | None:
    """From a table of predictions.arrow; None where it has no such rows."""
    own = pc.and_(pc.equal(table["split"].cast("string"), split),
                  pc.equal(table["horizon"], horizon))  # fmt: skip
    rows = table.filter(own)
    if not rows.num_rows:
        return None
    dates_D, day_R = np.unique(rows["date"].to_numpy().astype("datetime64[D]"),
                               return_inverse=True)  # fmt: skip
    codes_N, stock_R = np.unique(rows["code"].cast("string").to_numpy(zero_copy_only=False),
                                 return_inverse=True)  # fmt: skip
    found = []
    for column in ("prediction", "target"):
        values_DN = np.full((len(dates_D), len(codes_N)), np.nan)
        values_DN[day_R, stock_R] = rows[column].to_numpy().astype(np.float64)
        found.append(values_DN)
    return Predicted(horizon, dates_D, tuple(map(str, codes_N)), *found)


def rank_ic(found: Predicted, stocks_N: Bools | None = None) -> Floats:
    """RankIC [D] of each day, of some stocks alone; NaN where fewer than MIN_NAMES have a label."""
    known_DN = found.known_DN if stocks_N is None else found.known_DN & stocks_N
    daily = daily_metrics(found.pred_DN[..., None], found.y_DN[..., None], known_DN)
    return daily.rank_ic_DH[:, 0]


def estimated(x_D: Floats, horizon: int) -> MeanEstimate:
    """Mean over days and its Newey-West error, wide enough for labels that overlap."""
    return newey_west_mean(x_D, overlap(horizon))


def by_year(found: Predicted, x_D: Floats) -> dict[str, MeanEstimate]:
    """The mean of each calendar year that has any day."""
    years_D = found.dates_D.astype("datetime64[Y]").astype(int) + 1970
    return {
        str(year): estimated(x_D[years_D == year], found.horizon)
        for year in np.unique(years_D)
        if np.isfinite(x_D[years_D == year]).any()
    }


def by_sector(found: Predicted, sectors: Mapping[str, str]) -> dict[str, MeanEstimate]:
    """RankIC among the stocks of each sector; one with fewer than MIN_NAMES stocks has none."""
    sector_N = np.array([sectors.get(code, "") for code in found.codes])
    means = {}
    for sector in np.unique(sector_N[sector_N != ""]):
        rank_ic_D = rank_ic(found, sector_N == sector)
        if np.isfinite(rank_ic_D).any():
            means[str(sector)] = estimated(rank_ic_D, found.horizon)
    return means


def bucket_returns(found: Predicted, buckets: int = BUCKETS) -> list[MeanEstimate]:
    """Mean return less that of the day, of stocks in order of their prediction, lowest first."""
    known_DN = found.known_DN
    place_DN = _places(found.pred_DN, known_DN, buckets)
    excess_DN = found.y_DN - np.nanmean(
        np.where(known_DN, found.y_DN, np.nan), axis=1, keepdims=True, where=_some(known_DN)
    )
    means = []
    for bucket in range(buckets):
        member_DN = place_DN == bucket
        count_D = member_DN.sum(axis=1)
        sum_D = np.where(member_DN, excess_DN, 0.0).sum(axis=1)
        mean_D = np.divide(sum_D, count_D, out=np.full(len(sum_D), np.nan), where=count_D > 0)
        means.append(estimated(mean_D, found.horizon))
    return means


def calibration(found: Predicted, buckets: int = 20) -> list[tuple[float, float]]:
    """Mean rank predicted and mean rank that came, both 0 to 1 within the day, by bucket."""
    known_DN = found.known_DN
    place_DN = _places(found.pred_DN, known_DN, buckets)
    shares = [_share(x_DN, known_DN) for x_DN in (found.pred_DN, found.y_DN)]
    return [
        (float(shares[0][place_DN == bucket].mean()), float(shares[1][place_DN == bucket].mean()))
        for bucket in range(buckets)
        if (place_DN == bucket).any()
    ]


def _some(known_DN: Bools) -> Bools:
    return known_DN | ~known_DN.any(axis=1, keepdims=True)


def _share(x_DN: Floats, known_DN: Bools) -> Floats:
    """Rank within the day, from 0 (lowest) to 1."""
    ranks_DN = rank_rows(x_DN, known_DN)
    lowest_D1 = np.where(known_DN, ranks_DN, np.inf).min(axis=1, keepdims=True)
    n_D1 = known_DN.sum(axis=1, keepdims=True)
    return np.where(known_DN, (ranks_DN - lowest_D1 + 0.5) / np.maximum(n_D1, 1), np.nan)


def _places(pred_DN: Floats, known_DN: Bools, buckets: int) -> NDArray[np.int64]:
    """The bucket of each stock on its day, equally many in each; -1 where there is none."""
    share_DN = _share(pred_DN, known_DN)
    place_DN = np.clip(np.nan_to_num(share_DN) * buckets, 0, buckets - 1).astype(np.int64)
    return np.where(known_DN, place_DN, -1)


def sectors_of(
    codes: Sequence[str], sector_N: Sequence[int], names: Sequence[str]
) -> dict[str, str]:
    """Sector by code, of those that have one."""
    pairs = zip(codes, sector_N, strict=True)
    return {code: names[sector] for code, sector in pairs if sector >= 0}
