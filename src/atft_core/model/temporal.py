"""The parts that look back over the narrow tokens of a stock: a causal kernel, and attention.

Shapes: T = L+B-1 days of history, B prediction days, N stocks, C channels of a history token,
D hidden width, A attention heads, E = C/A, X = N A, L lookback.

Both know position only as age (prediction day less day), so that the windows of a block share
their tokens and the result equals that of windows one by one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from atft_core.model.dropout import Dropout
from atft_core.model.layers import joining_linear

AGE_SLOPES = (0.0, 0.05, 0.2, 0.6)
"""Initial decay per day of age, by head in turn: from the whole window to the last days."""
KERNEL_STD = 0.1
"""Initial weights of the kernel: every age may matter."""
DAYS_AT_ONCE = 16
"""Prediction days that look back together: each of them looks at the days of all, most in vain."""


def pieces(n_days: int, past: int) -> list[tuple[slice, slice]]:
    """Prediction days, some at a time, and the days of history that they see."""
    starts = range(0, n_days, DAYS_AT_ONCE)
    asked = [slice(first, min(first + DAYS_AT_ONCE, n_days)) for first in starts]
    return [(days, slice(days.start, days.stop + past)) for days in asked]


def ages(n_days: int, n_seen: int, device: torch.device) -> Tensor:
    """Age [B, T] of each day of history for each of the last B of them; negative = later."""
    day_T = torch.arange(n_seen, device=device)
    return day_T[-n_days:, None] - day_T


class CausalKernel(nn.Module):
    """A weighted sum of each channel's last L values: what stands at a fixed distance.

    Attention finds days by what they hold; a kernel finds them by when they were. Weights per age
    and channel, as a depthwise convolution, in products of a banded matrix.
    """

    def __init__(self, channels: int, hidden: int, lookback: int, dropout: float) -> None:
        super().__init__()
        self.lookback = lookback
        self.kernel_CL = nn.Parameter(KERNEL_STD * torch.randn(channels, lookback))
        self.dropout = Dropout(dropout)
        self.out = joining_linear(channels, hidden)

    def forward(self, history_TNC: Tensor) -> Tensor:
        """What each (prediction day, stock) finds in its own past, [B, N, D]."""
        past = self.lookback - 1
        history_CTN = history_TNC.permute(2, 0, 1)
        parts = []
        for asked, seen in pieces(len(history_TNC) - past, past):
            age_BT = ages(asked.stop - asked.start, seen.stop - seen.start, history_TNC.device)
            inside_BT = (age_BT >= 0) & (age_BT <= past)
            band_CBT = self.kernel_CL[:, age_BT.clamp(0, past)] * inside_BT
            parts.append(torch.bmm(band_CBT.to(history_CTN.dtype), history_CTN[:, seen]))
        found_BNC = torch.cat(parts, dim=1).permute(1, 2, 0)
        joined: Tensor = self.out(self.dropout(found_BNC))
        return joined


class BandedAttention(nn.Module):
    """Each prediction day asks its last L days: the windows of a block share their tokens.

    Keys are computed once per (day, stock), not once per window; position enters only as age, one
    learnt bias per head. Invalid days of a stock are not seen, but its own day always is, so that
    no softmax is empty. Values are the narrow tokens themselves: wide encoded ones are a memory
    for noise (correlation with the true signal .85 instead of .96 on the planted panel). Tokens
    wider than `width` are projected to it, once per (day, stock).
    """

    def __init__(  # noqa: PLR0917 -- four sizes
        self, channels: int, hidden: int, width: int, heads: int, lookback: int, dropout: float
    ) -> None:
        super().__init__()
        self.heads, self.lookback = heads, lookback
        self.query = nn.Linear(hidden, width)
        self.key = nn.Linear(channels, width, bias=False)  # it would add the same to all logits
        self.value = nn.Linear(channels, width, bias=False) if channels > width else None
        self.dropout = Dropout(dropout)
        self.out = joining_linear(width, hidden)
        slope_A = torch.tensor([AGE_SLOPES[a % len(AGE_SLOPES)] for a in range(heads)])
        self.age_AL = nn.Parameter(-slope_A[:, None] * torch.arange(lookback))

    def forward(self, query_BND: Tensor, history_TNC: Tensor, valid_TN: Tensor) -> Tensor:
        """What each (prediction day, stock) found in its own past, [B, N, D]."""
        q_XBE = self._by_head(self.query(query_BND))
        k_XTE = self._by_head(self.key(history_TNC))
        v_XTE = self._by_head(history_TNC if self.value is None else self.value(history_TNC))
        parts = [
            self._attend(q_XBE[:, asked], k_XTE[:, seen], v_XTE[:, seen], valid_TN[seen])
            for asked, seen in pieces(len(query_BND), self.lookback - 1)
        ]
        found_XBE = torch.cat(parts, dim=1)
        found_BNC = found_XBE.transpose(0, 1).reshape(*query_BND.shape[:2], -1)
        joined: Tensor = self.out(self.dropout(found_BNC))
        return joined

    def _by_head(self, x_TNC: Tensor) -> Tensor:
        """[T, N, C] -> [N A, T, E]: a view, as products of many small matrices take it."""
        return x_TNC.view(len(x_TNC), -1, x_TNC.shape[2] // self.heads).transpose(0, 1)

    def _attend(self, q_XBE: Tensor, k_XTE: Tensor, v_XTE: Tensor, valid_TN: Tensor) -> Tensor:
        """Plain products: fused kernels give the bias no gradient, or take three times as long."""
        logit_XBT = torch.bmm(q_XBE * q_XBE.shape[-1] ** -0.5, k_XTE.transpose(1, 2))
        bias_ABT, hidden_N1BT = self._bias(valid_TN, q_XBE.shape[1])
        logit_NABT = logit_XBT.view(-1, *bias_ABT.shape) + bias_ABT + hidden_N1BT
        weight_XBT = logit_NABT.softmax(dim=-1).flatten(0, 1)
        return torch.bmm(weight_XBT.to(v_XTE.dtype), v_XTE)

    def _bias(self, valid_TN: Tensor, n_days: int) -> tuple[Tensor, Tensor]:
        """Bias of the age [A, B, T], and -inf for what is not to be seen [N, 1, B, T], else 0."""
        age_BT = ages(n_days, valid_TN.shape[0], valid_TN.device)
        band_BT = (age_BT >= 0) & (age_BT < self.lookback)
        seen_NBT = band_BT & (valid_TN.T[:, None] | (age_BT == 0))
        hidden_NBT = torch.zeros_like(seen_NBT, dtype=self.age_AL.dtype)
        hidden_NBT = hidden_NBT.masked_fill(~seen_NBT, -torch.inf)
        return self.age_AL[:, age_BT.clamp(0, self.lookback - 1)], hidden_NBT[:, None]
