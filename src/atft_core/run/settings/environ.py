"""Names in the environment that change a run, or once did, in one table.

The names of the original system keep their meaning where it still exists. A name that has none any
more is accepted and shown as inactive with the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

PREFIX = "ATFT_"


@dataclass(frozen=True)
class Applied:
    """A name that sets a key; `convert` raises ValueError on nonsense."""

    key: str
    convert: Callable[[str], Any] = str


@dataclass(frozen=True)
class Inactive:
    """A name that changes nothing; values other than `allowed` (empty: any) are errors."""

    why: str
    allowed: tuple[str, ...] = ()
    refusal: str = ""


def _flag(text: str) -> bool:
    known = {"0": False, "1": True, "false": False, "true": True}
    if text.lower() not in known:
        raise ValueError("must be 0 or 1")
    return known[text.lower()]


def _amp(text: str) -> str:
    return "auto" if _flag(text) else "off"


_ALWAYS_SPAWN = "every process is a fresh interpreter"
_RING_ONLY = "for the ring feed only; the others have no processes"
IDLE = {"data.workers": _RING_ONLY, "data.prefetch": _RING_ONLY}
"""Keys that are accepted and often change nothing, and why."""
ORIGINAL: dict[str, Applied | Inactive] = {
    "RANKIC_WEIGHT": Applied("loss.rank_ic", float),
    "CS_IC_WEIGHT": Applied("loss.cs_ic", float),
    "SHARPE_WEIGHT": Applied("loss.sharpe", float),
    "SPEARMAN_WEIGHT": Applied("loss.spearman", float),
    "PHASE_MAX_BATCHES": Applied("train.max_batches", int),
    "VAL_DEBUG_LOGGING": Applied("train.val_debug", _flag),
    "NUM_WORKERS": Applied("data.workers", int),
    "PREFETCH_FACTOR": Applied("data.prefetch", int),
    "USE_AMP": Applied("train.amp", _amp),
    "DL_SEED": Applied("train.seed", int),
    "MULTIPROCESSING_CONTEXT": Inactive(
        _ALWAYS_SPAWN, ("spawn",), "atft only spawns: fork deadlocks with threads"
    ),
    "MP_START_METHOD": Inactive(
        _ALWAYS_SPAWN, ("spawn",), "atft only spawns: fork deadlocks with threads"
    ),
    "PERSISTENT_WORKERS": Inactive("producers, where there are any, live as long as the trial"),
    "ALLOW_UNSAFE_DATALOADER": Inactive("there is no data loader to allow"),
    "FORCE_SINGLE_PROCESS": Inactive("data.feed decides: only the ring has processes"),
    "PIN_MEMORY": Inactive("memory is pinned wherever a GPU reads it"),
    "USE_RANKIC": Inactive(
        "loss.rank_ic decides", ("1", "true"), "set RANKIC_WEIGHT=0 to switch the term off"
    ),
    "MC_DROPOUT_VAL": Inactive(
        "validation never uses dropout", ("0", "false"), "validation never uses dropout"
    ),
    "INVERT_PREDICTION_SIGN": Inactive(
        "predictions are never negated", ("0", "false"), "predictions are never negated"
    ),
}
"""Names of the original system."""

OUTSIDE = (
    "CUDA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "GOMP_SPINCOUNT",
    "MKL_NUM_THREADS",
    "PYTORCH_CUDA_ALLOC_CONF",
    "PYTORCH_ALLOC_CONF",
    "CUBLAS_WORKSPACE_CONFIG",
    "XDG_CACHE_HOME",
    "XDG_STATE_HOME",
)
"""Names that others read and that change a run all the same; `atft doctor` shows them."""

FAMILIES = ("CUDA_", "NVIDIA_", "OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "TORCH", "PYTORCH_",
            "CUBLAS_", "NCCL_", "MALLOC_", "PYTHON", "LD_")  # fmt: skip
"""How names begin that libraries read and that may change a run."""

GIVEN = ("GOMP_SPINCOUNT", "TORCHINDUCTOR_CACHE_DIR", "MALLOC_MMAP_THRESHOLD_",
         "MALLOC_TRIM_THRESHOLD_", "PYTHONUNBUFFERED")  # fmt: skip
"""Names that the engine gives a worker which does not have them."""


def own_name(key: str) -> str:
    """The name that sets a dotted key."""
    return PREFIX + key.replace(".", "_").upper()


def matters(name: str) -> bool:
    """Whether a name may change a run."""
    return name in ORIGINAL or name in OUTSIDE or name.startswith((PREFIX, *FAMILIES))
