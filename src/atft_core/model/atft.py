"""ATFT: the network that ranks the stocks of a day.

Shapes: T = L+B-1 days of history, B prediction days, N stocks, F features, M market inputs,
K neighbours, D hidden width, L lookback, H horizons.

    x ─ selection ─ day encoder ─┬─ last B days ─ + statistics ─ + time ─ + graph ─ head ─ score
                                 └─ all T days: keys and values ───┘                  │
    x, last B days ─────────────────────────────────────────── linear path ───────────┘

Each (day, stock) is encoded once per block and shared by the windows that contain it (7 to 17
times less work for B = 8 to 32). The price: no normalisation per window before the encoder, and no
absolute position in the window; age enters the attention as a bias instead. Causality is
structural: the encoder sees one day, the attention only looks back, statistics end at their day.
"""
# ruff: noqa: N815  -- buffers carry their shapes

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from atft_core.config.schema import ModelConfig
from atft_core.errors import DataError
from atft_core.model.graph import StockGraph
from atft_core.model.layers import (
    BandedAttention,
    BoundedGLUHead,
    DayEncoder,
    GroupedSelection,
    joining_linear,
)
from atft_core.model.window_statistics import WindowStatistics

NEIGHBOURS = 8
"""A usual number, for estimates."""


class ATFT(nn.Module):
    """Scores of every stock and horizon on B consecutive days; a switch off removes its block.

    `groups` names the group of each feature (its length is F), `sector_N` the sector of each stock
    (long, -1 = unknown; not part of the state dict, since weights do not depend on the stocks).
    """

    sector_N: Tensor

    def __init__(
        self,
        model: ModelConfig,
        *,
        groups: Sequence[str],
        n_market: int,
        n_horizons: int,
        sector_N: Tensor,
    ) -> None:
        super().__init__()
        width, lookback, n_features = model.hidden, model.lookback, len(groups)
        n_market = n_market if model.market else 0
        self.lookback = lookback
        self.numbers_per_token = 2 * n_features + 8 * width
        """About how many a (day, stock) keeps in memory at once when it is only scored."""
        self.numbers_per_prediction = 8 * width + 4 * width * NEIGHBOURS * model.graph
        """And how many more a prediction needs."""
        self.register_buffer("sector_N", sector_N.long(), persistent=False)
        self.select = GroupedSelection(groups, width, n_market, model.selection)
        self.encode = DayEncoder(width, model.encoder_depth, model.dropout)
        self.statistics = _statistics(model, n_features)
        self.join = joining_linear(self.statistics.n_out, width) if self.statistics else None
        self.time = BandedAttention(width, model.heads, lookback) if model.temporal else None
        self.graph = _graph(model, sector_N)
        self.head = BoundedGLUHead(width, n_features, n_horizons, model.dropout, model.linear)

    def forward(
        self,
        x_TNF: Tensor,
        market_TM: Tensor,
        valid_TN: Tensor,
        neighbours_BNK: Tensor,
        statistics_BNX: Tensor | None = None,
    ) -> Tensor:
        """Scores [B, N, H] of the days L-1 .. T-1; float32 also under autocast.

        `x_TNF` and `market_TM` bfloat16 or float32, `valid_TN` bool, `neighbours_BNK` long with
        -1 = none (K may be 0); `statistics_BNX`: those of `window_statistics`, computed here when
        not given. Features of invalid (day, stock) are not read, NaN included; their
        scores are finite and meaningless. Raises DataError on a block that cannot be scored.
        """
        self._check(x_TNF, neighbours_BNK)
        past = self.lookback - 1
        x_TNF = torch.where(valid_TN[..., None], x_TNF, 0.0).to(self.head.out_HW.dtype)
        z_BND = self.encode_histories(x_TNF, market_TM, valid_TN, statistics_BNX)
        if self.graph is not None:
            z_BND = self.graph(z_BND, valid_TN[past:], neighbours_BNK, self.sector_N)
        scores: Tensor = self.head(z_BND, x_TNF[past:])
        return scores

    def window_statistics(self, x_TNF: Tensor, valid_TN: Tensor) -> Tensor:
        """FAN and SAN [B, N, X] of the windows: of the data alone, so that they can be kept."""
        if self.statistics is None:
            return x_TNF.new_empty(len(x_TNF) - self.lookback + 1, x_TNF.shape[1], 0)
        x_TNC = x_TNF[..., : self.statistics.channels]
        statistics_BNX: Tensor = self.statistics(torch.where(valid_TN[..., None], x_TNC, 0.0))
        return statistics_BNX

    def encode_histories(
        self,
        x_TNF: Tensor,
        market_TM: Tensor,
        valid_TN: Tensor,
        statistics_BNX: Tensor | None = None,
    ) -> Tensor:
        """What each stock's own last L days say, [B, N, D]; the part that windows share."""
        past = self.lookback - 1
        # Without attention over time nobody asks for the tokens of the days before.
        first = 0 if self.time is not None else past
        token_TND = self.encode(self.select(x_TNF[first:], market_TM[first:].to(x_TNF.dtype)))
        z_BND: Tensor = token_TND[past - first :]
        if self.join is not None:
            if statistics_BNX is None:
                statistics_BNX = self.window_statistics(x_TNF, valid_TN)
            z_BND = z_BND + self.join(statistics_BNX.to(x_TNF.dtype))
        if self.time is not None:
            z_BND = z_BND + self.time(z_BND, token_TND, valid_TN)
        return z_BND

    def _check(self, x_TNF: Tensor, neighbours_BNK: Tensor) -> None:
        days, stocks = x_TNF.shape[:2]
        if days < self.lookback:
            raise DataError(f"a block of {days} days is shorter than lookback = {self.lookback}")
        if not stocks == len(self.sector_N) == neighbours_BNK.shape[1]:
            raise DataError(
                f"the block has {stocks} stocks, sectors are known for {len(self.sector_N)} "
                f"and neighbours for {neighbours_BNK.shape[1]}"
            )


def _statistics(model: ModelConfig, n_features: int) -> WindowStatistics | None:
    if not (model.fan or model.san):
        return None
    return WindowStatistics(n_features, model.lookback, fan=model.fan, san=model.san)


def _graph(model: ModelConfig, sector_N: Tensor) -> StockGraph | None:
    if not model.graph:
        return None
    n_sectors = max(int(sector_N.max()) + 1, 1) if sector_N.numel() else 1
    return StockGraph(model.hidden, model.heads, model.layers, model.graph_dropout, n_sectors)


def count_parameters(model: nn.Module) -> int:
    """Trainable numbers of the model."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
