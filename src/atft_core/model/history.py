"""Narrow tokens of every day: what a stock's own columns say, and those of the stocks around it.

Shapes: T days, N stocks, F features, C channels, E given edges, K neighbours, S sectors.

Linear in the features, so that a proximal group lasso can tell which columns matter in which part
(`input_columns`). A message is made on every day, not only on the last: what neighbours did
yesterday is then one step of the kernel away. Each message has the size of one token, however many
it is a sum of; a stock that is not there that day says nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from atft_core.model.graph import Group, gather_stocks, seen_neighbours


class Own(nn.Module):
    """The stock's own columns."""

    def __init__(self, n_features: int, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(n_features, channels)

    def forward(self, x_TNF: Tensor, valid_TN: Tensor) -> Tensor:
        """[T, N, C]; 0 where the stock is not there."""
        token_TNC: Tensor = self.linear(x_TNF) * valid_TN[..., None]
        return token_TNC


class EdgeMessages(nn.Module):
    """The columns of the stocks that a stock depends on, weighted as given."""

    def __init__(self, n_features: int, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(n_features, channels, bias=False)

    def forward(
        self, x_TNF: Tensor, valid_TN: Tensor, edges_NE: Tensor, weights_NE: Tensor
    ) -> Tensor:
        """[T, N, C]; weights of a stock have length 1, -1 is no edge."""
        said_TNC = self.linear(x_TNF) * valid_TN[..., None]
        near_TNEC = gather_stocks(said_TNC, edges_NE.expand(len(x_TNF), -1, -1))
        weight_NE1 = torch.where(edges_NE >= 0, weights_NE, 0.0)[..., None].to(said_TNC.dtype)
        message_TNC: Tensor = (near_TNEC * weight_NE1).sum(dim=2)
        return message_TNC


class NeighbourMessages(nn.Module):
    """The columns of the most correlated stocks, all the same."""

    def __init__(self, n_features: int, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(n_features, channels, bias=False)

    def forward(self, x_TNF: Tensor, valid_TN: Tensor, neighbours_TNK: Tensor) -> Tensor:
        """[T, N, C]."""
        said_TNC = self.linear(x_TNF)
        near_TNKC = gather_stocks(said_TNC, neighbours_TNK)
        seen_TNK1 = seen_neighbours(valid_TN, neighbours_TNK)[..., None].to(said_TNC.dtype)
        message_TNC: Tensor = (near_TNKC * seen_TNK1).sum(dim=2)
        return message_TNC * seen_TNK1.sum(dim=2).clamp_min(1.0).rsqrt()


class SectorMessages(nn.Module):
    """The columns of the other stocks of the sector, all the same."""

    def __init__(self, n_features: int, channels: int, n_sectors: int) -> None:
        super().__init__()
        self.linear = nn.Linear(n_features, channels, bias=False)
        self.n_sectors = n_sectors

    def forward(self, x_TNF: Tensor, valid_TN: Tensor, sector_N: Tensor) -> Tensor:
        """[T, N, C]; 0 where the sector is unknown or nobody else is there."""
        group = Group(sector_N, self.n_sectors, valid_TN)
        said_TNC = self.linear(x_TNF)
        others_TNC = group.sums(said_TNC) - said_TNC * group.own_BN1
        message_TNC: Tensor = others_TNC * group.others_BN1.rsqrt() * group.exists_BN[..., None]
        return message_TNC.to(said_TNC.dtype)
