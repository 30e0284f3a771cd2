"""What Tab offers for a value that is not a file. Each takes what was typed before it, in `ctx`.

What it needs is imported when Tab is pressed: every command imports this.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from atft_core.errors import AtftError

Offers = list[tuple[str, str]]
"""A word, and what a person is told of it."""


def stages(ctx: typer.Context) -> Offers:
    """Of the runbook that was named before, else of the shipped one."""
    from atft_core.run.runbook import load
    from atft_core.run.shipped import shipped

    try:
        runbook = load(ctx.params.get("runbook") or shipped("runbook.toml"))
    except (AtftError, OSError):
        return []  # the command itself will say what is wrong with it
    return [(stage.key, stage.title) for stage in runbook.stages]


def runbooks(incomplete: str) -> Offers:
    """Those that come with atft, and files here."""
    return [*((name, "") for name in _shipped() if "/" not in name), *_toml(incomplete)]


def presets(incomplete: str) -> Offers:
    """Those that come with atft, and files here."""
    return [*((name, "") for name in _shipped() if "/" in name), *_toml(incomplete)]


def settings(incomplete: str) -> Offers:
    """Every key of the configuration."""
    from atft_core.config.keys import DESCRIPTIONS

    found = {key: text for key, text in DESCRIPTIONS.items() if key.startswith(incomplete)}
    return [(f"{key}=", text.split(". ")[0]) for key, text in found.items()]


def exports() -> Offers:
    """Shapes that a run can be written in."""
    from atft_core.cli.export import what_there_is

    try:
        return [(name, "") for name in what_there_is()]
    except AtftError:  # an installed plug-in is broken
        return []


def _shipped() -> Sequence[str]:
    from atft_core.run.shipped import names

    return names()


def _toml(incomplete: str) -> Offers:
    """Files here, and directories to look into; hidden ones where a dot was typed."""
    head, slash, tail = incomplete.rpartition("/")
    try:
        found = sorted(Path(head + slash or ".").expanduser().iterdir())
    except (OSError, RuntimeError):  # ~somebody, who is nobody here
        return []
    seen = [path for path in found if tail.startswith(".") or not path.name.startswith(".")]
    files = [path.name for path in seen if path.suffix == ".toml" and path.is_file()]
    folders = [f"{path.name}/" for path in seen if path.is_dir()]
    return [(head + slash + name, "") for name in (*files, *folders)]
