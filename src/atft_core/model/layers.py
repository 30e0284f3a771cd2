"""The parts of the network that look at one stock: selection, day encoder, time, head.

Shapes: T = L+B-1 days of history, B prediction days, N stocks, F features, G feature groups,
M market inputs, D hidden width, A attention heads, E = D/A, X = N A, L lookback, H horizons,
W head width.
Normalisation is LayerNorm over D only: nothing here depends on which days or stocks share a block.
"""
# ruff: noqa: N815  -- buffers carry their shapes

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

JOIN_STD = 0.02
"""Weights with which a branch joins the same-day path: small, so that path learns first."""
AGE_SLOPES = (0.0, 0.05, 0.2, 0.6)
"""Initial decay per day of age, by head in turn: from the whole window to the last days."""
DAYS_AT_ONCE = 16
"""Prediction days that attend together: each of them looks at the days of all, most in vain."""
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
        if not self.selection:
            return
        member_GF = torch.tensor([[float(g == name) for g in groups] for name in names])
        self.register_buffer("member_GF", member_GF, persistent=False)
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
        # A product with ones and zeros is exact, and four times as fast as picking columns.
        weighted_TNF = x_TNF * (weight_TNG @ self.member_GF).to(x_TNF.dtype)
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
    no softmax is empty.
    """

    def __init__(self, hidden: int, heads: int, lookback: int) -> None:
        super().__init__()
        self.heads, self.lookback = heads, lookback
        self.query_norm = nn.LayerNorm(hidden)
        self.query = nn.Linear(hidden, hidden)
        self.key = nn.Linear(hidden, hidden, bias=False)  # it would add the same to all logits
        self.value = nn.Linear(hidden, hidden)
        self.out = joining_linear(hidden, hidden)
        slope_A = torch.tensor([AGE_SLOPES[a % len(AGE_SLOPES)] for a in range(heads)])
        self.age_AL = nn.Parameter(-slope_A[:, None] * torch.arange(lookback))

    def forward(self, query_BND: Tensor, token_TND: Tensor, valid_TN: Tensor) -> Tensor:
        """What each (prediction day, stock) found in its own past, [B, N, D]."""
        q_XBE = self._by_head(self.query(self.query_norm(query_BND)))
        k_XTE, v_XTE = self._by_head(self.key(token_TND)), self._by_head(self.value(token_TND))
        days, past = len(query_BND), self.lookback - 1
        parts = []
        for first in range(0, days, DAYS_AT_ONCE):
            asked = slice(first, min(first + DAYS_AT_ONCE, days))
            seen = slice(first, asked.stop + past)
            parts.append(
                self._attend(q_XBE[:, asked], k_XTE[:, seen], v_XTE[:, seen], valid_TN[seen])
            )
        found_BND = torch.cat(parts, dim=1).transpose(0, 1).reshape(query_BND.shape)
        joined: Tensor = self.out(found_BND)
        return joined

    def _by_head(self, x_TND: Tensor) -> Tensor:
        """[T, N, D] -> [N A, T, E]: a view, as products of many small matrices take it."""
        return x_TND.view(len(x_TND), -1, x_TND.shape[2] // self.heads).transpose(0, 1)

    def _attend(self, q_XBE: Tensor, k_XTE: Tensor, v_XTE: Tensor, valid_TN: Tensor) -> Tensor:
        """Plain products: fused kernels give the bias no gradient, or take three times as long."""
        logit_XBT = torch.bmm(q_XBE * q_XBE.shape[-1] ** -0.5, k_XTE.transpose(1, 2))
        bias_ABT, hidden_N1BT = self._bias(valid_TN, q_XBE.shape[1])
        logit_NABT = logit_XBT.view(-1, *bias_ABT.shape) + bias_ABT + hidden_N1BT
        weight_XBT = logit_NABT.softmax(dim=-1).flatten(0, 1)
        return torch.bmm(weight_XBT.to(v_XTE.dtype), v_XTE)

    def _bias(self, valid_TN: Tensor, n_days: int) -> tuple[Tensor, Tensor]:
        """Bias of the age [A, B, T], and -inf for what is not to be seen [N, 1, B, T], else 0."""
        day_T = torch.arange(valid_TN.shape[0], device=valid_TN.device)
        age_BT = day_T[-n_days:, None] - day_T
        band_BT = (age_BT >= 0) & (age_BT < self.lookback)
        seen_NBT = band_BT & (valid_TN.T[:, None] | (age_BT == 0))
        hidden_NBT = torch.zeros_like(seen_NBT, dtype=self.age_AL.dtype)
        hidden_NBT = hidden_NBT.masked_fill(~seen_NBT, -torch.inf)
        return self.age_AL[:, age_BT.clamp(0, self.lookback - 1)], hidden_NBT[:, None]


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
        with full_precision(z_BND.device):
            raw_BNH = (unit_BNHW.to(self.out_HW.dtype) * self.out_HW).sum(dim=-1)
            score_BNH = HEAD_BOUND * torch.tanh(raw_BNH / HEAD_BOUND)
            if self.linear is not None:
                score_BNH = score_BNH + self.linear(x_BNF)
        return score_BNH
