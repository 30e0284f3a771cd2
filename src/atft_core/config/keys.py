"""Dotted keys of the configuration, such as `train.learning_rate`, and how to get and set them."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from pydantic import BaseModel

from atft_core.config.schema import Config
from atft_core.config.section import Section

Nested = dict[str, Any]
TABLES = ("loss.own", "command.params")
"""Keys that hold a table, of which each entry can be searched: loss.own.NAME."""


def _leaves() -> Iterator[tuple[str, str]]:
    for name, field in Config.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            for key, inner in kind.model_fields.items():
                yield f"{name}.{key}", " ".join((inner.description or "").split())
        else:
            yield name, " ".join((field.description or "").split())


DESCRIPTIONS: dict[str, str] = dict(_leaves())
"""Every key that can be set and what it means. `search` is one key: files replace it as a
whole; `search.KEY` on the command line changes one entry."""


def flatten(nested: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys of a nested mapping; unknown keys are kept, for the caller to complain about."""
    flat: dict[str, Any] = {}
    for section, value in nested.items():
        if isinstance(value, Mapping) and section not in DESCRIPTIONS:
            flat |= {f"{section}.{key}": inner for key, inner in value.items()}
        else:
            flat[section] = value
    return flat


def nest(flat: Mapping[str, Any]) -> Nested:
    """The nested form of dotted keys."""
    nested: Nested = {}
    for key, value in flat.items():
        section, _, rest = key.partition(".")
        if rest:
            nested.setdefault(section, {})[rest] = value
        else:
            nested[section] = value
    return nested


def get(config: Config, key: str) -> Any:
    """The value at a dotted key; of an entry that its table does not have 0."""
    table, name = entry_of(key)
    value: Any = config
    for part in (table or key).split("."):
        value = getattr(value, part)
    return value.get(name, 0.0) if table else value


def known(key: str) -> bool:
    """Whether a trial can have a value of its own at this key."""
    return key in DESCRIPTIONS or bool(entry_of(key)[0])


def replaced(flat: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Flat keys with some replaced; one entry of a table leaves the others."""
    found = dict(flat)
    for key, value in values.items():
        table, name = entry_of(key)
        if table:
            found[table] = {**found.get(table, {}), name: value}
        else:
            found[key] = value
    return found


def entry_of(key: str) -> tuple[str, str]:
    """The table of a key, and its name there; empty for any other key."""
    table, _, name = key.rpartition(".")
    return (table, name) if table in TABLES and name else ("", "")


def dump(config: BaseModel) -> Nested:
    """A configuration as JSON values."""
    return config.model_dump(mode="json")


def parse_value(text: str) -> Any:
    """A value as typed: an array, a table or quoted text as in TOML, all else as it stands."""
    text = text.strip()
    if text[:1] in ("[", "{", '"', "'"):
        with suppress(ValueError):
            return tomllib.loads(f"value = {text}")["value"]
    return text


def suggestion(key: str) -> str:
    """A hint at the nearest key for one that does not exist, or nothing."""
    close = difflib.get_close_matches(key, DESCRIPTIONS, n=1, cutoff=0.6)
    if not close:
        last = {name.rpartition(".")[2]: name for name in DESCRIPTIONS}
        close = [last[n] for n in difflib.get_close_matches(key.rpartition(".")[2], last, n=1)]
    return f" (did you mean {close[0]}?)" if close else ""
