"""Attention of a stock over the other stocks of its day: neighbours, sector, market, itself.

Shapes: B days, N stocks, K neighbours, D hidden width, A heads, E = D/A, S sectors.

Gathering K neighbours is O(N K) in time and memory. Dense attention with an additive bias is
O(N^2) for the same edges: at N = 2000 it takes 82 ms against 21 ms forward and backward (CPU), its
bias alone is 16 MB per head, and below N = 500, where it would win, neither is noticed. What a few
neighbours cannot tell, the mean of the sector and of the market (each without the stock itself)
adds in O(N). Shapes are static: a missing neighbour (-1), an unknown sector (-1) and an invalid
stock are masked, not removed, so the shapes of every day are the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from atft_core.model.dropout import Dropout
from atft_core.model.layers import joining_linear

NEIGHBOUR, SECTOR, MARKET, SELF = range(4)


class StockGraph(nn.Module):
    """`layers` rounds of graph attention, each added to the tokens with small weights."""

    def __init__(
        self, hidden: int, heads: int, layers: int, dropout: float, n_sectors: int
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            GraphAttention(hidden, heads, dropout, n_sectors) for _ in range(layers)
        )

    def forward(
        self, z_BND: Tensor, valid_BN: Tensor, neighbours_BNK: Tensor, sector_N: Tensor
    ) -> Tensor:
        """Tokens that know of their surroundings, [B, N, D]."""
        for layer in self.layers:
            z_BND = z_BND + layer(z_BND, valid_BN, neighbours_BNK, sector_N)
        return z_BND


class GraphAttention(nn.Module):
    """One round: K neighbours, the sector's mean, the market's mean and the stock itself.

    A mean over the others is a sum over all less one's own, so of sector and market only the sums
    are ever made; the softmax weighs them as if each stock had its own mean.
    """

    def __init__(self, hidden: int, heads: int, dropout: float, n_sectors: int) -> None:
        super().__init__()
        self.heads, self.n_sectors = heads, n_sectors
        self.norm = nn.LayerNorm(hidden)
        self.query = nn.Linear(hidden, hidden)
        self.key = nn.Linear(hidden, hidden)
        self.value = nn.Linear(hidden, hidden)
        self.kind_A4 = nn.Parameter(torch.zeros(heads, 4))
        self.dropout = Dropout(dropout)
        self.out = joining_linear(hidden, hidden)

    def forward(
        self, z_BND: Tensor, valid_BN: Tensor, neighbours_BNK: Tensor, sector_N: Tensor
    ) -> Tensor:
        """What each stock takes from the others, [B, N, D]."""
        z_BND = self.norm(z_BND)
        q_BND = self.query(z_BND) * (z_BND.shape[-1] // self.heads) ** -0.5
        k_BND, v_BND = self.key(z_BND), self.value(z_BND)
        near_BNKD = gather_stocks(k_BND, neighbours_BNK)
        logits = [self._dot(q_BND[:, :, None], near_BNKD)]
        own_BNA = self._dot(q_BND, k_BND)
        groups = (
            Group(sector_N, self.n_sectors, valid_BN),
            Group(torch.zeros_like(sector_N), 1, valid_BN),
        )
        for group in groups:
            others_BNA = self._dot(q_BND, group.sums(k_BND)) - group.own_BN1 * own_BNA
            logits.append((others_BNA / group.others_BN1)[:, :, None])
        logits.append(own_BNA[:, :, None])
        seen_BNJ = torch.stack([*(group.exists_BN for group in groups),
                                torch.ones_like(valid_BN)], dim=2)  # fmt: skip
        seen_BNJ = torch.cat([seen_neighbours(valid_BN, neighbours_BNK), seen_BNJ], dim=2)
        logit_BNJA = (torch.cat(logits, dim=2) + self._kind_bias(seen_BNJ)).masked_fill(
            ~seen_BNJ[..., None], -torch.inf
        )
        weight_BNJA = self.dropout(logit_BNJA.softmax(dim=2))
        joined: Tensor = self.out(self._mix(weight_BNJA, v_BND, neighbours_BNK, groups))
        return joined

    def _mix(
        self,
        weight_BNJA: Tensor,
        v_BND: Tensor,
        neighbours_BNK: Tensor,
        groups: Sequence[Group],
    ) -> Tensor:
        """Values weighted by the J = K + 3 sources."""
        weight_BNJA = weight_BNJA.to(v_BND.dtype)
        near_BNKD = gather_stocks(v_BND, neighbours_BNK)
        found_BND = self._weigh(weight_BNJA[:, :, :-3], near_BNKD).sum(dim=2)
        own_BNA = weight_BNJA[:, :, -1]
        for i, group in enumerate(groups):
            share_BNA = weight_BNJA[:, :, i - 3] / group.others_BN1.to(v_BND.dtype)
            found_BND = found_BND + self._weigh(share_BNA, group.sums(v_BND))
            own_BNA = own_BNA - share_BNA * group.own_BN1.to(v_BND.dtype)
        return found_BND + self._weigh(own_BNA, v_BND)

    def _split(self, x_D: Tensor) -> Tensor:
        """[.., D] -> [.., A, E]."""
        return x_D.view(*x_D.shape[:-1], self.heads, x_D.shape[-1] // self.heads)

    def _dot(self, a_D: Tensor, b_D: Tensor) -> Tensor:
        """Product of each head, [.., A]."""
        return self._split(a_D * b_D).sum(dim=-1)

    def _weigh(self, weight_A: Tensor, x_D: Tensor) -> Tensor:
        """Each head's part of x times its weight, [.., D]."""
        return (weight_A[..., None] * self._split(x_D)).flatten(-2)

    def _kind_bias(self, seen_BNJ: Tensor) -> Tensor:
        """Learnt bias of each kind of source, [J, A]."""
        near_A1 = self.kind_A4[:, NEIGHBOUR, None].expand(-1, seen_BNJ.shape[2] - 3)
        bias_JA: Tensor = torch.cat([near_A1, self.kind_A4[:, SECTOR:]], dim=1).T
        return bias_JA


