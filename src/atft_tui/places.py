"""Where runs are: the stages of the runbook, the directory that was named, and what is remembered.

Directories that were typed are kept in the user's state directory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from atft_core.errors import AtftError
from atft_core.run import user
from atft_core.run.directory import RunDirectory, created, find_runs, siblings
from atft_core.run.files import read_json, write_json
from atft_core.run.runbook import Runbook
from atft_tui import seen

_KEPT = 20
"""Directories remembered; the oldest make room."""


def store() -> Path:
    """The file in the user's state directory."""
    return user.state() / "places.json"


def remembered() -> list[Path]:
    """Directories that were typed, the newest first."""
    known = read_json(store())
    texts = known if isinstance(known, list) else []
    return [Path(text) for text in texts if isinstance(text, str)]


def remember(place: Path) -> None:
    """Keep a directory for the next time; a home that cannot be written is fine."""
    kept = list(dict.fromkeys([str(place), *map(str, remembered())]))[:_KEPT]
    with suppress(OSError):
        store().parent.mkdir(parents=True, exist_ok=True)
        write_json(store(), kept, durable=False)


def is_path(text: str) -> bool:
    """Whether a text that was typed means a directory."""
    return text.startswith(("/", "~", "./", "../"))


def typed_place(text: str) -> Path:
    """The directory that a text names; ValueError: there is none. Its disk may let one wait."""
    try:
        place = user.absolute(Path(text))
    except AtftError as error:
        raise ValueError(error.message) from error
    if not place.is_dir():
        raise ValueError(f"there is no directory {text}")
    return place


def known_runs(runbook: Runbook, directories: Sequence[Path]) -> list[RunDirectory]:
    """All runs that are known, or are in or below some directories: the newest first, each once."""
    found = {_real(run.path): run for run in _found(runbook, directories)}
    dated = ((created(run), path) for path, run in found.items())
    return [
        found[path] for _, path in sorted(((t, p) for t, p in dated if t is not None), reverse=True)
    ]


def _found(runbook: Runbook, directories: Sequence[Path]) -> Iterator[RunDirectory]:
    """The names that are said first are the ones that are shown: those come last here."""
    yield from map(RunDirectory, reversed(seen.places()))
    typed: Iterable[Path] = reversed(remembered())
    for place in [*typed, *directories]:
        with suppress(OSError):  # it is gone, or not for this user
            yield from find_runs(place)
    for stage in runbook.stages:
        with suppress(OSError):
            yield from siblings(stage.output_dir)


def _real(path: Path) -> Path:
    with suppress(OSError, RuntimeError):
        return path.resolve()
    return path
