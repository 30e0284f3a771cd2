"""What is read of one GPU at one moment."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GpuProcess:
    """A process that computes on a GPU."""

    pid: int
    mem: int | None
    """Bytes; None where the driver does not tell (MIG, containers)."""


@dataclass(frozen=True)
class GpuReading:
    """One GPU at one moment; None where the card does not tell. Bytes, W, degrees C, MHz, %."""

    t: float
    gpu: int
    name: str
    sm: int | None
    mem_util: int | None
    mem_used: int | None
    mem_total: int | None
    power: float | None
    temperature: int | None
    sm_clock: int | None
    power_limit: float | None = None
    mem_clock: int | None = None
    pcie_rx: int | None = None
    """Bytes a second to the card, over 20 ms."""
    pcie_tx: int | None = None
    throttle: tuple[str, ...] = ()
    """Why its clocks are held down; being idle is no reason."""
    ecc: int | None = None
    """Memory errors that could not be corrected, since the driver was loaded."""
    xid: int | None = None
    """Newest Xid, the driver's number of a fault, since it is watched."""
    processes: tuple[GpuProcess, ...] = ()


_REASONS = {
    0x04: "power cap", 0x08: "hardware slowdown", 0x20: "heat (software)",
    0x40: "heat (hardware)", 0x80: "power brake",
}  # fmt: skip
"""Bits of nvmlDeviceGetCurrentClocksEventReasons that cost speed."""


def throttle_words(bits: int | None) -> tuple[str, ...]:
    """The reasons of a mask in words."""
    return tuple(word for bit, word in _REASONS.items() if (bits or 0) & bit)
