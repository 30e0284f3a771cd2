"""bfloat16 as the upper half of a float32: numpy has no such type, the device has."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def to_bits(x: NDArray[np.float32]) -> NDArray[np.uint16]:
    """The nearest bfloat16 of each finite value, ties to even, as its 16 bits."""
    bits = np.ascontiguousarray(x, dtype=np.float32).view(np.uint32)
    odd = (bits >> np.uint32(16)) & np.uint32(1)
    return ((bits + np.uint32(0x7FFF) + odd) >> np.uint32(16)).astype(np.uint16)


def to_float32(stored: NDArray[Any]) -> NDArray[np.float32]:
    """The values of bfloat16 bits, exactly; float32 stays what it is."""
    if stored.dtype != np.uint16:
        return stored.astype(np.float32, copy=False)
    return (stored.astype(np.uint32) << np.uint32(16)).view(np.float32)
