"""FAN and SAN as causal statistics: what a stock's own window looked like, seen from its last day.

Shapes: T days, B prediction days, N stocks, C channels, L lookback, Q frequencies of
the window, K of which are taken, S slices.

FAN (Ye et al., NeurIPS 2024) removes the strongest frequencies of a series, SAN (Liu et al.,
NeurIPS 2023) the mean and deviation of its slices; both add them back to a forecast of the same
series. A ranking score has nothing to add back to, so the useful remainder is kept as inputs of
the query: how strong the main frequencies are, what they leave unexplained on the last day, and
the level and deviation of each slice. Without them, normalising would erase that information.

A statistic is a function of the L days of one stock that end at its day: no other stock, no later
day, no batch. Days on which the stock is invalid count as 0, the middle of a normalised feature.
float32 (or the wider input type), outside autocast: half precision has no use for a spectrum.
"""
# ruff: noqa: N815  -- buffers carry their shapes

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

MAX_CHANNELS = 16
"""Statistics are computed of the first features only; price and volume features come first."""
FREQUENCIES = 3
"""Frequencies that FAN takes as the main part."""
SLICES = 4
"""Slices of the window, the last of which ends at the prediction day."""
TINY = 1e-12
"""Below the root, where its slope would be infinite."""


class WindowStatistics(nn.Module):
    """Statistics [B, N, n_out] of all windows of a block, each (day, stock) once."""

    basis_LP: Tensor
    last_P: Tensor

    def __init__(self, n_features: int, lookback: int, *, fan: bool, san: bool) -> None:
        super().__init__()
        self.channels = min(n_features, MAX_CHANNELS)
        self.lookback, self.fan, self.san = lookback, fan, san
        self.frequencies = min(FREQUENCIES, lookback // 2 + 1)
        self.slices = max(1, min(SLICES, lookback // 2))
        per_channel = (self.frequencies + 1) * fan + 2 * self.slices * san
        self.n_out = self.channels * per_channel
        basis_LP, last_P = fourier_basis(lookback)
        self.register_buffer("basis_LP", basis_LP, persistent=False)
        self.register_buffer("last_P", last_P, persistent=False)

    def forward(self, x_TNF: Tensor) -> Tensor:
        """Statistics of the windows that end at days L-1 .. T-1."""
        with torch.autocast(x_TNF.device.type, enabled=False):
            x_TNC = x_TNF[..., : self.channels]
            x_TNC = x_TNC.to(torch.promote_types(x_TNC.dtype, torch.float32))
            window_BNCL = x_TNC.unfold(0, self.lookback, 1)
            parts = []
            if self.fan:
                basis_LP, last_P = self.basis_LP.to(x_TNC.dtype), self.last_P.to(x_TNC.dtype)
                parts.append(fan_statistics(window_BNCL, basis_LP, last_P, self.frequencies))
            if self.san:
                parts.append(san_statistics(window_BNCL, self.slices))
            return torch.cat([part.flatten(2) for part in parts], dim=-1)


def fourier_basis(length: int) -> tuple[Tensor, Tensor]:
    """The real Fourier transform as a matrix, float64: (basis_LP, last_P).

    P = 2 Q, Q = L//2 + 1: cosines, then sines. `last_P` gives, per coefficient, its part in the
    value of the last day. A product instead of an FFT: equal for such short windows, works in every
    type, and a compiler can fuse it (it cannot fuse complex numbers).
    """
    frequency = torch.arange(length // 2 + 1, dtype=torch.float64)
    angle = 2.0 * math.pi * torch.arange(length, dtype=torch.float64)[:, None] * frequency / length
    basis_LP = torch.cat([angle.cos(), angle.sin()], dim=1)
    twice = torch.where((frequency == 0) | (2 * frequency == length), 1.0, 2.0).repeat(2)
    return basis_LP, basis_LP[-1] * twice / length


def fan_statistics(
    window_BNCL: Tensor, basis_LP: Tensor, last_P: Tensor, frequencies: int
) -> Tensor:
    """Amplitudes of the strongest frequencies, descending, and the rest on the last day.

    [B, N, C, K + 1]. A constant 1 has amplitude 1, a cosine of height 1 has 1/2. The
    strongest are chosen for each window and channel by itself.
    """
    cosine_BNCQ, sine_BNCQ = (window_BNCL @ basis_LP).chunk(2, dim=-1)
    power_BNCQ = cosine_BNCQ.square() + sine_BNCQ.square()
    amplitude_BNCQ = (power_BNCQ + TINY).sqrt() / window_BNCL.shape[-1]
    last_cosine_Q, last_sine_Q = last_P.chunk(2)
    at_end_BNCQ = cosine_BNCQ * last_cosine_Q + sine_BNCQ * last_sine_Q
    top_BNCK, index_BNCK = amplitude_BNCQ.topk(frequencies, dim=-1)
    main_BNC = at_end_BNCQ.gather(-1, index_BNCK).sum(dim=-1)
    return torch.cat([top_BNCK, (window_BNCL[..., -1] - main_BNC)[..., None]], dim=-1)


def san_statistics(window_BNCL: Tensor, slices: int) -> Tensor:
    """Mean and standard deviation (by n) of each slice, oldest first. [B, N, C, 2 S].

    Slices have L // S days each; days left over are the oldest, and left out.
    """
    days = window_BNCL.shape[-1] // slices
    slice_BNCSd = window_BNCL[..., -days * slices :].unfold(-1, days, days)
    mean_BNCS = slice_BNCSd.mean(dim=-1)
    variance_BNCS = (slice_BNCSd - mean_BNCS[..., None]).square().mean(dim=-1)
    return torch.cat([mean_BNCS, (variance_BNCS + TINY).sqrt()], dim=-1)
