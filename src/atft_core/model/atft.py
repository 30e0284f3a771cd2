"""ATFT: the network that ranks the stocks of a day.

Shapes: T = L+B-1 days of history, B prediction days, N stocks, F features, M market inputs,
K neighbours, E given edges, C channels, D hidden width, L lookback, H horizons.

    x, last B days ─ selection ─ day encoder ─ + statistics ─ + kernel ─ + time ─ + graph ─ head
    x, all T days ─ narrow tokens: own and neighbours' columns ───┴─────────┘                │
    x, last B days ─────────────────────────────────────────────── linear path ───────── score

Each (day, stock) has its narrow token once per block, shared by the windows that contain it, and
is encoded in full only on its own prediction day, or once per block, too, when the attention reads
encoded days. The price: no normalisation per window before the encoder, and no absolute position in
the window; age enters the attention as a bias instead.
Causality is structural: the encoder sees one day, kernel and attention only look back, statistics
end at their day.
"""
# ruff: noqa: N815  -- buffers carry their shapes

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from atft_core.config.schema import QUANTILE_LEVELS, ModelConfig
from atft_core.errors import ConfigError, DataError
from atft_core.model.graph import StockGraph
from atft_core.model.history import EdgeMessages, NeighbourMessages, Own, SectorMessages
from atft_core.model.layers import (
    BoundedGLUHead,
    DayEncoder,
    GroupedSelection,
    QuantileHead,
    joining_linear,
)
from atft_core.model.temporal import BandedAttention, CausalKernel
from atft_core.model.window_statistics import WindowStatistics
from atft_core.run import plugins

NEIGHBOURS = 8
"""A usual number, for estimates."""


class Stocks(NamedTuple):
    """What is known of the stocks for all days; not part of the weights, which depend on none."""

    sector_N: Tensor
    """Sector, long; -1 = unknown."""
    edges_NE: Tensor
    """Whom each depends on as given, long; -1 = none. E may be 0."""
    weights_NE: Tensor
    """Weights of the edges, float32."""
    neighbours: int
    """Most correlated stocks of a stock in every block: K."""


class Sizes(NamedTuple):
    """What a part of the network from a plug-in is built for."""

    features: int
    """F."""
    hidden: int
    """D."""
    lookback: int
    """L: the days that a prediction may see, its own included."""
    dropout: float


