"""What a run was asked to do: config.toml with the origin of every key."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from atft_core.run.files import read_regular
from atft_core.run.shipped import folders

_MARK = " # "
"""Between a value and its origin."""
_UNSET = re.compile(r"# (\w+) is not set")
"""TOML has no word for it."""


@dataclass(frozen=True)
class Requested:
    """Values by dotted key, and where each came from."""

    values: dict[str, object] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    search: dict[str, object] = field(default_factory=dict)
    """Ranges and choices by dotted key."""
    trouble: str = ""
    """Why nothing is known."""


def read_requested(path: Path) -> Requested:
    """The configuration as it was written when the run began."""
    try:
        text = read_regular(path).decode()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        return Requested(trouble=f"{path.name} cannot be read: {why}")
    found = Requested()
    section = ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif (pair := _pair(line)) is not None:
            _note(found, section, *pair)
    return found


def _note(found: Requested, section: str, name: str, value: object, origin: str) -> None:
    if section == "search":
        found.search[name] = value
        found.origins.setdefault("search", origin)
        return
    found.values[f"{section}.{name}"], found.origins[f"{section}.{name}"] = value, origin


def _pair(line: str) -> tuple[str, object, str] | None:
    """Name, value and origin of a line; the first mark behind which the rest is TOML ends it."""
    if unset := _UNSET.fullmatch(line):
        return unset[1], None, ""
    if line.startswith("#") or "=" not in line:
        return None
    place = line.find(_MARK)
    while True:
        head, tail = (line[:place], line[place + len(_MARK) :]) if place >= 0 else (line, "")
        try:
            ((name, value),) = tomllib.loads(head).items()
        except ValueError:
            if place < 0:
                return None
            place = line.find(_MARK, place + 1)
            continue
        return name, value, origin_of(tail.strip())


def origin_of(text: str) -> str:
    """An origin as a person names it: a preset by its name instead of its path."""
    path = Path(text)
    for folder in folders():
        if path.is_relative_to(folder):
            return f"preset {path.relative_to(folder).with_suffix('')}"
    return text
