"""Several models as one: the mean of their scores, each standardised by day."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from atft_core.cross_section import Bools, Floats, standardised


def ensemble(models: Sequence[NDArray[np.floating]], valid_DN: Bools) -> Floats:
    """Equal-weight mean of scores [D, N, H], each with mean 0 and deviation 1 over a day's stocks.

    Only order and relative distances within a day count, so no model outweighs another by its
    scale; one that says the same of all stocks of a day says nothing on it. NaN where a stock is
    not valid.
    """
    mean_DNH = np.zeros(models[0].shape)
    for scores_DNH in models:
        for h in range(scores_DNH.shape[2]):
            known_DN = np.where(valid_DN, scores_DNH[..., h], np.nan).astype(np.float64)
            mean_DNH[..., h] += standardised(known_DN) / len(models)
    return np.where(valid_DN[..., None], mean_DNH, np.nan)
