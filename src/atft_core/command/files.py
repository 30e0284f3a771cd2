"""The files that a program is made of and reads: what makes two runs of it the same experiment."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from atft_core.config.command import CommandConfig
from atft_core.config.schema import Config
from atft_core.config.search import Choice
from atft_core.errors import ConfigError, DataError
from atft_core.run.events import Json
from atft_core.run.files import open_regular

_PARAMS = "command.params."
_DATA = {
    ".arrow", ".bin", ".ckpt", ".csv", ".db", ".feather", ".gz", ".h5", ".jsonl", ".log", ".npy",
    ".npz", ".onnx", ".out", ".parquet", ".pkl", ".pt", ".pth", ".safetensors", ".tsv", ".txt",
    ".zip",
}  # fmt: skip
"""Of files that a program reads or writes. What it reads is named by command.inputs."""


def scripts(argv: Sequence[str], place: Path = Path()) -> list[str]:
    """Words that are files which the program is made of: the first one, unless it is the value of
    an option, and all that are no data. `place`: where it runs.
    """
    files = [n for n, word in enumerate(argv) if _is_file(word, place) and _is_own(word, place)]
    first = files[:1] if files and not argv[files[0] - 1].startswith("--") else []
    return [argv[n] for n in files if n in first or Path(argv[n]).suffix.lower() not in _DATA]


def scripts_of(command: CommandConfig, place: Path = Path()) -> dict[str, str]:
    """Path and sum of each: an edited script is another version of the code."""
    return {path: _sum(str(place / path)) for path in scripts(command.argv, place)}


def changed(scripts: object, place: Path) -> dict[str, str]:
    """Those of a run's scripts, as its identity has them, that are not what they were.

    Path and sum, which is empty where there is no such file any more.
    """
    was = scripts if isinstance(scripts, dict) else {}
    now = {str(path): _sum_or_nothing(place / str(path)) for path in was}
    return {path: total for path, total in now.items() if total != was[path]}


def fingerprint(config: Config, place: Path) -> Json:
    """All that decides what would be executed: words, scripts, texts put into the words, where."""
    command = config.command
    texts = {name: value for name, value in command.params.items() if isinstance(value, str)}
    drawn = {key: _texts_drawn(config, key) for key in config.search if key.startswith(_PARAMS)}
    return {
        "argv": list(command.argv), "scripts": scripts_of(command, place), "texts": texts,
        "drawn": {key: texts for key, texts in drawn.items() if texts is not None},
        "place": str(place.resolve()),
    }  # fmt: skip


def refuse_other_words(config: Config, params: Mapping[str, Any]) -> None:
    """ConfigError for parameters of a trial that would execute more than `fingerprint` says.

    They are read from a run directory, which may be anybody's: numbers are harmless, a text is
    what the user has allowed or nothing.
    """
    for key, value in params.items():
        name = key.removeprefix(_PARAMS) if key.startswith(_PARAMS) else ""
        known = [config.command.params.get(name), *(_texts_drawn(config, key) or ())]
        harmless = isinstance(value, int | float) or (isinstance(value, str) and value in known)
        if (key != "train.seed" and name not in config.command.places) or not harmless:
            raise ConfigError(
                f"A trial with {key} = {str(value)[:60]!r} would run another program than the run "
                "was started with.",
                hint="A text has to be one of its choices, and a number may be any.",
            )


def _texts_drawn(config: Config, key: str) -> list[str] | None:
    """The texts that a search chooses from; None for a range, and for what is not searched."""
    entry = config.search.get(key)
    return [t for t in entry.choices if isinstance(t, str)] if isinstance(entry, Choice) else None


def _is_own(word: str, place: Path) -> bool:
    """Whether a file is the user's, and not an interpreter: by its suffix, or where it lies."""
    return bool(Path(word).suffix) or (place / word).resolve().is_relative_to(place.resolve())


def _is_file(word: str, place: Path) -> bool:
    try:
        return (place / word).is_file()
    except (OSError, ValueError):  # a program as text, longer than any name
        return False


def hash_of(inputs: Sequence[str]) -> str:
    """Of the content of all; "none" where there are none. DataError where one is missing."""
    if not inputs:
        return "none"
    sums = "".join(_sum(path) for path in inputs)
    return hashlib.sha256(sums.encode()).hexdigest()[:16]


def _sum_or_nothing(path: Path) -> str:
    try:
        return _sum(str(path))
    except DataError:
        return ""


def _sum(path: str) -> str:
    try:
        with open_regular(Path(path)) as file:  # a device or a pipe may never end
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror}.", hint="command.inputs names it."
        ) from error
