"""What people write about a run and its trials: notes, tags, and that a run is put away.

RUN/notes.jsonl is append-only and has many writers: each line is one write at the end of the file,
so two that write at once lose nothing. The newest note wins, tags are a set. It is no evidence:
no gate and no criterion reads it.
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from atft_core.errors import RunDirectoryError, UsageError
from atft_core.run import user
from atft_core.run.access import refuse_change
from atft_core.run.directory import RunDirectory
from atft_core.run.events import Json
from atft_core.run.files import DISK_FULL, NotRegularError
from atft_core.run.foreign import clean
from atft_core.run.wording import finite

MAX_NOTE = 500
MAX_TAGS = 16
TAG = re.compile(r"\w[\w.-]{0,23}")
_NO_CLOCK = 1e11
"""From here on a time is none that a calendar knows."""
_WRITE = (
    os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
)  # fmt: skip
"""What stands in the file's place is neither followed nor waited for."""
_MAX_FILE = 1 << 20
"""Bytes from the end that are read: thousands of notes."""


@dataclass(frozen=True)
class Note:
    """What is written about a run, or about one of its trials."""

    text: str = ""
    tags: tuple[str, ...] = ()
    user: str = ""
    """Who wrote the text."""
    t: float = 0.0

    @property
    def line(self) -> str:
        """Tags and text on one line, for people."""
        return " ".join([*(f"#{tag}" for tag in self.tags), *([self.text] if self.text else [])])


NO_NOTE = Note()


@dataclass(frozen=True)
class Notes:
    """All that is written about a run."""

    run: Note = NO_NOTE
    trials: Mapping[int, Note] = field(default_factory=dict)
    archived: bool = False

    def of(self, trial: int | None) -> Note:
        """What is written about a trial; None: about the run."""
        return self.run if trial is None else self.trials.get(trial, NO_NOTE)


NO_NOTES = Notes()


# Writing.


def checked_note(text: str) -> str:
    """A text as it is kept; UsageError where it is too long or no plain line."""
    text = text.strip()
    if len(text) > MAX_NOTE:
        raise UsageError(f"A note has at most {MAX_NOTE} characters; this one has {len(text)}.")
    if clean(text) != text:
        raise UsageError("A note is one line of printable text.", hint="Leave out what is not.")
    return text


def checked_tag(tag: str) -> str:
    """A tag as it is kept; UsageError where it is none."""
    if not TAG.fullmatch(tag):
        raise UsageError(
            f"{clean(tag, 40)!r} is no tag.", hint="Use 1 to 24 letters, digits, '_', '.' or '-'."
        )
    return tag


def write_note(run: RunDirectory, text: str, trial: int | None = None) -> None:
    """Put `text` in the place of the note that is there; empty: there is none any more."""
    _append(run, {"trial": trial, "note": checked_note(text)})


def write_tags(
    run: RunDirectory, add: Iterable[str], remove: Iterable[str] = (), trial: int | None = None
) -> None:
    """Add some tags and take others away."""
    added, removed = sorted(map(checked_tag, add)), sorted(map(checked_tag, remove))
    kept = {*read_notes(run).of(trial).tags, *added}.difference(removed)
    if len(kept) > MAX_TAGS:
        raise UsageError(f"At most {MAX_TAGS} tags are kept; these would be {len(kept)}.")
    _append(run, {"trial": trial, "add": added, "remove": removed})


def write_archived(run: RunDirectory, *, archived: bool) -> None:
    """Put a run away, or take it out again."""
    _append(run, {"archived": archived})


def _append(run: RunDirectory, said: Json) -> None:
    """One line in one write; what a torn line before it left is closed first."""
    refuse_change(run)
    line = json.dumps({"t": round(time.time(), 3), "user": user.name(), **said}) + "\n"
    try:
        fd = os.open(run.notes, _WRITE, 0o640)
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                raise NotRegularError(errno.EINVAL, "it is no regular file")
            torn = found.st_size > 0 and os.pread(fd, 1, found.st_size - 1) != b"\n"
            data = ("\n" * torn + line).encode()
            whole = os.write(fd, data) == len(data)
        finally:
            os.close(fd)
    except OSError as error:
        raise _unwritten(
            run, error.strerror or str(error), full=error.errno in DISK_FULL
        ) from error
    if not whole:
        raise _unwritten(run, os.strerror(errno.ENOSPC), full=True)


def _unwritten(run: RunDirectory, why: str, *, full: bool) -> RunDirectoryError:
    """Nothing was written, or half a line, which nobody believes."""
    away = f"Only a file of your own can take notes: mv {run.notes} {run.notes}.old"
    return RunDirectoryError(
        f"Nothing was noted: cannot write {run.notes}: {why}.",
        hint="Make room and write it again." if full else away,
    )


# Reading.


def read_notes(run: RunDirectory, until: float | None = None) -> Notes:
    """What is written about a run, or was at a time; damaged lines are left out."""
    texts: dict[int | None, Note] = {}
    archived = False
    for said in _lines(run.notes):
        if until is not None and (finite(said.get("t")) or 0.0) > until:
            continue
        if isinstance(said.get("archived"), bool):
            archived = said["archived"]
            continue
        trial = said.get("trial")
        if trial is None or (isinstance(trial, int) and not isinstance(trial, bool)):
            texts[trial] = _after(texts.get(trial, NO_NOTE), said)
    about_run = texts.pop(None, NO_NOTE)
    return Notes(about_run, {n: note for n, note in texts.items() if n is not None}, archived)


def notes_mark(run: RunDirectory) -> tuple[int, int] | None:
    """What differs after somebody wrote; None where nobody did."""
    try:
        found = run.notes.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def _lines(path: Path) -> Iterable[Json]:
    try:
        # Somebody may have put a pipe there, whose other end never comes: it is not waited for.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                return
            file.seek(max(0, found.st_size - _MAX_FILE))
            data = file.read(_MAX_FILE)
    except OSError:  # none was written, or none is for this user
        return
    for line in data[: data.rfind(b"\n") + 1].split(b"\n"):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            yield value


def _after(note: Note, said: Json) -> Note:
    """The note after one line was read."""
    text, t = said.get("note"), said.get("t")
    if isinstance(text, str):
        when = finite(t) or 0.0
        when = when if 0 <= when < _NO_CLOCK else 0.0
        who = clean(str(said.get("user", "")), 40)
        return Note(clean(text, MAX_NOTE), note.tags, who, when)
    tags = {*note.tags, *_tags(said.get("add"))}.difference(_tags(said.get("remove")))
    return Note(note.text, tuple(sorted(tags))[:MAX_TAGS], note.user, note.t)


def _tags(value: object) -> list[str]:
    """Those that are tags: whatever else stands there."""
    found = value if isinstance(value, list) else []
    return [tag for tag in found if isinstance(tag, str) and TAG.fullmatch(tag)]
