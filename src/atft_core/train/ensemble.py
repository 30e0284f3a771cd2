"""Several models as one: the mean of their scores, each standardised by day."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from atft_core.cross_section import Bools, Floats


def ensemble(models: Sequence[NDArray[np.floating]], valid_DN: Bools) -> Floats:
    """Equal-weight mean of scores [D, N, H], each with mean 0 and deviation 1 over a day's stocks.

    Only order and relative distances within a day count, so no model outweighs another by its
    scale. NaN where a stock is not valid; a day on which a model says the same of all stocks is 0.
    """
    mean_DNH: Floats = np.mean([_standardised(each, valid_DN) for each in models], axis=0)
    return mean_DNH


def _standardised(scores_DNH: NDArray[np.floating], valid_DN: Bools) -> Floats:
    known_DN1 = valid_DN[..., None]
    n_D11 = known_DN1.sum(axis=1, keepdims=True).clip(min=1)
    filled_DNH = np.where(known_DN1, scores_DNH, 0.0).astype(np.float64)
    mean_D1H = filled_DNH.sum(axis=1, keepdims=True) / n_D11
    centred_DNH = np.where(known_DN1, filled_DNH - mean_D1H, 0.0)
    deviation_D1H = np.sqrt(np.square(centred_DNH).sum(axis=1, keepdims=True) / n_D11)
    z_DNH = centred_DNH / np.where(deviation_D1H > 0, deviation_D1H, 1.0)
    return np.where(known_DN1, z_DNH, np.nan)
