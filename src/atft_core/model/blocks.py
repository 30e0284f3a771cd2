"""The parts of the network that look at one stock: selection, day encoder, time, head.

Shapes: T = L+B-1 days of history, B prediction days, N stocks, F features, G feature groups,
M market inputs, D hidden width, A attention heads, E = D/A, L lookback, H horizons, W head width.
Normalisation is LayerNorm over D only: nothing here depends on which days or stocks share a block.
"""
# ruff: noqa: N815  -- buffers carry their shapes

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

JOIN_STD = 0.02
"""Weights with which a branch joins the same-day path: small, so that path learns first."""
AGE_SLOPES = (0.0, 0.05, 0.2, 0.6)
"""Initial decay per day of age, by head in turn: from the whole window to the last days."""
HEAD_BOUND = 3.0
"""The GLU head moves a score by at most this; the ranked target lies within +-1.73."""


def joining_linear(n_in: int, n_out: int) -> nn.Linear:
    """A linear layer that starts small, for a branch added to a residual path."""
    layer = nn.Linear(n_in, n_out)
    nn.init.normal_(layer.weight, std=JOIN_STD)
    nn.init.zeros_(layer.bias)
    return layer


class GroupedSelection(nn.Module):
    """Token of a (day, stock): one linear map per feature group, mixed by a softmax gate.

    The gate sees the features and the market of that day. Selection over groups, not features: a
    network per feature, as in the TFT (arXiv 1912.09363), costs 150 times the rest of the model.
    sum_g w_g (W_g x_g + b_g) is computed as W (w x) + w b, with w spread over the features: the
    same function in one product, without a [.., G, D] intermediate.
    """

    group_F: Tensor

    def __init__(self, groups: Sequence[str], hidden: int, n_market: int, selection: bool) -> None:
        super().__init__()
        names = sorted(set(groups))
        self.selection = selection and len(names) > 1
        self.linear = nn.Linear(len(groups), hidden, bias=not self.selection)
        self.market = nn.Linear(n_market, hidden, bias=False) if n_market else None
        if not self.selection:
            return
        index = torch.tensor([names.index(g) for g in groups])
        self.register_buffer("group_F", index, persistent=False)
        self.bias_GD = nn.Parameter(torch.zeros(len(names), hidden))
        self.gate = joining_linear(len(groups), len(names))
        self.market_gate = nn.Linear(n_market, len(names), bias=False) if n_market else None

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
        weighted_TNF = x_TNF * weight_TNG.index_select(-1, self.group_F).to(x_TNF.dtype)
        selected: Tensor = self.linear(weighted_TNF) + weight_TNG @ self.bias_GD
        return selected


class DayEncoder(nn.Module):
    """Residual layers with a norm before each, and one at the end. [.., D] -> [.., D]."""

    def __init__(self, hidden: int, depth: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(self._layer(hidden, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(hidden)

    @staticmethod
    def _layer(hidden: int, dropout: float) -> nn.Sequential:
        return nn.Sequential(
            nn.LayerNorm(hidden),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
        )

    def forward(self, x_TND: Tensor) -> Tensor:
        """Encode tokens one by one."""
        for layer in self.layers:
            x_TND = x_TND + layer(x_TND)
        encoded: Tensor = self.norm(x_TND)
        return encoded


class BandedAttention(nn.Module):
    """Each prediction day asks its last L days: the windows of a block share their tokens.

    Keys and values are computed once per (day, stock), not once per window; the result equals
    attention window by window, since position enters only as age (query day less key day), one
    learnt bias per head. Invalid days of a stock are not seen, but its own day always is, so that
    no softmax is empty. Work grows with B x T per stock: keep B below a few hundred.
    """

    def __init__(self, hidden: int, heads: int, lookback: int) -> None:
        super().__init__()
        self.heads, self.lookback = heads, lookback
        self.query_norm = nn.LayerNorm(hidden)
        self.query = nn.Linear(hidden, hidden)
        self.key_value = nn.Linear(hidden, 2 * hidden)
        self.out = joining_linear(hidden, hidden)
        slope_A = torch.tensor([AGE_SLOPES[a % len(AGE_SLOPES)] for a in range(heads)])
        self.age_AL = nn.Parameter(-slope_A[:, None] * torch.arange(lookback))

    def forward(self, query_BND: Tensor, token_TND: Tensor, valid_TN: Tensor) -> Tensor:
        """What each (prediction day, stock) found in its own past, [B, N, D]."""
        key_TND, value_TND = self.key_value(token_TND).chunk(2, dim=-1)
        q = self._split(self.query(self.query_norm(query_BND)))
        k, v = self._split(key_TND), self._split(value_TND)
        mask_NABT = self._mask(valid_TN, query_BND.shape[0]).to(q.dtype)
        found_NABE = F.scaled_dot_product_attention(q, k, v, attn_mask=mask_NABT)
        found_BND = found_NABE.permute(2, 0, 1, 3).flatten(2)
        joined: Tensor = self.out(found_BND)
        return joined

    def _split(self, x_TND: Tensor) -> Tensor:
        return x_TND.view(*x_TND.shape[:2], self.heads, -1).permute(1, 2, 0, 3)

    def _mask(self, valid_TN: Tensor, n_days: int) -> Tensor:
        """Additive mask [N, A, B, T]: the bias of the age inside the band, -inf elsewhere."""
        day_T = torch.arange(valid_TN.shape[0], device=valid_TN.device)
        age_BT = day_T[-n_days:, None] - day_T
        band_BT = (age_BT >= 0) & (age_BT < self.lookback)
        seen_NBT = band_BT & (valid_TN.T[:, None] | (age_BT == 0))
        bias_ABT = self.age_AL[:, age_BT.clamp(0, self.lookback - 1)]
        return torch.where(seen_NBT[:, None], bias_ABT, -torch.inf)


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
        self.norm = nn.LayerNorm(hidden)
        self.gated = nn.Linear(hidden, n_horizons * 2 * width)
        self.dropout = nn.Dropout(dropout)
        self.out_HW = nn.Parameter(torch.randn(n_horizons, width) * width**-0.5)
        self.linear = nn.Linear(n_features, n_horizons, bias=False) if linear else None
        if self.linear is not None:
            nn.init.zeros_(self.linear.weight)

    def forward(self, z_BND: Tensor, x_BNF: Tensor) -> Tensor:
        """Scores [B, N, H] of the encoded days `z_BND` and their features `x_BNF`."""
        gated_BNX = self.gated(self.norm(z_BND))
        gated_BNHX = gated_BNX.view(*z_BND.shape[:2], len(self.out_HW), -1)
        unit_BNHW = self.dropout(F.glu(gated_BNHX, dim=-1))
        with torch.autocast(z_BND.device.type, enabled=False):
            raw_BNH = (unit_BNHW.to(self.out_HW.dtype) * self.out_HW).sum(dim=-1)
            score_BNH = HEAD_BOUND * torch.tanh(raw_BNH / HEAD_BOUND)
            if self.linear is not None:
                score_BNH = score_BNH + self.linear(x_BNF)
        return score_BNH