class ATFT(nn.Module):
    """Scores of every stock and horizon on B consecutive days; a switch off removes its block.

    `groups` names the group of each feature (its length is F); `market_error_M` are the standard
    errors of the market inputs' means, in deviations.
    """

    blur_M: Tensor
    sector_N: Tensor
    edges_NE: Tensor
    weights_NE: Tensor

    def __init__(
        self,
        model: ModelConfig,
        *,
        groups: Sequence[str],
        market_error_M: Tensor,
        n_horizons: int,
        stocks: Stocks,
    ) -> None:
        super().__init__()
        width, lookback, n_features = model.hidden, model.lookback, len(groups)
        n_market = len(market_error_M) if model.market else 0
        self.lookback, self.channels = lookback, model.channels
        self.blurred = n_market > 0 and model.market_noise > 0
        self.attends_encoded = model.temporal and model.attend == "encoded"
        narrow = 3 + len(model.messages)
        gathered = stocks.edges_NE.shape[1] + stocks.neighbours if model.graph else 0
        self.numbers_per_token = 2 * n_features + 8 * width + model.channels * (narrow + gathered)
        """About how many a (day, stock) keeps in memory at once when it is only scored."""
        attends = model.graph and model.layers > 0
        self.numbers_per_prediction = 8 * width + 4 * width * NEIGHBOURS * attends
        """And how many more a prediction needs."""
        self.register_buffer("blur_M", model.market_noise * market_error_M, persistent=False)
        self.register_buffer("sector_N", stocks.sector_N.long(), persistent=False)
        self.register_buffer("edges_NE", stocks.edges_NE.long(), persistent=False)
        self.register_buffer("weights_NE", stocks.weights_NE.float(), persistent=False)
        self.select = GroupedSelection(groups, width, n_market, model.selection)
        self.encode = DayEncoder(width, model.encoder_depth, model.dropout)
        self.statistics = _statistics(model, n_features)
        self.join = joining_linear(self.statistics.n_out, width) if self.statistics else None
        self.history = _history(model, stocks, n_features)
        self.kernel = _kernel(model, len(self.history))
        self.time = _time(model, len(self.history))
        self.graph = _graph(model, stocks.sector_N)
        self.own = _own(model, n_features)
        self.head = BoundedGLUHead(width, n_features, n_horizons, model.dropout, model.linear)
        self.quantiles = _quantiles(model, n_horizons)
        self.off: frozenset[str] = frozenset()
        """Names of `blocks` that are not computed for now."""

    def forward(
        self,
        x_TNF: Tensor,
        market_TM: Tensor,
        valid_TN: Tensor,
        neighbours_TNK: Tensor,
        statistics_BNX: Tensor | None = None,
    ) -> Tensor:
        """Scores [B, N, H] of the days L-1 .. T-1; float32 also under autocast.

        `x_TNF` and `market_TM` bfloat16 or float32, `valid_TN` bool, `neighbours_TNK` long with
        -1 = none (K may be 0), as known on each day; `statistics_BNX`: those of
        `window_statistics`, computed here when not given. Features of invalid (day, stock) are not
        read, NaN included; their scores are finite and meaningless. Raises DataError on a block
        that cannot be scored.
        """
        return self.scores(x_TNF, market_TM, valid_TN, neighbours_TNK, statistics_BNX)[0]

    def scores(
        self,
        x_TNF: Tensor,
        market_TM: Tensor,
        valid_TN: Tensor,
        neighbours_TNK: Tensor,
        statistics_BNX: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """As `forward`; beside the scores their quantiles less them [B, N, H, Q], if there are."""
        self._check(x_TNF, neighbours_TNK)
        past = self.lookback - 1
        x_TNF = torch.where(valid_TN[..., None], x_TNF, 0.0).to(self.head.out_HW.dtype)
        z_BND = self.encode_histories(x_TNF, market_TM, valid_TN, neighbours_TNK, statistics_BNX)
        for part in self.own:
            z_BND = z_BND + part(z_BND, x_TNF, valid_TN)
        if self.graph is not None and "graph" not in self.off:
            z_BND = self.graph(z_BND, valid_TN[past:], neighbours_TNK[past:], self.sector_N)
        score_BNH = self.head(z_BND, x_TNF[past:])
        return score_BNH, self.quantiles(z_BND) if self.quantiles is not None else None

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
        neighbours_TNK: Tensor,
        statistics_BNX: Tensor | None = None,
    ) -> Tensor:
        """What the last L days of a stock, and of those around it, say, [B, N, D]."""
        days = len(x_TNF) - self.lookback + 1
        read = slice(None) if self.attends_encoded else slice(-days, None)
        z_TND: Tensor = self.encode(self.select(x_TNF[read], self._market(market_TM[read], x_TNF)))
        z_BND = z_TND[-days:]
        if self.join is not None and "statistics" not in self.off:
            if statistics_BNX is None:
                statistics_BNX = self.window_statistics(x_TNF, valid_TN)
            z_BND = z_BND + self.join(statistics_BNX.to(x_TNF.dtype))
        history_TNC = self._history(x_TNF, valid_TN, neighbours_TNK) if self.history else None
        if self.kernel is not None and history_TNC is not None and "kernel" not in self.off:
            z_BND = z_BND + self.kernel(history_TNC[1 - days - self.kernel.lookback :])
        if self.time is not None and "time" not in self.off:
            read_TNC = z_TND if self.attends_encoded else history_TNC
            z_BND = z_BND + self.time(z_BND, read_TNC, valid_TN)
        return z_BND

    def _market(self, market_TM: Tensor, x_TNF: Tensor) -> Tensor:
        """State of the market as the type of `x_TNF`, in training as if measured less well."""
        if self.training and self.blurred:
            market_TM = market_TM + self.blur_M * torch.randn_like(market_TM)
        return market_TM.to(x_TNF.dtype)

    def _history(self, x_TNF: Tensor, valid_TN: Tensor, neighbours_TNK: Tensor) -> Tensor:
        """Narrow tokens of every day, one part beside the other, [T, N, C]."""
        given = {
            "own": (),
            "edges": (self.edges_NE, self.weights_NE),
            "neighbours": (neighbours_TNK,),
            "sector": (self.sector_N,),
        }
        parts: list[Tensor] = []
        for name, part in self.history.items():
            silent = name != "own" and "graph" in self.off
            if silent:
                parts.append(x_TNF.new_zeros(*x_TNF.shape[:2], self.channels))
            else:
                parts.append(part(x_TNF, valid_TN, *given[name]))
        return torch.cat(parts, dim=-1)

    def blocks(self) -> dict[str, list[nn.Parameter]]:
        """The parameters by the part of the network that they belong to."""
        heard = [part for name, part in self.history.items() if name != "own"]
        own = [part for name, part in self.history.items() if name == "own"]
        members: dict[str, list[nn.Module | None]] = {
            "encoder": [self.select, self.encode, *own, *self.own],
            "statistics": [self.statistics, self.join],
            "kernel": [self.kernel],
            "time": [self.time],
            "graph": [self.graph, *heard],
            "head": [self.head, self.quantiles],
        }
        return {
            name: [p for module in modules if module is not None for p in module.parameters()]
            for name, modules in members.items()
        }

    def input_columns(self) -> list[Tensor]:
        """Weights [.., columns] that read the inputs: each column can be done without."""
        weights = [self.select.linear.weight]
        if self.select.selection:
            weights.append(self.select.gate.weight)
        for linear in (self.select.market, self.select.market_gate, self.join):
            if linear is not None:
                weights.append(linear.weight)
        return weights + [part.get_parameter("linear.weight") for part in self.history.values()]

    def _check(self, x_TNF: Tensor, neighbours_TNK: Tensor) -> None:
        days, stocks = x_TNF.shape[:2]
        if days < self.lookback:
            raise DataError(f"a block of {days} days is shorter than lookback = {self.lookback}")
        if not stocks == self.sector_N.shape[0] == neighbours_TNK.shape[1]:
            raise DataError(
                f"the block has {stocks} stocks, sectors are known for {len(self.sector_N)} "
                f"and neighbours for {neighbours_TNK.shape[1]}"
            )


