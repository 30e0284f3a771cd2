"""`atft settings`: what was requested, what the trial has, what its worker really runs with."""

from __future__ import annotations

from pathlib import Path

from atft_core.cli.output import print_json, say, table
from atft_core.run.directory import RunDirectory
from atft_core.run.settings.effective import Effective, default_trial, effective
from atft_core.run.settings.setting import GLYPH, Mark, Setting, written
from atft_core.run.status import load
from atft_core.run.wording import MISSING

_WIDTH = 28
"""Characters of a value; JSON has them whole."""


def show(run_dir: Path, trial: int | None, *, only: bool, as_json: bool) -> None:
    """Print the settings of a trial; `only`: those that are not simply what was requested."""
    run = RunDirectory(run_dir.absolute())
    run.facts()
    state = load(run)
    found = effective(run, state, default_trial(state) if trial is None else trial)
    if as_json:
        print_json(found.to_json())
        return
    which = "no trial yet" if found.trial is None else f"trial {found.trial}"
    say(f"{run.path}, {which}")
    say(f"process: {found.process}")
    for text in found.trouble:
        say(f"process: {text}")
    say(_page(found, only=only))


def _page(found: Effective, *, only: bool) -> str:
    """What differs first, with the reasons; then all by section."""
    shown = [each for each in found.settings if not only or each.mark is not Mark.SAME]
    first = found.differing
    ordered = [*first, *(each for each in shown if each.mark is not Mark.DIFFERS)]
    names = ["", "setting", "requested", "from", "trial", "worker"]
    head, *lines = table([names, *map(_row, ordered)]).splitlines()
    for i, each in enumerate(ordered):
        if each.note:
            lines[i] += f"\n{'':13}{each.note}" if each.mark is Mark.DIFFERS else f"  ({each.note})"
    return "\n".join([head, *lines, f"{len(first)} of {len(found.settings)} differ"])


def _row(each: Setting) -> list[str]:
    word = "" if each.mark is Mark.SAME else f"{GLYPH[each.mark]} {each.mark}"
    values = [_cell(value) for value in (each.requested, each.trial, each.worker)]
    return [word, each.key, values[0], _cell(each.origin), values[1], values[2]]


def _cell(value: object) -> str:
    text = written(value) or MISSING
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..."
