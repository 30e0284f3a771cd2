"""TOML read strictly: every key is taken by type, and what nobody takes is an error."""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from atft_core.errors import UsageError
from atft_core.run.directory import NAME
from atft_core.run.stages import nearest_first

Table = dict[str, Any]
REQUIRED: Any = object()
"""Default of a key that has none."""
_NAME: dict[type[Any], str] = {
    str: "text", bool: "true or false", int: "a whole number", float: "a number",
    list: "an array", dict: "a table",
}  # fmt: skip
_EXAMPLE: dict[type[Any], str] = {
    str: '"..."', bool: "true", int: "5", float: "0.5", list: "[]", dict: "{}",
}  # fmt: skip


def parse(path: Path) -> Table:
    """The content of a TOML file; a UsageError when there is none."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        hint = "`--runbook` takes a TOML file; without it the shipped runbook.toml is used."
        raise UsageError(f"There is no runbook {path}.", hint=hint) from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"The runbook {path} cannot be read: {getattr(error, 'strerror', 'not UTF-8')}.",
            hint="Name a readable TOML file with --runbook.",
        ) from error
    except ValueError as error:
        raise UsageError(f"{path} is not TOML: {error}.", hint="Correct that place.") from error


class TableReader:
    """One table of a file."""

    def __init__(self, path: Path, where: str, table: Table) -> None:
        self.path, self.where, self._left = path, where, dict(table)
        self._known: list[str] = []

    def error(self, message: str, hint: str) -> UsageError:
        """An error that says where in which file."""
        where = f"{self.path}: {self.where}" if self.where else f"{self.path}"
        return UsageError(f"{where}: {message}", hint=hint)

    def sub(self, where: str, table: Table) -> TableReader:
        """A reader of a table inside this one."""
        return TableReader(self.path, f"{self.where}, {where}" if self.where else where, table)

    def take(self, key: str, kind: type[Any], default: Any = REQUIRED) -> Any:
        """The value of `key`, checked; a whole number counts as a float, a bool never does."""
        self._known.append(key)
        if key not in self._left:
            if default is REQUIRED:
                near = get_close_matches(key, self._left, n=1)
                looks = f" ({near[0]!r} looks like it)" if near else ""
                raise self.error(f"{key!r} is missing{looks}.", f"Write {key} = {_EXAMPLE[kind]}")
            return default
        value = self._left.pop(key)
        kinds = (int, float) if kind is float else (kind,)
        if not isinstance(value, kinds) or (isinstance(value, bool) and kind is not bool):
            raise self.error(
                f"{key} = {value!r} must be {_NAME[kind]}.",
                f"For instance {key} = {_EXAMPLE[kind]}",
            )
        try:
            return float(value) if kind is float else value
        except OverflowError as error:
            text = str(value)[:12]
            raise self.error(f"{key} = {text}... is too large.", "Write a number.") from error

    def choice(self, key: str, allowed: tuple[str, ...], default: str) -> str:
        """The value of `key`, one of `allowed`."""
        value: str = self.take(key, str, default)
        if value not in allowed:
            known = " or ".join(map(repr, nearest_first(value, list(allowed))))
            raise self.error(f"{key} = {value!r} is not known.", f"Use {known}.")
        return value

    def name(self, key: str) -> str:
        """The value of `key`, safe as a directory and study name."""
        value: str = self.take(key, str)
        if not NAME.fullmatch(value):
            raise self.error(
                f"{key} = {value!r} is not a valid name.",
                "Use 1 to 64 letters, digits, '.', '_' or '-', not starting with '.' or '-'.",
            )
        return value

    def count(self, key: str) -> int:
        """The value of `key`, a whole number above 0."""
        value: int = self.take(key, int)
        if value < 1:
            raise self.error(f"{key} = {value} must be at least 1.", f"For instance {key} = 1")
        return value

    def tables(self, key: str) -> list[Table]:
        """The value of `key`, an array of tables."""
        value: list[Any] = self.take(key, list, [])
        if not all(isinstance(item, dict) for item in value):
            raise self.error(f"{key} must be an array of tables.", f"Write [[{key}]]")
        return value

    def has(self, key: str) -> bool:
        """Whether it is there, and nobody took it."""
        return key in self._left

    def texts(self, key: str) -> list[str]:
        """The value of `key`, an array of texts."""
        value: list[Any] = self.take(key, list, [])
        if not all(isinstance(item, str) for item in value):
            raise self.error(f"{key} must be an array of texts.", f'Write {key} = ["..."]')
        return value

    def done(self) -> None:
        """Refuse what nobody took."""
        for key in self._left:
            near = nearest_first(key, self._known)
            raise self.error(f"unknown key {key!r}.", f"Known keys: {', '.join(near)}.")
