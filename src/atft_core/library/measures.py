"""Anybody's predictions, measured as those of a trial are.

Shapes: D days, N stocks, H horizons.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atft_core.objective.metrics import daily_metrics, summarise

Json = dict[str, Any]


def evaluate(
    pred_DNH: NDArray[np.floating],
    y_DNH: NDArray[np.floating],
    valid_DN: NDArray[np.bool_] | None = None,
    horizons: Sequence[int] = (1,),
) -> dict[str, Json]:
    """Metrics per day, then over days, of anybody's predictions, by horizon.

    `pred_DNH`: any unit, NaN for none; `y_DNH`: returns as fractions, NaN for no label; `valid_DN`:
    stocks that are traded, all by default; one without a prediction at some horizon is left out.
    IC, RankIC (average ranks) and their ratios to their deviations over days are plain numbers;
    `rank_ic_se` and `rank_ic_t` are Newey and West's (1987) with lag max(5, horizon - 1). A day
    with fewer than ten labels, or constant predictions, is invalid and counted in `invalid_days`,
    never 0.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> y = 0.02 * rng.standard_normal((250, 100, 1))
    >>> found = evaluate(y + 0.4 * rng.standard_normal(y.shape), y)["1"]
    >>> round(found["rank_ic"], 3), found["days"], found["rank_ic_t"] > 5
    (0.033, 250, True)
    """
    if pred_DNH.shape != y_DNH.shape or y_DNH.ndim != 3 or y_DNH.shape[2] != len(horizons):
        raise ValueError(
            f"predictions {pred_DNH.shape} and labels {y_DNH.shape} must be [days, stocks, "
            f"{len(horizons)}], the last as many as horizons"
        )
    valid_DN = np.ones(y_DNH.shape[:2], dtype=bool) if valid_DN is None else valid_DN
    known_DN = valid_DN & np.isfinite(pred_DNH).all(axis=2)
    return dict(summarise(daily_metrics(pred_DNH, y_DNH, known_DN), horizons))
