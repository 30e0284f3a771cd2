"""The driver's counters through NVML. What is missing or breaks becomes a reason in words."""

from __future__ import annotations

import time
import warnings
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

TOLERATED = 25
"""Failed readings in a row after which a GPU counts as lost."""


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


@dataclass
class Gpu:
    """One card: its handle, what has been seen lately, and how often it failed in a row."""

    index: int
    name: str
    uuid: str
    handle: Any
    fast: deque[tuple[float, int, float | None]]
    """(time, utilisation, power)"""
    failures: int = 0
    fault: str = ""
    """Why its utilisation is not known right now."""

    @property
    def lost(self) -> bool:
        """Whether it failed too often in a row to go on asking."""
        return self.failures >= TOLERATED


def _import_pynvml() -> Any:
    """The module; the retired distribution of the same name warns on import."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        import pynvml
    return pynvml


class Nvml:
    """The driver's counters, open from construction to `close`."""

    def __init__(self, ring: int = 1) -> None:
        """Open NVML and find the GPUs; each keeps `ring` fast readings."""
        self.gpus: list[Gpu] = []
        self._faults: list[str] = []
        self._open = False
        try:
            self._nvml = _import_pynvml()
        except ImportError:
            self._faults.append("the Python module pynvml (nvidia-ml-py) is not installed")
            return
        try:
            self._nvml.nvmlInit()
            self._open = True
            count = int(self._nvml.nvmlDeviceGetCount())
        except self._nvml.NVMLError_LibraryNotFound:
            self._faults.append("no NVML (libnvidia-ml.so.1 is not installed: no NVIDIA driver)")
            return
        except self._nvml.NVMLError as error:
            self._faults.append(f"NVML does not work: {error}")
            return
        for index in range(count):
            self._find(index, ring)
        if not count:
            self._faults.append("NVML finds no GPU")

    def _find(self, index: int, ring: int) -> None:
        nvml = self._nvml
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            name, uuid = nvml.nvmlDeviceGetName(handle), nvml.nvmlDeviceGetUUID(handle)
        except nvml.NVMLError as error:
            self._faults.append(f"GPU {index} cannot be found: {error}")
        else:
            self.gpus.append(Gpu(index, str(name), str(uuid), handle, deque(maxlen=ring)))

    @property
    def reason(self) -> str:
        """Why nothing can be read, or which GPU cannot; empty while all is well."""
        return "; ".join([*self._faults, *(gpu.fault for gpu in self.gpus if gpu.fault)])

    def _ask(self, function: Callable[..., Any], *args: Any) -> Any | None:
        """A counter, None where this card does not have it or does not show it."""
        try:
            return function(*args)
        except (self._nvml.NVMLError_NotSupported, self._nvml.NVMLError_NoPermission):
            return None

    def sample(self, gpu: Gpu) -> bool:
        """Add one fast reading of a GPU to its ring; False when it could not be read."""
        try:
            rates = self._ask(self._nvml.nvmlDeviceGetUtilizationRates, gpu.handle)
            power = self._ask(self._nvml.nvmlDeviceGetPowerUsage, gpu.handle)
        except self._nvml.NVMLError as error:
            self._failed(gpu, error)
            return False
        gpu.failures, gpu.fault = 0, ""
        if rates is None:
            gpu.fault = f"GPU {gpu.index} ({gpu.name}) does not tell its utilisation (MIG?)"
            return False
        gpu.fast.append((time.time(), int(rates.gpu), None if power is None else power / 1000))
        return True

    def read(self, gpu: Gpu) -> GpuReading | None:
        """Everything about one GPU; None when it could not be read."""
        nvml, handle = self._nvml, gpu.handle
        try:
            rates = self._ask(nvml.nvmlDeviceGetUtilizationRates, handle)
            memory = self._ask(nvml.nvmlDeviceGetMemoryInfo, handle)
            power = self._ask(nvml.nvmlDeviceGetPowerUsage, handle)
            heat = self._ask(nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU)
            clock = self._ask(nvml.nvmlDeviceGetClockInfo, handle, nvml.NVML_CLOCK_SM)
        except nvml.NVMLError as error:
            self._failed(gpu, error)
            return None
        return GpuReading(
            t=round(time.time(), 3),
            gpu=gpu.index,
            name=gpu.name,
            sm=None if rates is None else int(rates.gpu),
            mem_util=None if rates is None else int(rates.memory),
            mem_used=None if memory is None else int(memory.used),
            mem_total=None if memory is None else int(memory.total),
            power=None if power is None else power / 1000,
            temperature=heat,
            sm_clock=clock,
        )

    def _failed(self, gpu: Gpu, error: Exception) -> None:
        gpu.failures += 1
        gpu.fault = f"GPU {gpu.index} ({gpu.name}) cannot be read: {error}"

    def close(self) -> None:
        """Give the driver's library back."""
        if self._open:
            self._open = False
            try:
                self._nvml.nvmlShutdown()
            except self._nvml.NVMLError as error:
                self._faults.append(f"NVML does not close: {error}")


class Look(NamedTuple):
    """All GPUs that could be read, and in words what is missing."""

    gpus: list[GpuReading]
    reason: str


def read_once() -> Look:
    """One look at all GPUs, for a screen before a run; no evidence."""
    nvml = Nvml()
    readings = [reading for gpu in nvml.gpus if (reading := nvml.read(gpu)) is not None]
    nvml.close()
    return Look(readings, nvml.reason)
