"""`atft doctor`: is this machine fit for a night of compute?"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import multiprocessing
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from atft_core import __version__
from atft_core.cli.output import print_json, say, table
from atft_core.config.environment import read_environment
from atft_core.errors import ConfigError
from atft_core.run import user
from atft_core.run.settings.environ import OUTSIDE
from atft_core.run.wording import size

_PACKAGES = ("torch", "optuna", "polars", "pyarrow", "numpy", "scipy", "textual", "pydantic",
             "psutil", "safetensors", "nvidia-ml-py")  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    name: str
    verdict: Literal["ok", "note", "error"]
    detail: str


def show(*, as_json: bool) -> int:
    """Print the report; 1 when something that every run needs is missing."""
    findings = [finding for probe in PROBES for finding in probe()]
    bad = any(finding.verdict == "error" for finding in findings)
    if as_json:
        print_json({"ok": not bad, "findings": [asdict(finding) for finding in findings]})
    else:
        say(table([[f.verdict, f.name, f.detail] for f in findings]))
    return 1 if bad else 0


def _versions() -> Iterator[Finding]:
    yield Finding("atft", "ok", f"{__version__} in {Path(__file__).resolve().parents[1]}")
    yield Finding("python", "ok", f"{platform.python_version()} {sys.executable}")
    for name in _PACKAGES:
        try:
            yield Finding(name, "ok", importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Finding(name, "error", "not installed; pip install atft again")
    if importlib.util.find_spec("pynvml_utils") is not None:
        yield Finding("pynvml", "note", "the deprecated distribution pynvml is installed too")


def _device() -> Iterator[Finding]:
    import torch

    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU build"
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        yield Finding("torch device", "ok", f"{build}, {', '.join(names)}")
    else:
        yield Finding("torch device", "note", f"{build}, no GPU usable: trials run on the CPU")


def _nvml() -> Iterator[Finding]:
    from atft_core.gpu import read_once
    from atft_core.gpu.holders import holders

    reading = read_once()
    if reading.reason:
        yield Finding("NVML", "note", f"{reading.reason}: GPU criteria will stay UNKNOWN")
    for gpu in reading.gpus:
        yield Finding("NVML", "ok", f"{gpu.name}, {size(gpu.mem_total or 0)}")
    for held in holders():
        yield Finding("NVML", "note", held.text)


def _compiler() -> Iterator[Finding]:
    found = next((path for name in ("cc", "gcc", "clang") if (path := shutil.which(name))), None)
    detail = found or "none: steps run eagerly, which is slower on a GPU and no error"
    yield Finding("C compiler", "ok" if found else "note", detail)


def _disk() -> Iterator[Finding]:
    for name, path in (("disk here", Path.cwd()), ("disk of the cache", user.cache())):
        existing = next(p for p in (path, *path.parents) if p.exists())
        free = shutil.disk_usage(existing).free
        yield Finding(name, "ok" if free > 2**30 else "note", f"{size(free)} free in {existing}")


def _processes() -> Iterator[Finding]:
    cores = len(os.sched_getaffinity(0))
    yield Finding("cores", "ok", f"{cores} usable of {os.cpu_count()}")
    default = multiprocessing.get_start_method(allow_none=True) or "not set"
    yield Finding("start method", "ok", f"spawn in every worker (default here: {default})")


def _environment() -> Iterator[Finding]:
    try:
        _, notices = read_environment(os.environ)
    except ConfigError as error:
        yield Finding("environment", "error", str(error).replace("\n", " "))
        return
    for notice in notices:
        yield Finding(notice.name, "note", f"{notice.value}: {notice.status} ({notice.detail})")
    for name in OUTSIDE:
        if name in os.environ:
            yield Finding(name, "note", f"{os.environ[name]}: read by others, changes a run")


PROBES: tuple[Callable[[], Iterator[Finding]], ...] = (
    _versions,
    _device,
    _nvml,
    _compiler,
    _disk,
    _processes,
    _environment,
)
"""One probe per subject, in the order of the report."""
