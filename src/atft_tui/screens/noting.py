"""What is typed about a run or a trial becomes an `atft note` or an `atft tag`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from atft_core.errors import UsageError
from atft_core.run.notes import Note, checked_note, checked_tag
from atft_tui.format import relative
from atft_tui.screens.entry import Prompt

Act = Callable[[list[str]], None]


def note_prompt(run: Path, trial: int | None, note: Note, act: Act) -> Prompt:
    """Ask for a note; the one that is there can be changed."""

    def apply(text: str) -> None:
        checked = _or_complain(checked_note, text)
        if checked != note.text:
            act(["note", *_about(run, trial), "--", checked])

    return Prompt(f"note on {_what(trial)} ", "one line; empty takes it away", apply, note.text)


def tags_prompt(run: Path, trial: int | None, note: Note, act: Act) -> Prompt:
    """Ask for all tags; what is new is added, what is gone is taken away."""

    def apply(text: str) -> None:
        words = (word.lstrip("+#") for word in text.replace(",", " ").split())
        wanted = {_or_complain(checked_tag, word) for word in words}
        signed = [f"+{tag}" for tag in sorted(wanted.difference(note.tags))]
        signed += [f"-{tag}" for tag in note.tags if tag not in wanted]
        if signed:
            act(["tag", *_about(run, trial), *signed])

    return Prompt(f"tags of {_what(trial)} ", "candidate check", apply, " ".join(note.tags))


def _what(trial: int | None) -> str:
    return "the run" if trial is None else f"trial {trial}"


def _about(run: Path, trial: int | None) -> list[str]:
    return [str(relative(run)), *([] if trial is None else ["--trial", str(trial)])]


def _or_complain(check: Callable[[str], str], text: str) -> str:
    try:
        return check(text)
    except UsageError as error:
        raise ValueError(error.message) from error
