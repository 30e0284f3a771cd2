"""Environment names that may change a run, in one table.

The names of the original system keep their meaning where it still exists. A name that has none any
more is accepted and shown as inactive with the reason; one that asks for what atft never does, or
that contradicts another, is an error. Workers read config.toml and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from atft_core.config.keys import DESCRIPTIONS, parse_value, suggestion
from atft_core.errors import ConfigError

PREFIX = "ATFT_"
_OTHERS = ("ATFT_NOTIFY", "ATFT_ALERT_")
"""Beginnings of names that are about alerts (docs/console.md) and change no run."""
Status = Literal["applied", "accepted, inactive"]


@dataclass(frozen=True)
class Notice:
    """What became of one environment name."""

    name: str
    value: str
    status: Status
    detail: str
    """The key it was applied to, or why it does nothing."""
    key: str = ""
    """The key that it sets."""


def outdone(notice: Notice, origins: Mapping[str, str]) -> Notice:
    """The notice, told again where a flag won over the environment."""
    winner = origins.get(notice.key, "environment")
    if winner == "environment":
        return notice
    return replace(notice, status="accepted, inactive", detail=f"{notice.key} is set by {winner}")


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

_OWN: dict[str, str] = {PREFIX + key.replace(".", "_").upper(): key for key in DESCRIPTIONS}


def read_environment(environ: Mapping[str, str]) -> tuple[dict[str, Any], list[Notice]]:
    """Values by dotted key, and what became of every name that is known. ConfigError on nonsense.

    ATFT_TRAIN_MAX_EPOCHS and the like set any key and win over a name of the original system.
    """
    values: dict[str, Any] = {}
    notices: list[Notice] = []
    for name, rule in ORIGINAL.items():
        if name in environ:
            notices.append(_original(name, environ[name], rule, values))
    for name in sorted(n for n in environ if n.startswith(PREFIX) and not n.startswith(_OTHERS)):
        if name not in _OWN:
            key = name.removeprefix(PREFIX).lower().replace("_", ".", 1)
            raise ConfigError(
                f"Environment: {name} is not a setting of atft{suggestion(key)}.",
                hint=f"unset {name}, or see `atft config show` for the keys.",
            )
        notices = [_superseded(notice, _OWN[name], name) for notice in notices]
        values[_OWN[name]] = parse_value(environ[name])
        notices.append(_set(name, environ[name], _OWN[name]))
    _refuse_contradiction(environ, values)
    return values, notices


def _set(name: str, text: str, key: str) -> Notice:
    """The notice of a name that sets a key, whether or not the key has an effect."""
    if key in IDLE:
        return Notice(name, text, "accepted, inactive", f"{key}; {IDLE[key]}", key)
    return Notice(name, text, "applied", key, key)


def _superseded(notice: Notice, key: str, name: str) -> Notice:
    if notice.key != key:
        return notice
    return replace(notice, status="accepted, inactive", detail=f"{key} is set by {name}")


def _refuse_contradiction(environ: Mapping[str, str], values: Mapping[str, Any]) -> None:
    """USE_RANKIC asks for the term that RANKIC_WEIGHT=0 switches off."""
    if "USE_RANKIC" in environ and values.get("loss.rank_ic") == 0:
        raise ConfigError(
            "Environment: USE_RANKIC=1 and a RankIC weight of 0 contradict each other.",
            hint="unset USE_RANKIC, or give RANKIC_WEIGHT a value.",
        )


def _original(name: str, text: str, rule: Applied | Inactive, values: dict[str, Any]) -> Notice:
    if isinstance(rule, Applied):
        try:
            values[rule.key] = rule.convert(text)
        except ValueError as error:
            raise ConfigError(
                f"Environment: {name}={text!r} is not a value for {rule.key} ({error}).",
                hint=f"unset {name}, or set {rule.key} in the config file.",
            ) from error
        return _set(name, text, rule.key)
    if rule.allowed and text.lower() not in rule.allowed:
        raise ConfigError(
            f"Environment: {name}={text!r} asks for something atft does not do: {rule.refusal}.",
            hint=f"unset {name}.",
        )
    return Notice(name, text, "accepted, inactive", rule.why)
