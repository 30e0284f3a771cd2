"""The person at the machine: their name, their directories, and paths as they type them."""

from __future__ import annotations

import getpass
import os
import unicodedata
from pathlib import Path

from atft_core.errors import UsageError


def name() -> str:
    """The user's name; the number where a container gave it none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _home() -> Path:
    """The home directory; one that does not exist where a container gave this user none."""
    try:
        return Path.home()
    except RuntimeError:
        return Path("/nonexistent")


def cache() -> Path:
    """Where atft keeps what can be made again; not created."""
    return Path(os.environ.get("XDG_CACHE_HOME") or _home() / ".cache") / "atft"


def state() -> Path:
    """Where atft keeps what belongs to no run: the ledger of the holdout; not created."""
    return Path(os.environ.get("XDG_STATE_HOME") or _home() / ".local" / "state") / "atft"


def config() -> Path:
    """Where a person keeps what holds for all of their runs; not created."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or _home() / ".config") / "atft"


def unwritable(text: str) -> bool:
    """Whether a text holds what no file of a run could keep: control characters, broken UTF-8."""
    return any(unicodedata.category(char) in ("Cc", "Cs") for char in text)


def _why_unwritable(path: Path) -> str:
    try:
        os.fsencode(path).decode()
    except UnicodeDecodeError:
        return "Rename it."
    return "Rename it; or does only the locale say so? Then LC_ALL=C.UTF-8 helps."


def expanded(path: Path) -> Path:
    """`path` with its ~ expanded; UsageError when it names nobody, or is no text."""
    if unwritable(str(path)):
        raise UsageError(
            f"The path {str(path)!r} is not plain UTF-8 text.", hint=_why_unwritable(path)
        )
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise UsageError(f"{path}: there is no such user.", hint="Write out the path.") from error


def absolute(path: Path) -> Path:
    """`path` with its ~ expanded, from the root."""
    try:
        found = expanded(path).absolute()
    except FileNotFoundError as error:
        raise UsageError("The current directory is gone.", hint="cd to one that exists.") from error
    return expanded(found)  # the current directory may not be plain text either
