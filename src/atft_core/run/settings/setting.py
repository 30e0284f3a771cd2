"""One setting and how it differs on its way from the request to the process."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from enum import StrEnum


class Mark(StrEnum):
    """What became of a request."""

    SAME = "same"
    DIFFERS = "differs"
    SAMPLED = "sampled"
    """The study drew it from the search space."""
    CHOSEN = "chosen"
    """The request left it to the worker."""
    INACTIVE = "inactive"
    """It changes nothing here."""


GLYPH = {
    Mark.SAME: "  ", Mark.DIFFERS: "!=", Mark.SAMPLED: "~ ", Mark.CHOSEN: "=>", Mark.INACTIVE: "--",
}  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """One key or name; None: not known, or there is none."""

    section: str
    key: str
    requested: object = None
    origin: str = ""
    """Where the request comes from."""
    trial: object = None
    """What was decided for the trial."""
    worker: object = None
    """What its worker, or its process, really has."""
    mark: Mark = Mark.SAME
    note: str = ""


def same(a: object, b: object) -> bool:
    """Whether two values mean the same, whoever wrote them: 1 and 1.0, a path and its text."""
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if _number(a) and _number(b):
        return math.isclose(float(str(a)), float(str(b)), rel_tol=1e-9)
    return written(a) == written(b)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def written(value: object) -> str:
    """A value on one line; empty: not known."""
    match value:
        case None | "":
            return ""
        case bool() | float():
            return f"{value:.6g}" if isinstance(value, float) else str(value).lower()
        case {"low": low, "high": high, **rest}:
            return f"{written(low)} .. {written(high)}" + " log" * bool(rest.get("log"))
        case dict() | list() | tuple():
            return json.dumps(
                value.get("choices", value) if isinstance(value, dict) else value, default=str
            )
    return str(value)
