"""Is the model better than the best baseline on the same days, and are both better together?

Shapes: D validation days, N stocks, H horizons.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atft_core.data.panel import Panel
from atft_core.objective.metrics import DailyIC, daily_metrics
from atft_core.objective.significance import newey_west_mean, overlap, paired_difference
from atft_core.run.events import Json
from atft_core.run.wording import finite
from atft_core.train.baselines import Baselines, DailyByName, best_baseline
from atft_core.train.ensemble import ensemble
from atft_core.train.results import Scores


def compare(
    baselines: DailyByName, horizon: int, dates_D: NDArray[np.datetime64], daily: DailyIC, h: int
) -> Json:
    """The best baseline of a horizon, and the model's RankIC less its, day by day.

    `h` is the place of the horizon in `daily`. Nothing when there is no baseline.
    """
    best = best_baseline(baselines, horizon, dates_D)
    if best is None:
        return {}
    name, rank_ic_D = best
    gain = paired_difference(daily.rank_ic_DH[:, h], rank_ic_D, overlap(horizon))
    return {
        "baseline": name,
        "baseline_diff": finite(gain.mean),
        "baseline_diff_se": finite(gain.se),
        "baseline_diff_t": finite(gain.t),
    }


def blended(baselines: Baselines, panel: Panel, scores: Scores, h: int) -> Json:
    """RankIC of the equal blend of model and LightGBM at the place of the objective's horizon.

    Nothing without LightGBM.
    """
    if baselines.boosted_DN is None:
        return {}
    span = slice(scores.days.start, scores.days.stop)
    both = (scores.pred_DNH[..., h : h + 1], baselines.boosted_DN[..., None])
    blend_DN1 = ensemble(both, panel.valid_TN[span])
    daily = daily_metrics(blend_DN1, panel.y_TNH[span, :, h : h + 1], panel.valid_TN[span])
    found = newey_west_mean(daily.rank_ic_DH[:, 0], overlap(panel.horizons[h]))
    return {"blend_rank_ic": finite(found.mean), "blend_rank_ic_se": finite(found.se)}