def _statistics(model: ModelConfig, n_features: int) -> WindowStatistics | None:
    if not (model.fan or model.san):
        return None
    return WindowStatistics(n_features, model.lookback, fan=model.fan, san=model.san)


def _history(model: ModelConfig, stocks: Stocks, n_features: int) -> nn.ModuleDict:
    """The parts of the narrow tokens: own columns for the kernel, others for the graph."""
    width, n_sectors = model.channels, _sectors(stocks.sector_N)
    parts: dict[str, nn.Module] = {}
    if model.kernel or (model.temporal and model.attend == "columns"):
        parts["own"] = Own(n_features, width)
    heard = model.messages if model.graph else ()
    if "edges" in heard and stocks.edges_NE.shape[1]:
        parts["edges"] = EdgeMessages(n_features, width)
    if "neighbours" in heard and stocks.neighbours:
        parts["neighbours"] = NeighbourMessages(n_features, width)
    if "sector" in heard and n_sectors:
        parts["sector"] = SectorMessages(n_features, width, n_sectors)
    return nn.ModuleDict(parts)


def _kernel(model: ModelConfig, parts: int) -> CausalKernel | None:
    """Over the whole window; without it what neighbours say today is still heard."""
    if not parts:
        return None
    lookback = model.lookback if model.kernel else 1
    return CausalKernel(parts * model.channels, model.hidden, lookback, model.dropout)


def _time(model: ModelConfig, parts: int) -> BandedAttention | None:
    if not model.temporal:
        return None
    tokens = parts * model.channels
    channels, width = tokens, tokens
    if model.attend == "encoded":
        channels, width = model.hidden, model.hidden // 2
    return BandedAttention(
        channels, model.hidden, width, model.heads, model.lookback, model.dropout
    )


def _graph(model: ModelConfig, sector_N: Tensor) -> StockGraph | None:
    if not model.graph or not model.layers:
        return None
    n_sectors = max(_sectors(sector_N), 1)
    return StockGraph(model.hidden, model.heads, model.layers, model.graph_dropout, n_sectors)


def _own(model: ModelConfig, n_features: int) -> nn.ModuleList:
    """Parts from plug-ins. Each is `part(z_BND, x_TNF, valid_TN) -> [B, N, D]`: what it adds to
    `z_BND`, where `x_TNF` are the features of the block and its L-1 days of history, 0 where
    `valid_TN` says that a stock is not traded.
    """
    sizes = Sizes(n_features, model.hidden, model.lookback, model.dropout)
    parts = {name: plugins.find("BLOCKS", name, {})(sizes) for name in model.own}
    for name, part in parts.items():
        if not isinstance(part, nn.Module):
            raise ConfigError(f"model.own: {name} of a plug-in builds no nn.Module, but {part!r}.")
    return nn.ModuleList(parts.values())


def _quantiles(model: ModelConfig, n_horizons: int) -> QuantileHead | None:
    if not model.quantiles:
        return None
    return QuantileHead(model.hidden, n_horizons, len(QUANTILE_LEVELS))


def _sectors(sector_N: Tensor) -> int:
    return int(sector_N.max()) + 1 if sector_N.numel() else 0


def count_parameters(model: nn.Module) -> int:
    """Trainable numbers of the model."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
