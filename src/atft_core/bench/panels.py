"""Panels of random numbers in a cache file, made in the time that it takes to write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from atft_core.data.cache import new_cache
from atft_core.data.panel import Frame, Panel, open_panel
from atft_core.data.splits import Split

TILE = 50
"""Days of random numbers, repeated over the panel."""


def random_panel(path: Path, stocks: int, days: int, features: int) -> Panel:
    """An open panel [T, N, F] of float32 with one horizon and neither market nor graph."""
    random = np.random.default_rng(0)
    frame = Frame(
        dates_T=np.busday_offset("2010-01-04", np.arange(days), roll="forward"),
        codes=tuple(f"S{i:05d}" for i in range(stocks)),
        features=tuple(f"f{i}" for i in range(features)),
        groups=("f",) * features,
        horizons=(1,),
        valid_TN=random.random((days, stocks)) > 0.1,
        market_TM=np.zeros((days, 0), np.float32),
        market_names=(),
        neighbour_days_R=np.empty(0, np.int64),
        neighbours_RNK=np.empty((0, stocks, 0), np.int32),
        sector_N=np.zeros(stocks, np.int64),
        edges_NE=np.empty((stocks, 0), np.int32),
        edge_weights_NE=np.empty((stocks, 0), np.float32),
        sectors=("all",),
    )
    tile_DNF = random.standard_normal((TILE, stocks, features), dtype=np.float32)
    with new_cache(path, frame, "float32") as draft:
        for start in range(0, days, TILE):
            place = slice(start, start + TILE)
            size = len(draft.x_TNF[place])
            draft.x_TNF[place] = tile_DNF[:size]
            for labels_TNH in (draft.y_TNH, draft.rank_TNH, draft.gauss_TNH):
                labels_TNH[place] = tile_DNF[:size, :, :1]
        draft.finish({"days": days})
    return open_panel(path)


def whole_split(days: int, lookback: int) -> Split:
    """All days with enough history are for training."""
    end = range(days, days)
    return Split(train=range(lookback - 1, days), val=end, holdout=end, purge_days=0)
