"""FAN and SAN as causal statistics: what a stock's own window looked like, seen from its last day.

Shapes: T days, B prediction days, b of them, N stocks, C channels, M = N C, L lookback, Q
frequencies of the window, K of which are taken, S slices, X statistics of a channel.

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

from atft_core.model.layers import full_precision

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

    basis_PL: Tensor
    last_P: Tensor

    def __init__(self, n_features: int, lookback: int, *, fan: bool, san: bool) -> None:
        super().__init__()
        self.channels = min(n_features, MAX_CHANNELS)
        self.lookback, self.fan, self.san = lookback, fan, san
        self.frequencies = min(FREQUENCIES, lookback // 2 + 1)
        self.slices = max(1, min(SLICES, lookback // 2))
        per_channel = (self.frequencies + 1) * fan + 2 * self.slices * san
        self.n_out = self.channels * per_channel
        basis_PL, last_P = fourier_basis(lookback)
        self.register_buffer("basis_PL", basis_PL, persistent=False)
        self.register_buffer("last_P", last_P, persistent=False)

    def forward(self, x_TNF: Tensor) -> Tensor:
        """Statistics of the windows that end at days L-1 .. T-1."""
        with full_precision(x_TNF.device):
            x_TNC = x_TNF[..., : self.channels]
            x_TNC = x_TNC.to(torch.promote_types(x_TNC.dtype, torch.float32))
            window_BLM = x_TNC.flatten(1).unfold(0, self.lookback, 1).transpose(1, 2)
            # One day after the other on the CPU: what lies in between stays in its cache.
            at_once = len(window_BLM) if x_TNF.is_cuda else 1
            basis_PL, last_P = self.basis_PL.to(x_TNC.dtype), self.last_P.to(x_TNC.dtype)
            parts = [
                self._of(window_BLM[first : first + at_once], basis_PL, last_P)
                for first in range(0, len(window_BLM), at_once)
            ]
            statistic_BXM = torch.cat(parts)
            statistic_BXNC = statistic_BXM.view(*statistic_BXM.shape[:2], *x_TNC.shape[1:])
            return statistic_BXNC.transpose(1, 2).flatten(2)

    def _of(self, window_bLM: Tensor, basis_PL: Tensor, last_P: Tensor) -> Tensor:
        parts = []
        if self.fan:
            parts.append(fan_statistics(window_bLM, basis_PL, last_P, self.frequencies))
        if self.san:
            parts.append(san_statistics(window_bLM, self.slices))
        return torch.cat(parts, dim=1)


def fourier_basis(length: int) -> tuple[Tensor, Tensor]:
    """The real Fourier transform as a matrix, float64: (basis_PL, last_P).

    P = 2 Q, Q = L//2 + 1: cosines, then sines. `last_P` gives, per coefficient, its part in the
    value of the last day. A product instead of an FFT: equal for such short windows, works in every
    type, and a compiler can fuse it (it cannot fuse complex numbers).
    """
    frequency = torch.arange(length // 2 + 1, dtype=torch.float64)
    angle = 2.0 * math.pi * frequency[:, None] * torch.arange(length, dtype=torch.float64) / length
    basis_PL = torch.cat([angle.cos(), angle.sin()])
    twice = torch.where((frequency == 0) | (2 * frequency == length), 1.0, 2.0).repeat(2)
    return basis_PL, basis_PL[:, -1] * twice / length


def fan_statistics(
    window_BLM: Tensor, basis_PL: Tensor, last_P: Tensor, frequencies: int
) -> Tensor:
    """Amplitudes of the strongest frequencies, descending, and the rest on the last day.

    [B, K + 1, M]. A constant 1 has amplitude 1, a cosine of height 1 has 1/2. The strongest are
    chosen for each window by itself.
    """
    spectrum_BPM = torch.bmm(basis_PL.expand(len(window_BLM), -1, -1), window_BLM)
    cosine_BQM, sine_BQM = spectrum_BPM.chunk(2, dim=1)
    index_BKM = strongest(cosine_BQM, sine_BQM, frequencies)
    cosine_BKM, sine_BKM = cosine_BQM.gather(1, index_BKM), sine_BQM.gather(1, index_BKM)
    power_BKM = cosine_BKM.square() + sine_BKM.square()
    amplitude_BKM = (power_BKM + TINY).sqrt() / window_BLM.shape[1]
    last_cosine_Q, last_sine_Q = last_P.chunk(2)
    main_BKM = cosine_BKM * last_cosine_Q[index_BKM] + sine_BKM * last_sine_Q[index_BKM]
    rest_B1M = window_BLM[:, -1:] - main_BKM.sum(dim=1, keepdim=True)
    return torch.cat([amplitude_BKM, rest_B1M], dim=1)


@torch.no_grad()
def strongest(cosine_BQM: Tensor, sine_BQM: Tensor, count: int) -> Tensor:
    """Indices [B, K, M] of the highest powers, highest first.

    The power's bits, which order as it does, carry the index in their last places: a maximum over
    integers then finds both at once, five times faster than sorting each short row.
    """
    power_BQM = torch.addcmul(cosine_BQM.square(), sine_BQM, sine_BQM)
    integers = torch.int64 if power_BQM.dtype == torch.float64 else torch.int32
    frequencies = power_BQM.shape[1]
    places = (1 << (frequencies - 1).bit_length()) - 1
    index_Q1 = torch.arange(frequencies, dtype=integers, device=power_BQM.device)[:, None]
    key_BQM = (power_BQM.view(integers) & ~places) | index_Q1
    found = []
    for _ in range(count):
        index_B1M = key_BQM.amax(dim=1, keepdim=True) & places
        index_B1M = index_B1M.clamp_max(frequencies - 1).long()  # the bits of NaN carry none
        key_BQM.scatter_(1, index_B1M, -1)
        found.append(index_B1M)
    return torch.cat(found, dim=1)


def san_statistics(window_BLM: Tensor, slices: int) -> Tensor:
    """Mean and standard deviation (by n) of each slice, oldest first. [B, 2 S, M].

    Slices have L // S days each; days left over are the oldest, and left out.
    """
    days = window_BLM.shape[1] // slices
    used_BdM = window_BLM[:, -days * slices :]
    slice_BSdM = used_BdM.reshape(len(used_BdM), slices, days, -1)
    mean_BSM = slice_BSdM.mean(dim=2)
    variance_BSM = (slice_BSdM - mean_BSM[:, :, None]).square().mean(dim=2)
    return torch.cat([mean_BSM, (variance_BSM + TINY).sqrt()], dim=1)
