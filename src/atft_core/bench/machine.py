"""On what a measurement was made."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from atft_core import __version__

LIBRARIES = ("torch", "numpy", "pyarrow", "polars", "pandas", "pyqlib", "pytorch-forecasting")


def machine() -> dict[str, Any]:
    """Processor, memory, GPU, versions, load and date, as JSON."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 2),
        "gpu": gpu,
        "python": platform.python_version(),
        "atft": __version__,
        "versions": {name: version for name in LIBRARIES if (version := _version(name))},
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
