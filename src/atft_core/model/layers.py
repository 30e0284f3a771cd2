"""The parts of the network that look at one stock on one day: selection, day encoder, head.

Shapes: T = L+B-1 days of history, B prediction days, N stocks, F features, G feature groups,
M market inputs, D hidden width, H horizons, W head width.
Nothing here depends on which days or stocks share a block, and nothing is normalised: the features
are, and dividing a token by its own length would mix what the columns say (measured: the products
of two columns are learnt half as well, docs/experiments.md).
"""
# ruff: noqa: N815  -- buffers carry their shapes

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from atft_core.model.dropout import Dropout

JOIN_STD = 0.02
"""Weights with which a branch joins the same-day path: small, so that path learns first."""
HEAD_BOUND = 3.0
"""The GLU head moves a score by at most this; the ranked target lies within +-1.73."""


def joining_linear(n_in: int, n_out: int) -> nn.Linear:
    """A linear layer that starts small, for a branch added to a residual path."""
    layer = nn.Linear(n_in, n_out)
    nn.init.normal_(layer.weight, std=JOIN_STD)
    nn.init.zeros_(layer.bias)
    return layer


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """No autocast inside, on devices that have one (tensors without memory have none)."""
    if not torch.amp.is_autocast_available(device.type):
        return nullcontext()
    return torch.autocast(device.type, enabled=False)


class GroupedSelection(nn.Module):
    """Token of a (day, stock): one linear map per feature group, mixed by a softmax gate.

    The gate sees the features and the market of that day. Selection over groups, not features: a
    network per feature, as in the TFT (arXiv 1912.09363), costs 150 times the rest of the model.
    sum_g w_g (W_g x_g + b_g) is computed as W (w x) + w b, with w spread over the features: the
    same function in one product, without a [.., G, D] intermediate.
    """

    member_GF: Tensor

    def __init__(self, groups: Sequence[str], hidden: int, n_market: int, selection: bool) -> None:
        super().__init__()
        names = sorted(set(groups))
        self.selection = selection and len(names) > 1
        self.linear = nn.Linear(len(groups), hidden, bias=not self.selection)
        self.market = nn.Linear(n_market, hidden, bias=False) if n_market else None
        self.market_gate: nn.Linear | None = None
        if not self.selection:
            return
        member_GF = torch.tensor([[float(g == name) for g in groups] for name in names])
        self.register_buffer("member_GF", member_GF, persistent=False)
        self.bias_GD = nn.Parameter(torch.zeros(len(names), hidden))
        self.gate = joining_linear(len(groups), len(names))
        if n_market:
            self.market_gate = nn.Linear(n_market, len(names), bias=False)

    def forward(self, x_TNF: Tensor, market_TM: Tensor) -> Tensor:
        """Tokens [T, N, D]; `market_TM` is not read when built with n_market = 0."""
        token_TND = self._select(x_TNF, market_TM) if self.selection else self.linear(x_TNF)
        if self.market is not None:
            token_TND = token_TND + self.market(market_TM)[:, None]
        selected: Tensor = token_TND
        return selected

    def _select(self, x_TNF: Tensor, market_TM: Tensor) -> Tensor:
        logit_TNG = self.gate(x_TNF)
        if self.market_gate is not None:
            logit_TNG = logit_TNG + self.market_gate(market_TM)[:, None]
        # Times G: equal weights are 1, whatever the number of groups.
        weight_TNG = logit_TNG.softmax(dim=-1) * logit_TNG.shape[-1]
        # A product with ones and zeros is exact, and four times as fast as picking columns.
        weighted_TNF = x_TNF * (weight_TNG @ self.member_GF).to(x_TNF.dtype)
        selected: Tensor = self.linear(weighted_TNF) + weight_TNG @ self.bias_GD
        return selected


class DayEncoder(nn.Module):
    """Residual layers. [.., D] -> [.., D]."""

    def __init__(self, hidden: int, depth: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(self._layer(hidden, dropout) for _ in range(depth))

    @staticmethod
    def _layer(hidden: int, dropout: float) -> nn.Sequential:
        return nn.Sequential(
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            Dropout(dropout),
            nn.Linear(hidden, hidden),
        )

    def forward(self, x_TND: Tensor) -> Tensor:
        """Encode tokens one by one."""
        for layer in self.layers:
            x_TND = x_TND + layer(x_TND)
        return x_TND


class QuantileHead(nn.Module):
    """How far the quantiles of a stock's ranked target lie from its score, their median.

    Steps from one to the next are positive, so that they cannot cross.
    """

    def __init__(self, hidden: int, n_horizons: int, levels: int) -> None:
        super().__init__()
        self.middle = levels // 2
        self.shape = (n_horizons, levels - 1)
        self.steps = joining_linear(hidden, n_horizons * (levels - 1))

    def forward(self, z_BND: Tensor) -> Tensor:
        """Quantiles less score [B, N, H, Q], float32, ascending; 0 in the middle."""
        steps_BNX = F.softplus(self.steps(z_BND).float())
        steps_BNHS = steps_BNX.view(*z_BND.shape[:2], *self.shape)
        below_BNHS = steps_BNHS[..., : self.middle].flip(-1).cumsum(dim=-1).flip(-1)
        above_BNHS = steps_BNHS[..., self.middle :].cumsum(dim=-1)
        return torch.cat([-below_BNHS, torch.zeros_like(steps_BNHS[..., :1]), above_BNHS], dim=-1)


class BoundedGLUHead(nn.Module):
    """Score per horizon: a linear path of the features plus a gated unit bounded by a tanh.

    The linear path carries what a ridge would find; the bounded part refines it and cannot run
    away on a day unlike any before (|score - linear path| < HEAD_BOUND). Float32 to the end, also
    under autocast: bfloat16 has 16 different values for scores of 1 +- 0.01.
    """

    def __init__(
        self, hidden: int, n_features: int, n_horizons: int, dropout: float, linear: bool
    ) -> None:
        super().__init__()
        width = max(8, hidden // 2)
        self.gated = nn.Linear(hidden, n_horizons * 2 * width)
        self.dropout = Dropout(dropout)
        self.out_HW = nn.Parameter(torch.randn(n_horizons, width) * width**-0.5)
        self.linear = nn.Linear(n_features, n_horizons, bias=False) if linear else None
        if self.linear is not None:
            nn.init.zeros_(self.linear.weight)

    def forward(self, z_BND: Tensor, x_BNF: Tensor) -> Tensor:
        """Scores [B, N, H] of the encoded days `z_BND` and their features `x_BNF`."""
        gated_BNX = self.gated(z_BND)
        gated_BNHX = gated_BNX.view(*z_BND.shape[:2], len(self.out_HW), -1)
        unit_BNHW = self.dropout(F.glu(gated_BNHX, dim=-1))
        with full_precision(z_BND.device):
            raw_BNH = (unit_BNHW.to(self.out_HW.dtype) * self.out_HW).sum(dim=-1)
            score_BNH = HEAD_BOUND * torch.tanh(raw_BNH / HEAD_BOUND)
            if self.linear is not None:
                score_BNH = score_BNH + self.linear(x_BNF)
        return score_BNH
