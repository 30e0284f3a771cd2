"""What Tab offers for a value that is not a file. Each takes what was typed before it, in `ctx`."""

from __future__ import annotations

from pathlib import Path

import typer

from atft_core.errors import AtftError
from atft_core.run.runbook import load
from atft_core.run.shipped import names, shipped

Offers = list[tuple[str, str]]
"""A word, and what a person is told of it."""


def stages(ctx: typer.Context) -> Offers:
    """Of the runbook that was named before, else of the shipped one."""
    try:
        runbook = load(ctx.params.get("runbook") or shipped("runbook.toml"))
    except (AtftError, OSError):
        return []  # the command itself will say what is wrong with it
    return [(stage.key, stage.title) for stage in runbook.stages]


def runbooks(incomplete: str) -> Offers:
    """Those that come with atft, and files here."""
    return [*((name, "") for name in names() if "/" not in name), *_toml(incomplete)]


def presets(incomplete: str) -> Offers:
    """Those that come with atft, and files here."""
    return [*((name, "") for name in names() if "/" in name), *_toml(incomplete)]


def settings(incomplete: str) -> Offers:
    """Every key of the configuration."""
    from atft_core.config.keys import DESCRIPTIONS

    found = {key: text for key, text in DESCRIPTIONS.items() if key.startswith(incomplete)}
    return [(f"{key}=", text.split(". ")[0]) for key, text in found.items()]


def exports() -> Offers:
    """Shapes that a run can be written in."""
    from atft_core.cli.export import SCORER, TABLES
    from atft_core.export.exporters import there_are

    return [(name, "") for name in (*TABLES, SCORER, *there_are())]


def _toml(incomplete: str) -> Offers:
    """Files and directories that begin so."""
    place = Path(incomplete).parent if "/" in incomplete else Path()
    head = incomplete.rpartition("/")[0]
    try:
        found = sorted(place.iterdir())
    except OSError:
        return []
    return [
        (f"{head}/{path.name}" if head else path.name, "")
        for path in found
        if path.suffix == ".toml" or path.is_dir()
    ]
