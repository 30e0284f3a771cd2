"""The configuration of a run: values from several places, and where each came from.

Precedence, highest first: flag, environment, --config file, runbook, ./atft.toml, default.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from atft_core.config.environment import Notice, outdone, read_environment
from atft_core.config.keys import (
    DESCRIPTIONS,
    dump,
    entry_of,
    flatten,
    known,
    nest,
    parse_value,
    replaced,
    suggestion,
)
from atft_core.config.schema import Config
from atft_core.config.search import default_search, with_entry
from atft_core.config.secret import redacted
from atft_core.errors import ConfigError
from atft_core.run.files import read_regular
from atft_core.run.shipped import shipped
from atft_core.run.user import absolute, unwritable

_DEFAULT_SEARCH = {key: dump(entry) for key, entry in default_search().items()}
PROJECT_FILE = Path("atft.toml")


@dataclass(frozen=True)
class Layer:
    """Values from one place, by dotted key."""

    origin: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Resolved:
    """A configuration with the origin of every key."""

    config: Config
    origins: dict[str, str]
    notices: list[Notice] = field(default_factory=list)


def read_toml(path: Path, read: Callable[[Path], bytes] = Path.read_bytes) -> dict[str, Any]:
    """A TOML file as dotted keys; ConfigError says what is wrong with it.

    `read`: how, where a pipe is not to be waited for.
    """
    try:
        return flatten(tomllib.loads(read(path).decode()))
    except FileNotFoundError as error:
        raise ConfigError(f"There is no config file {path}.") from error
    except ValueError as error:  # no TOML, no UTF-8, a number of ten thousand digits
        raise ConfigError(f"{path} is not valid TOML: {error}.") from error
    except OSError as error:
        raise ConfigError(f"Cannot read {path}: {error.strerror}.") from error


def parse_assignment(text: str) -> tuple[str, Any]:
    """`train.max_epochs=5` as a key and a value."""
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--set {text!r} has no '='.", hint="Write --set train.max_epochs=5")
    return key.strip(), parse_value(value)


def resolve(
    *,
    config_files: Sequence[Path] = (),
    runbook: Mapping[str, Any] | None = None,
    runbook_name: str = "runbook",
    assignments: Sequence[str] = (),
    flags: Mapping[str, Any] | None = None,
    plugins: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    project: bool = True,
) -> Resolved:
    """Merge all layers; `runbook` is nested, `flags` dotted. ConfigError names key and origin.

    Of several files the last wins. `plugins`: files beside those that the configuration names;
    `project`: whether the file of the current directory counts.
    """
    from_environment, notices = read_environment(os.environ if environ is None else environ)
    layers = []
    if project and PROJECT_FILE.is_file():
        layers.append(Layer(str(PROJECT_FILE), read_toml(PROJECT_FILE)))
    layers.append(Layer(runbook_name, flatten(runbook or {})))
    for file in map(_preset_or_file, config_files):
        layers.append(Layer(str(file), read_toml(file)))
    layers.append(Layer("environment", from_environment))
    layers.append(Layer("--set", dict(parse_assignment(text) for text in assignments)))
    layers.append(Layer("flag", flags or {}))
    config, origins = merge(layers)
    if plugins:
        files = list(dict.fromkeys([*config.plugins.files, *plugins]))
        config, origins = merge([*layers, Layer("--plugin", {"plugins.files": files})])
    return Resolved(config, origins, [outdone(notice, origins) for notice in notices])


def _preset_or_file(path: Path) -> Path:
    """The file, or the preset that comes with atft under this name, as objective/rank."""
    return path if path.exists() or path.suffix else shipped(f"{path}.toml")


def merge(layers: Sequence[Layer]) -> tuple[Config, dict[str, str]]:
    """Later layers win; the panel's path becomes absolute."""
    values: dict[str, Any] = {}
    origins = dict.fromkeys(DESCRIPTIONS, "default")
    for layer in layers:
        for key, value in layer.values.items():
            entry = key.removeprefix("search.")
            if entry != key:  # one line of the search space; a file replaces all of it
                space = values.get("search", {} if values.get("command.argv") else _DEFAULT_SEARCH)
                key, value = "search", with_entry(space, entry, value)  # noqa: PLW2901
            table, name = entry_of(key)
            if table:  # one entry of a table; the others stay
                key, value = table, {**values.get(table, {}), name: value}  # noqa: PLW2901
            _refuse(layer.origin, key, value)
            values[key], origins[key] = value, layer.origin
    config = _validated(values, origins)
    return with_values(config, {"data.path": str(absolute(config.data.path))}), origins


def _refuse(origin: str, key: str, value: Any) -> None:
    """A key that does not exist, and text that config.toml could not keep."""
    if key not in DESCRIPTIONS:
        raise ConfigError(
            f"{origin}: unknown key {key}{suggestion(key)}.",
            hint="`atft config show` lists every key.",
        )
    if any(unwritable(text) for text in _texts(value)):
        raise ConfigError(f"{origin}: {key} = {value!r} is not plain UTF-8 text.")


def _texts(value: Any) -> Iterator[str]:
    """All text in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from (str(key), *_texts(inner))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)


def _validated(values: Mapping[str, Any], origins: Mapping[str, str]) -> Config:
    try:
        return Config.model_validate(nest(values))
    except ValidationError as error:
        complaints: dict[str, list[str]] = {}
        for problem in error.errors():
            about, message = _complaint(problem, values, origins)
            complaints.setdefault(about, []).append(message)
        raise ConfigError(
            "\n".join(f"{about}{_either(messages)}." for about, messages in complaints.items()),
            hint="`atft config show` lists every key with its value.",
        ) from error


def _either(messages: Sequence[str]) -> str:
    """What is wrong with a value that fits none of several forms."""
    first, *others = dict.fromkeys(messages)
    return " or ".join([first, *(text.removeprefix("Input should be ") for text in others)])


def _complaint(
    problem: Mapping[str, Any], values: Mapping[str, Any], origins: Mapping[str, str]
) -> tuple[str, str]:
    """Which key, and what is wrong; a search entry that fits neither form is told of once."""
    location = [str(part) for part in problem["loc"]]
    message = str(problem["msg"]).removeprefix("Value error, ")
    if location[:1] == ["search"]:
        given = values["search"]
        return f"{origins['search']}: search {location[1:2]} = {given!r} is neither ", (
            "{ low, high, log } with low < high nor { choices }"
        )
    name = next((k for k in (".".join(location[:2]), *location[:1]) if k in values), "")
    if name:
        given = redacted(repr(values[name]))
        # Beyond the key: the place in a list is news, pydantic's name for an alternative is not.
        inner = [part for part in location[name.count(".") + 1 :] if part.isdecimal()]
        return f"{origins[name]}: {'.'.join([name, *inner])} = {given}: ", message
    return f"{'.'.join(location)}: " if location else "", message


def with_values(config: Config, values: Mapping[str, Any]) -> Config:
    """The configuration with some dotted keys replaced; ConfigError when that cannot be."""
    flat = flatten(dump(config))
    for key in values:
        if not known(key):
            raise ConfigError(f"unknown key {key}{suggestion(key)}.")
    return _validated(replaced(flat, values), dict.fromkeys(DESCRIPTIONS, "trial"))


def read_resolved(path: Path) -> Config:
    """The configuration that config.toml of a run holds."""
    values = read_toml(path, read_regular)
    for key, value in values.items():
        _refuse(str(path), key, value)
    return _validated(values, dict.fromkeys(DESCRIPTIONS, str(path)))
