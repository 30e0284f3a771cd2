"""What is measured: everything per day first, then over days. float64, numpy only.

Shapes: D days, N stocks, H horizons.

A day is invalid, and NaN in every array, when it has fewer than MIN_NAMES labelled names, a
constant prediction or target, or a prediction that is not finite for a labelled name. Never 0:
a collapsed model would look like a harmless one.
"""
# ruff: noqa: N815  -- fields carry their shapes

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from atft_core.cross_section import MIN_NAMES, Bools, Floats, rank_rows
from atft_core.objective.significance import newey_west_mean, overlap

TRADING_DAYS = 252
"""Trading days per year, to annualise."""

Summary = dict[str, float | int | None]


@dataclass(frozen=True)
class DailyIC:
    """One value per day and horizon; NaN on invalid days (but `n_DH`)."""

    n_DH: NDArray[np.int64]
    """Labelled names."""
    ic_DH: Floats
    """Pearson correlation of prediction and return."""
    rank_ic_DH: Floats
    """Spearman correlation: Pearson of average ranks."""
    spread_DH: Floats
    """Mean return of the top decile less that of the bottom decile."""
    hit_DH: Floats
    """Share of names on the same side of the day's mean as predicted."""
    turnover_DH: Floats
    """Share of the top decile that was not in it on the valid day before."""
    sign_sum_DH: Floats
    """Sum over names of sign(prediction - mean) x (return - mean)."""
    sign_square_DH: Floats
    """Sum over names of the squares of the same."""

    @property
    def valid_DH(self) -> Bools:  # noqa: N802
        """Days that count."""
        return np.isfinite(self.rank_ic_DH)


def joined(parts: Sequence[DailyIC]) -> DailyIC:
    """Consecutive stretches of days as one."""
    return DailyIC(
        **{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(DailyIC)}
    )


def daily_metrics(
    pred_DNH: NDArray[np.floating], y_DNH: NDArray[np.floating], valid_DN: Bools
) -> DailyIC:
    """Measure each day and horizon. NaN in `y_DNH` is "no label"; units of `y` carry through."""
    columns = [
        _one_horizon(
            pred_DNH[..., h].astype(np.float64), y_DNH[..., h].astype(np.float64), valid_DN
        )
        for h in range(pred_DNH.shape[2])
    ]
    return DailyIC(**{f.name: np.stack([c[f.name] for c in columns], 1) for f in fields(DailyIC)})


def _one_horizon(pred_DN: Floats, y_DN: Floats, valid_DN: Bools) -> dict[str, NDArray[np.generic]]:
    known_DN = valid_DN & np.isfinite(y_DN)
    n_D = known_DN.sum(axis=1)
    day_D = _valid_days(pred_DN, y_DN, known_DN)
    p_DN, r_DN = _demean(pred_DN, known_DN), _demean(y_DN, known_DN)
    signed_DN = np.sign(p_DN) * r_DN
    top_DN, bottom_DN = deciles(pred_DN, known_DN)
    ranks = (_demean(rank_rows(x, known_DN), known_DN) for x in (pred_DN, y_DN))
    values: dict[str, Floats] = {
        "ic_DH": _correlation(p_DN, r_DN),
        "rank_ic_DH": _correlation(*ranks),
        "spread_DH": _mean_of(r_DN, top_DN) - _mean_of(r_DN, bottom_DN),
        "hit_DH": _ratio((signed_DN > 0).sum(axis=1), (signed_DN != 0).sum(axis=1)),
        "turnover_DH": _turnover(top_DN, day_D),
        "sign_sum_DH": signed_DN.sum(axis=1),
        "sign_square_DH": np.square(signed_DN).sum(axis=1),
    }
    return {"n_DH": n_D, **{k: np.where(day_D, v, np.nan) for k, v in values.items()}}


def _valid_days(pred_DN: Floats, y_DN: Floats, known_DN: Bools) -> Bools:
    finite_D = (np.isfinite(pred_DN) | ~known_DN).all(axis=1)
    enough_D = known_DN.sum(axis=1) >= MIN_NAMES
    days_D: Bools = finite_D & enough_D & _varies(pred_DN, known_DN) & _varies(y_DN, known_DN)
    return days_D


def _varies(x_DN: Floats, known_DN: Bools) -> Bools:
    highest_D = np.where(known_DN, x_DN, -np.inf).max(axis=1, initial=-np.inf)
    lowest_D = np.where(known_DN, x_DN, np.inf).min(axis=1, initial=np.inf)
    varies_D: Bools = highest_D > lowest_D
    return varies_D


def _demean(x_DN: Floats, known_DN: Bools) -> Floats:
    """Deviation from the day's mean; 0 where unknown or not finite (such a day is invalid)."""
    filled_DN = np.where(known_DN & np.isfinite(x_DN), x_DN, 0.0)
    mean_D = _ratio(filled_DN.sum(axis=1), known_DN.sum(axis=1))
    return np.where(known_DN, filled_DN - np.nan_to_num(mean_D)[:, None], 0.0)


