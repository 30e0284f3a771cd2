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

import torch
from torch import Tensor, nn

from atft_core.model.blocks import joining_linear

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
    """One round: K neighbours, the sector's mean, the market's mean and the stock itself."""

    def __init__(self, hidden: int, heads: int, dropout: float, n_sectors: int) -> None:
        super().__init__()
        self.heads, self.n_sectors = heads, n_sectors
        self.norm = nn.LayerNorm(hidden)
        self.query = nn.Linear(hidden, hidden)
        self.key_value = nn.Linear(hidden, 2 * hidden)
        self.kind_A4 = nn.Parameter(torch.zeros(heads, 4))
        self.dropout = nn.Dropout(dropout)
        self.out = joining_linear(hidden, hidden)

    def forward(
        self, z_BND: Tensor, valid_BN: Tensor, neighbours_BNK: Tensor, sector_N: Tensor
    ) -> Tensor:
        """What each stock takes from the others, [B, N, D]."""
        z_BND = self.norm(z_BND)
        q_BNAE = self._split(self.query(z_BND) * (z_BND.shape[-1] // self.heads) ** -0.5)
        kv_BNX = self.key_value(z_BND)
        around_BN3X, seen_BN3 = self._surroundings(kv_BNX, valid_BN, sector_N)
        near = [self._split(gather_stocks(x, neighbours_BNK)) for x in kv_BNX.chunk(2, dim=-1)]
        around = [self._split(x) for x in around_BN3X.to(kv_BNX.dtype).chunk(2, dim=-1)]
        seen_BNJ = torch.cat([seen_neighbours(valid_BN, neighbours_BNK), seen_BN3], dim=2)
        joined: Tensor = self.out(self._attend(q_BNAE, near, around, seen_BNJ))
        return joined

    def _split(self, x: Tensor) -> Tensor:
        """[.., D] -> [.., A, E]."""
        return x.view(*x.shape[:-1], self.heads, x.shape[-1] // self.heads)

    def _surroundings(
        self, kv_BNX: Tensor, valid_BN: Tensor, sector_N: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Keys and values of sector, market and self [B, N, 3, 2D], and which of them exist."""
        sector, in_sector = mean_of_others(kv_BNX, valid_BN, sector_N, self.n_sectors)
        market, in_market = mean_of_others(kv_BNX, valid_BN, torch.zeros_like(sector_N), 1)
        own = torch.ones_like(valid_BN)
        around_BN3X = torch.stack([sector, market, kv_BNX.to(sector.dtype)], dim=2)
        return around_BN3X, torch.stack([in_sector, in_market, own], dim=2)

    def _attend(
        self, q_BNAE: Tensor, near: list[Tensor], around: list[Tensor], seen_BNJ: Tensor
    ) -> Tensor:
        """One softmax over the J = K + 3 (key, value) pairs; the two sources are never copied."""
        logits = [(q_BNAE[:, :, None] * key).sum(dim=-1) for key, _ in (near, around)]
        logit_BNJA = torch.cat(logits, dim=2) + self._kind_bias(seen_BNJ)
        logit_BNJA = logit_BNJA.masked_fill(~seen_BNJ[..., None], -torch.inf)
        weight_BNJA1 = self.dropout(logit_BNJA.softmax(dim=2)).to(q_BNAE.dtype)[..., None]
        near_BNAE = (weight_BNJA1[:, :, :-3] * near[1]).sum(dim=2)
        found_BNAE: Tensor = near_BNAE + (weight_BNJA1[:, :, -3:] * around[1]).sum(dim=2)
        return found_BNAE.flatten(2)

    def _kind_bias(self, seen_BNJ: Tensor) -> Tensor:
        """Learnt bias of each kind of source, [J, A]."""
        near_A1 = self.kind_A4[:, NEIGHBOUR, None].expand(-1, seen_BNJ.shape[2] - 3)
        bias_JA: Tensor = torch.cat([near_A1, self.kind_A4[:, SECTOR:]], dim=1).T
        return bias_JA


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


def mean_of_others(
    x_BNX: Tensor, valid_BN: Tensor, group_N: Tensor, n_groups: int
) -> tuple[Tensor, Tensor]:
    """Mean over the valid stocks of the same group but oneself, [B, N, X], and whether one exists.

    float32 at least: a sum of thousands loses its stock in half precision. Group -1 is no group.
    """
    wide = torch.promote_types(x_BNX.dtype, torch.float32)
    counts_BN1 = (valid_BN & (group_N >= 0)).to(wide)[..., None]
    own_BNX = x_BNX.to(wide) * counts_BN1
    index_N = group_N.clamp_min(0)
    sums_BNX = _group_sums(own_BNX, index_N, n_groups) - own_BNX
    others_BN1 = _group_sums(counts_BN1, index_N, n_groups) - counts_BN1
    exists_BN = (others_BN1[..., 0] > 0.5) & (group_N >= 0)
    return sums_BNX / others_BN1.clamp_min(1.0), exists_BN


def _group_sums(x_BNX: Tensor, index_N: Tensor, n_groups: int) -> Tensor:
    """Sum of the group of each stock, [B, N, X]."""
    if n_groups == 1:
        return x_BNX.sum(dim=1, keepdim=True).expand_as(x_BNX)
    zeros = x_BNX.new_zeros(x_BNX.shape[0], n_groups, x_BNX.shape[2])
    return zeros.index_add(1, index_N, x_BNX).index_select(1, index_N)
