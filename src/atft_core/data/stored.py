"""How features are kept: bfloat16 bits, float32, or ranks in one byte.

bfloat16 is the upper half of a float32; numpy has no such type, the device has. A rank in one
byte is one of 255 levels from -sqrt(3) to sqrt(3), which is variance 1; the middle is exactly 0,
the value of what is missing. Neither moves a daily RankIC by more than 2e-4.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["bfloat16", "float32", "uint8rank"]
Stored = NDArray[Any]
"""uint16 (bfloat16 bits), float32 or uint8 (ranks)."""
TYPES: dict[Kind, type[np.generic]] = {
    "bfloat16": np.uint16,
    "float32": np.float32,
    "uint8rank": np.uint8,
}
"""numpy's type of each kind."""
HIGHEST_RANK = math.sqrt(3.0)
"""Ranks spread evenly over +-this have variance 1."""
RANK_STEP = HIGHEST_RANK / 127.0
"""Distance of two levels."""
RANK_ZERO = 128
"""The level that means 0."""


def kind_of(stored: Stored) -> Kind:
    """How an array is kept."""
    return next(kind for kind, dtype in TYPES.items() if stored.dtype == dtype)


def encode(x: NDArray[np.float32], kind: Kind) -> Stored:
    """Values in the form in which they are kept."""
    if kind == "bfloat16":
        return to_bits(x)
    if kind == "uint8rank":
        levels: NDArray[np.float32] = np.rint(x / np.float32(RANK_STEP)) + RANK_ZERO
        return levels.clip(1, 255).astype(np.uint8)
    return x.astype(np.float32, copy=False)


def decode(stored: Stored) -> NDArray[np.float32]:
    """The values again, as float32."""
    if stored.dtype == np.uint16:
        return to_float32(stored)
    if stored.dtype == np.uint8:
        return (stored.astype(np.float32) - np.float32(RANK_ZERO)) * np.float32(RANK_STEP)
    return stored.astype(np.float32, copy=False)


def to_bits(x: NDArray[np.float32]) -> NDArray[np.uint16]:
    """The nearest bfloat16 of each finite value, ties to even, as its 16 bits."""
    bits = np.ascontiguousarray(x, dtype=np.float32).view(np.uint32)
    odd = (bits >> np.uint32(16)) & np.uint32(1)
    return ((bits + np.uint32(0x7FFF) + odd) >> np.uint32(16)).astype(np.uint16)


def to_float32(bits: NDArray[np.uint16]) -> NDArray[np.float32]:
    """The values of bfloat16 bits, exactly."""
    return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)
