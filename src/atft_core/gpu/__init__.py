"""What the GPUs do, from NVML.

Nothing here opens a CUDA context or holds GPU memory, and nothing raises because a driver or a card
is missing.
"""

from atft_core.gpu.nvml import Look, Nvml, read_once
from atft_core.gpu.reading import GpuProcess, GpuReading
from atft_core.gpu.sampler import GpuSampler, GpuSpan

__all__ = [
    "GpuProcess",
    "GpuReading",
    "GpuSampler",
    "GpuSpan",
    "Look",
    "Nvml",
    "read_once",
]