def _correlation(a_DN: Floats, b_DN: Floats) -> Floats:
    norm_D = np.sqrt(np.square(a_DN).sum(axis=1)) * np.sqrt(np.square(b_DN).sum(axis=1))
    return _ratio((a_DN * b_DN).sum(axis=1), norm_D)


def deciles(pred_DN: Floats, known_DN: Bools) -> tuple[Bools, Bools]:
    """Members of the top and bottom n // 10 (at least one); ties in order of position."""
    order_DN = np.argsort(np.where(known_DN, pred_DN, np.inf), axis=1, kind="stable")
    place_DN = np.empty_like(order_DN)
    np.put_along_axis(place_DN, order_DN, np.arange(pred_DN.shape[1])[None], axis=1)
    n_D1 = known_DN.sum(axis=1, keepdims=True)
    size_D1 = np.maximum(n_D1 // 10, 1)
    return (place_DN >= n_D1 - size_D1) & (place_DN < n_D1), (place_DN < size_D1) & known_DN


def _turnover(top_DN: Bools, day_D: Bools) -> Floats:
    turnover_D = np.full(day_D.shape, np.nan)
    index = np.flatnonzero(day_D)
    stayed = (top_DN[index[1:]] & top_DN[index[:-1]]).sum(axis=1)
    turnover_D[index[1:]] = 1.0 - _ratio(stayed, top_DN[index[1:]].sum(axis=1))
    return turnover_D


def _mean_of(x_DN: Floats, member_DN: Bools) -> Floats:
    return _ratio(np.where(member_DN, x_DN, 0.0).sum(axis=1), member_DN.sum(axis=1))


def _ratio(a_D: NDArray[np.generic], b_D: NDArray[np.generic]) -> Floats:
    """Quotient, NaN where b is 0."""
    a, b = a_D.astype(np.float64), b_D.astype(np.float64)
    quotient_D: Floats = np.divide(a, b, out=np.full(a.shape, np.nan), where=b != 0)
    return quotient_D


def summarise(daily: DailyIC, horizons: Sequence[int]) -> dict[str, Summary]:
    """The numbers of `metrics.json` by horizon; None where undefined, so that it is JSON.

    Standard errors and t are Newey-West with lag max(5, h - 1), as labels of h days overlap.
    `sign_ratio` is per sample, `ls_sharpe_daily` per label period; only `ls_sharpe_ann` is
    annualised. None of them carries costs.
    """
    return {str(h): _summary(daily, i, h) for i, h in enumerate(horizons)}


def _summary(daily: DailyIC, i: int, horizon: int) -> Summary:
    lag = overlap(horizon)
    ic = newey_west_mean(daily.ic_DH[:, i], lag)
    rank_ic = newey_west_mean(daily.rank_ic_DH[:, i], lag)
    sharpe = _mean_over_std(daily.spread_DH[:, i])
    days = int(daily.valid_DH[:, i].sum())
    values = {
        "ic": ic.mean,
        "rank_ic": rank_ic.mean,
        "icir": _mean_over_std(daily.ic_DH[:, i]),
        "rank_icir": _mean_over_std(daily.rank_ic_DH[:, i]),
        "rank_ic_t": rank_ic.t,
        "ic_se": ic.se,
        "rank_ic_se": rank_ic.se,
        "sign_ratio": _sign_ratio(daily, i),
        "ls_sharpe_daily": sharpe,
        "ls_sharpe_ann": sharpe * math.sqrt(TRADING_DAYS / horizon),
        "hit_rate": _mean(daily.hit_DH[:, i]),
        "turnover": _mean(daily.turnover_DH[:, i]),
    }
    summary: Summary = {k: v if math.isfinite(v) else None for k, v in values.items()}
    return summary | {"days": days, "invalid_days": len(daily.n_DH) - days}


def _sign_ratio(daily: DailyIC, i: int) -> float:
    """Mean over std of sign(p) x y, pooled over all samples: 0.80 x IC for centred normal data."""
    valid_D = daily.valid_DH[:, i]
    n = int(daily.n_DH[valid_D, i].sum())
    if n == 0:
        return math.nan
    mean = float(daily.sign_sum_DH[valid_D, i].sum()) / n
    variance = float(daily.sign_square_DH[valid_D, i].sum()) / n - mean**2
    return mean / math.sqrt(variance) if variance > 0 else math.nan


def _mean(x_D: Floats) -> float:
    known = x_D[np.isfinite(x_D)]
    return float(known.mean()) if known.size else math.nan


def _mean_over_std(x_D: Floats) -> float:
    known = x_D[np.isfinite(x_D)]
    std = float(known.std(ddof=1)) if known.size > 1 else 0.0
    return float(known.mean()) / std if std > 1e-12 else math.nan
