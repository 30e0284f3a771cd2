"""Commands about runs as things that one keeps: note, tag, archive, delete."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atft_core.cli.options import Json, RunDir

records = typer.Typer()
TrialNumber = Annotated[
    int | None, typer.Option("--trial", min=0, help="About this trial, else about the run.")
]


@records.command(epilog='Example: atft note output/hpo_short --trial 3 "lucky fold, look again"')
def note(
    run_dir: RunDir,
    text: Annotated[list[str], typer.Argument(help="One line; empty takes the note away.")],
    trial: TrialNumber = None,
    json: Json = False,
) -> None:
    """Write a note on a run or a trial; the newest one is shown."""
    from atft_core.cli import keeping

    keeping.note(run_dir, " ".join(text), trial, as_json=json)


@records.command(
    epilog="Example: atft tag output/hpo_short --trial 3 +candidate -check",
    context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]},
)
def tag(
    run_dir: RunDir,
    tags: Annotated[list[str], typer.Argument(metavar="+TAG -TAG", help="Add, take away.")],
    trial: TrialNumber = None,
    json: Json = False,
) -> None:
    """Add tags to a run or a trial, or take them away."""
    from atft_core.cli import keeping

    keeping.tag(run_dir, tags, trial, as_json=json)


@records.command(epilog="Example: atft archive output/hpo_dryrun output/hpo_dryrun.2")
def archive(
    run_dirs: Annotated[list[Path], typer.Argument(metavar="RUN_DIR...", help="Runs.")],
    undo: Annotated[bool, typer.Option("--undo", help="Take them out again.")] = False,
    json: Json = False,
) -> None:
    """Put runs away: lists leave them out unless asked for all. Nothing is moved.

    Gates see an archived run as before: putting a bad run away must not let an older one decide.
    """
    from atft_core.cli import keeping

    keeping.archive(run_dirs, archived=not undo, as_json=json)


@records.command(epilog="Example: atft delete output/hpo_dryrun.2")
def delete(
    run_dir: RunDir,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Delete a run that rests, with all that lies in its directory, after a question."""
    from atft_core.cli import keeping

    keeping.delete(run_dir, confirmed=yes, as_json=json)
