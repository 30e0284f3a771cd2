"""The driver's counters through NVML. What is missing or breaks becomes a reason in words."""

from __future__ import annotations

import time
import warnings
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from atft_core.gpu.reading import GpuProcess, GpuReading, throttle_words

FATAL = {
    48: "an ECC error that it cannot correct", 79: "it has fallen off the bus",
    95: "a memory error that it could not contain",
}  # fmt: skip
"""Faults of a card (NVIDIA's Xid numbers) after which only a reset helps."""
TOLERATED = 25
"""Failed readings in a row after which a GPU counts as lost."""
PCIE_CARDS = 4
"""Cards up to which the bus is read: each reading of it takes 20 ms of the sampler's time."""


class Fast(NamedTuple):
    """A fast reading: utilisation of the GPU and of its memory in %, power in W."""

    t: float
    sm: int
    memory: int
    power: float | None


@dataclass
class Gpu:
    """One card: its handle, what has been seen lately, and how often it failed in a row."""

    index: int
    name: str
    uuid: str
    handle: Any
    fast: deque[Fast]
    """What has been read lately, oldest first."""
    failures: int = 0
    fault: str = ""
    """Why its utilisation is not known right now."""
    xid: int | None = None
    """Newest fault that the driver reported."""
    fatal: int | None = None
    """The first one after which nothing can be computed; others follow it, mostly."""
    newest: GpuReading | None = None

    @property
    def lost(self) -> bool:
        """Whether it failed too often in a row to go on asking."""
        return self.failures >= TOLERATED

    @property
    def broken(self) -> str:
        """Why nothing can be computed on it until somebody resets it; empty where it works."""
        card = f"GPU {self.index} ({self.name})"
        if self.fatal is not None:
            return f"{card}: {FATAL[self.fatal]} (Xid {self.fatal})"
        return f"{card} does not answer: {self.fault}" if self.lost else ""


def _silent(nvml: Any) -> tuple[type[Exception], ...]:
    """Errors that say: this card, this driver or this user gets no answer to that question."""
    return (nvml.NVMLError_NotSupported, nvml.NVMLError_NoPermission,
            nvml.NVMLError_FunctionNotFound)  # fmt: skip


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
        self._events: Any = None
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
        self._events = self._watch_faults()

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
        except _silent(self._nvml):
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
        watt = None if power is None else power / 1000
        gpu.fast.append(Fast(time.time(), int(rates.gpu), int(rates.memory), watt))
        return True

    def read(self, gpu: Gpu) -> GpuReading | None:
        """Everything about one GPU; None when it could not be read."""
        nvml, handle = self._nvml, gpu.handle
        self._take_faults()  # first: a card that is lost says nothing else
        try:
            rates = self._ask(nvml.nvmlDeviceGetUtilizationRates, handle)
            memory = self._ask(nvml.nvmlDeviceGetMemoryInfo, handle)
            power = self._ask(nvml.nvmlDeviceGetPowerUsage, handle)
            heat = self._ask(nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU)
            clock = self._ask(nvml.nvmlDeviceGetClockInfo, handle, nvml.NVML_CLOCK_SM)
            more = self._read_more(gpu)
        except nvml.NVMLError as error:
            self._failed(gpu, error)
            return None
        gpu.newest = GpuReading(
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
            **more,
        )
        return gpu.newest

    def _read_more(self, gpu: Gpu) -> dict[str, Any]:
        """What says why a card is slow, ill or occupied."""
        nvml, handle = self._nvml, gpu.handle
        limit = self._ask(nvml.nvmlDeviceGetEnforcedPowerLimit, handle)
        reasons = self._ask(nvml.nvmlDeviceGetCurrentClocksEventReasons, handle)
        if reasons is None:  # the name before driver 535
            reasons = self._ask(nvml.nvmlDeviceGetCurrentClocksThrottleReasons, handle)
        running = self._ask(nvml.nvmlDeviceGetComputeRunningProcesses, handle)
        return {
            "power_limit": None if limit is None else limit / 1000,
            "mem_clock": self._ask(nvml.nvmlDeviceGetClockInfo, handle, nvml.NVML_CLOCK_MEM),
            "pcie_rx": self._bus(handle, nvml.NVML_PCIE_UTIL_RX_BYTES),
            "pcie_tx": self._bus(handle, nvml.NVML_PCIE_UTIL_TX_BYTES),
            "throttle": throttle_words(reasons),
            "ecc": self._ask(
                nvml.nvmlDeviceGetTotalEccErrors,
                handle,
                nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED,
                nvml.NVML_VOLATILE_ECC,
            ),
            "xid": gpu.xid,
            "processes": tuple(
                GpuProcess(int(each.pid), each.usedGpuMemory and int(each.usedGpuMemory))
                for each in running or ()
            ),
        }

    def _bus(self, handle: Any, direction: int) -> int | None:
        """Bytes a second over PCIe; NVML counts kilobytes."""
        if len(self.gpus) > PCIE_CARDS:
            return None
        found = self._ask(self._nvml.nvmlDeviceGetPcieThroughput, handle, direction)
        return None if found is None else int(found) * 1024

    def _watch_faults(self) -> Any | None:
        """The driver's reports of faults (Xid); None where it makes none."""
        nvml = self._nvml
        try:
            events = nvml.nvmlEventSetCreate()
            for gpu in self.gpus:
                nvml.nvmlDeviceRegisterEvents(
                    gpu.handle, nvml.nvmlEventTypeXidCriticalError, events
                )
        except nvml.NVMLError:
            return None
        return events

    def _take_faults(self) -> None:
        """Note the faults that were reported since the last look."""
        nvml = self._nvml
        while self._events is not None:
            try:
                event = nvml.nvmlEventSetWait_v2(self._events, 0)
                uuid = str(nvml.nvmlDeviceGetUUID(event.device))
            except nvml.NVMLError_Timeout:
                return
            except nvml.NVMLError:
                self._events = None  # a driver that failed here is not asked again
                return
            for gpu in self.gpus:
                if gpu.uuid == uuid:
                    gpu.xid = int(event.eventData)
                    gpu.fatal = gpu.fatal or (gpu.xid if gpu.xid in FATAL else None)

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
