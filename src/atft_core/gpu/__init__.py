"""What the GPUs do, from NVML; on a box without it, what the processes do.

Nothing here opens a CUDA context or holds GPU memory, and nothing raises because a driver, a card
or a process is missing.
"""

from atft_core.gpu.nvml import GpuReading, Look, Nvml, read_once
from atft_core.gpu.sampler import GpuSampler, GpuSpan
from atft_core.gpu.tree import TreeReading, cpu_tree

__all__ = [
    "GpuReading",
    "GpuSampler",
    "GpuSpan",
    "Look",
    "Nvml",
    "TreeReading",
    "cpu_tree",
    "read_once",
]
