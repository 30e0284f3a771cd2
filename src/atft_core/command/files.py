"""The files that a program is made of and reads: what makes two runs of it the same experiment."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from atft_core.config.command import CommandConfig
from atft_core.errors import DataError


def scripts(argv: Sequence[str]) -> list[str]:
    """Words that are files: what the program is made of."""
    return [word for word in argv if _is_script(word)]


def scripts_of(command: CommandConfig) -> dict[str, str]:
    """Path and sum of each: an edited script is another version of the code."""
    return {path: _sum(path) for path in scripts(command.argv)}


def _is_script(word: str) -> bool:
    try:
        return bool(Path(word).suffix) and Path(word).is_file()
    except (OSError, ValueError):  # a program as text, longer than any name
        return False


def hash_of(inputs: Sequence[str]) -> str:
    """Of the content of all; "none" where there are none. DataError where one is missing."""
    if not inputs:
        return "none"
    sums = "".join(_sum(path) for path in inputs)
    return hashlib.sha256(sums.encode()).hexdigest()[:16]


def _sum(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror}.", hint="command.inputs names it."
        ) from error
