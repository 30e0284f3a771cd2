"""What a study may search: ranges and choices by dotted key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from atft_core.config.section import Section


class Range(Section):
    """A numeric search range."""

    low: float
    """Smallest value."""
    high: float
    """Largest value."""
    log: bool = False
    """Sample the logarithm."""

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if self.low >= self.high:
            raise ValueError(f"low = {self.low} must be below high = {self.high}")
        if self.log and self.low <= 0:
            raise ValueError("a logarithmic range starts above 0")
        return self


class Choice(Section):
    """A set of values to choose from."""

    choices: tuple[bool | int | float | str, ...] = Field(min_length=1)
    """The values."""


def default_search() -> dict[str, Range | Choice]:
    """The shipped search space; every key is a dotted config key."""
    return {
        "train.learning_rate": Range(low=3e-4, high=5e-3, log=True),
        "train.block_days": Choice(choices=(8, 16, 32)),
        "model.hidden": Choice(choices=(32, 64, 128)),
        "model.heads": Choice(choices=(2, 4, 8)),
        "model.layers": Choice(choices=(0, 1, 2)),
        "model.dropout": Range(low=0.1, high=0.6),
        "train.sparsity": Range(low=0.3, high=3.0, log=True),
        "loss.rank_ic": Range(low=0.3, high=0.7),
        "loss.cs_ic": Range(low=0.1, high=0.5),
        "loss.sharpe": Range(low=0.0, high=0.2),
        "loss.spearman": Range(low=0.0, high=0.3),
    }


FIXED = "fixed"
"""Typed for an entry: its key is not searched."""


def entry_text(entry: Range | Choice) -> str:
    """An entry as it is typed: `0.1..0.6`, `0.0003..0.005,log` or `8,16,32`."""
    if isinstance(entry, Choice):
        return ",".join(str(value) for value in entry.choices)
    return f"{entry.low:g}..{entry.high:g}{',log' if entry.log else ''}"


def with_entry(search: Mapping[str, Any], key: str, typed: Any) -> dict[str, Any]:
    """The search space with one entry changed; what is no entry is left for the validation."""
    changed = {name: entry for name, entry in search.items() if name != key}
    if typed == FIXED:
        return changed
    return changed | {key: _entry(typed) if isinstance(typed, str) else typed}


def _entry(text: str) -> Any:
    low, dots, high = text.removesuffix(",log").partition("..")
    if dots:
        return {"low": low, "high": high, "log": text.endswith(",log")}
    parts = (part.strip() for part in text.split(","))
    return {"choices": [_choice(part) for part in parts if part]}


def _choice(text: str) -> bool | int | float | str:
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
