"""A configuration as TOML that reads back as the same configuration, origins as comments."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from atft_core.config.keys import DESCRIPTIONS, get
from atft_core.config.schema import Config
from atft_core.config.section import Section
from atft_core.run.foreign import clean

_WIDTH = 44


def toml_value(value: Any) -> str:
    """One value in TOML's syntax."""
    match value:
        case bool():
            text = "true" if value else "false"
        case int() | float():
            text = repr(value)
        case date():
            text = value.isoformat()
        case Section():
            text = toml_value(value.model_dump())
        case Mapping():
            inner = ", ".join(f"{json.dumps(str(k))} = {toml_value(v)}" for k, v in value.items())
            text = f"{{ {inner} }}" if inner else "{}"
        case tuple() | list():
            text = f"[{', '.join(toml_value(v) for v in value)}]"
        case _:
            text = json.dumps(str(value), ensure_ascii=False)
    return text


def to_toml(config: Config, origins: Mapping[str, str], *, describe: bool = False) -> str:
    """Every key in its section; with `describe`, each with its documentation above it."""
    lines: list[str] = []
    section = ""
    for key, text in DESCRIPTIONS.items():
        if key == "search":
            continue
        name, _, rest = key.partition(".")
        if name != section:
            lines += [""] * bool(lines) + [f"[{name}]"]
            section = name
        if describe:
            lines.append(f"# {text}")
        lines.append(_line(rest, get(config, key), origins.get(key, "")))
    lines += ["", "[search]"] + [f"# {DESCRIPTIONS['search']}"] * describe
    lines += _search(config, origins.get("search", ""))
    return "\n".join(lines) + "\n"


def _search(config: Config, origin: str) -> list[str]:
    return [_line(json.dumps(key), value, origin) for key, value in config.search.items()]


def _line(name: str, value: Any, origin: str) -> str:
    if value is None:
        return f"# {name} is not set"
    text = f"{name} = {toml_value(value)}"
    return f"{text:<{_WIDTH}} # {clean(origin)}" if origin else text