class Group:
    """Which valid stocks stand beside each on a day: those of its sector, or all. -1 is none."""

    def __init__(self, group_N: Tensor, n_groups: int, valid_BN: Tensor) -> None:
        self.n_groups, self.index_N = n_groups, group_N.clamp_min(0)
        member_BN = valid_BN & (group_N >= 0)
        self.own_BN1 = member_BN.float()[..., None]
        count_BN1 = self.sums(torch.ones_like(self.own_BN1)) - self.own_BN1
        self.exists_BN = (count_BN1[..., 0] > 0.5) & (group_N >= 0)
        self.others_BN1 = count_BN1.clamp_min(1.0)

    def sums(self, x_BNX: Tensor) -> Tensor:
        """Sum over the valid members of each stock's group, [B, N or 1, X].

        float32 at least: a sum of thousands loses its stock in half precision.
        """
        wide = torch.promote_types(x_BNX.dtype, torch.float32)
        counted_BNX = x_BNX.to(wide) * self.own_BN1.to(wide)
        if self.n_groups == 1:
            return counted_BNX.sum(dim=1, keepdim=True)
        zeros = counted_BNX.new_zeros(len(x_BNX), self.n_groups, x_BNX.shape[2])
        return zeros.index_add(1, self.index_N, counted_BNX).index_select(1, self.index_N)


def gather_stocks(x_BNX: Tensor, neighbours_BNK: Tensor) -> Tensor:
    """Rows of the neighbours [B, N, K, X]; a missing one reads stock 0 and is masked by others."""
    rows_X = x_BNX.flatten(0, 1).index_select(0, _rows(neighbours_BNK))
    return rows_X.view(*neighbours_BNK.shape, x_BNX.shape[2])


def seen_neighbours(valid_BN: Tensor, neighbours_BNK: Tensor) -> Tensor:
    """Which neighbours exist and are valid that day, [B, N, K]."""
    there_BNK = valid_BN.flatten().index_select(0, _rows(neighbours_BNK))
    return there_BNK.view(neighbours_BNK.shape) & (neighbours_BNK >= 0)


def _rows(neighbours_BNK: Tensor) -> Tensor:
    """Where the neighbours are when the stocks of all days stand one after the other."""
    days, stocks = neighbours_BNK.shape[:2]
    first_B11 = stocks * torch.arange(days, device=neighbours_BNK.device)[:, None, None]
    return (neighbours_BNK.clamp_min(0) + first_B11).flatten()
