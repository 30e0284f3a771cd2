"""Commands that look at runs and change nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atft_core.cli import completing
from atft_core.cli.options import Json, PluginFiles, RunbookFile, RunDir

looks = typer.Typer()


@looks.command(epilog="Example: atft status output --json")
def status(
    directories: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[DIR...]", help="A run directory, or where to look for some."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Archived runs, too.")] = False,
    verdicts: Annotated[
        bool, typer.Option("--verdicts", help="What limited the run, from when to when.")
    ] = False,
    at: Annotated[
        str, typer.Option(metavar="TIME|SEQ", help="As it was: 03:12, an ISO time, or an event.")
    ] = "",
    json: Json = False,
) -> None:
    """Say what a run, or every run below some directories, is doing."""
    from atft_core.cli import status as command

    places = directories or [Path()]
    command.show_status(places, every=every, at=at, verdicts=verdicts, as_json=json)


@looks.command(epilog="Example: atft timeline output/hpo_short --since 03:12")
def timeline(
    run_dir: RunDir,
    since: Annotated[
        str, typer.Option(metavar="TIME", help="Only from then on: 03:12 or an ISO time.")
    ] = "",
    json: Json = False,
) -> None:
    """Say what happened in a run, moment by moment."""
    from atft_core.cli import timeline as command

    command.timeline(run_dir, since=since, as_json=json)


@looks.command(epilog="Example: atft check output/hpo_dryrun || echo 'not yet'")
def check(
    run_dir: RunDir,
    stage: Annotated[str, typer.Option(help="Judge an ad hoc run by this stage.")] = "",
    runbook: RunbookFile = None,
    criterion: Annotated[
        str, typer.Option(help="Only this one, with its evidence: events, days.")
    ] = "",
    against: Annotated[
        Path | None,
        typer.Option(metavar="OTHER_RUN", help="Also beside another run: before and after."),
    ] = None,
    json: Json = False,
) -> None:
    """Check a run's evidence against its criteria: exit code 0 met, 3 not met."""
    from atft_core.cli import check as command

    asked = command.Asked(run_dir, stage, runbook)
    raise typer.Exit(
        command.show_evidence(asked, criterion, as_json=json)
        if criterion
        else command.check_run(asked, against, as_json=json)
    )


@looks.command(epilog="Example: atft stacks output/hpo_short")
def stacks(run_dir: RunDir, json: Json = False) -> None:
    """Write down where every process of a run is right now, and show it."""
    from atft_core.cli.stacks import stacks as command

    command(run_dir, as_json=json)


@looks.command(epilog="Example: atft settings output/hpo_short 3 --differences")
def settings(
    run_dir: RunDir,
    trial: Annotated[
        int | None, typer.Argument(help="A trial; the running or newest one if not said.")
    ] = None,
    differences: Annotated[
        bool, typer.Option("--differences", help="Only what is not simply what was requested.")
    ] = False,
    json: Json = False,
) -> None:
    """Show every setting as requested, as the trial has it, and as its worker really runs."""
    from atft_core.cli import effective

    effective.show(run_dir, trial, only=differences, as_json=json)


@looks.command(epilog="Example: atft report output/hpo_short --compare output/hpo_before")
def report(
    run_dir: RunDir,
    compare: Annotated[
        Path | None, typer.Option(metavar="OTHER_RUN", help="Lay it beside an earlier run.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to; else RUN_DIR/report.html.")
    ] = None,
    cost_bps: Annotated[
        float, typer.Option(min=0.0, help="Costs of what is traded, one way, in basis points.")
    ] = 10.0,
    json: Json = False,
) -> None:
    """Write one HTML page with a run's verdicts, drawings and settings, for people without atft."""
    from atft_core.cli import report as command

    command.report(run_dir, compare, out, cost_bps, as_json=json)


@looks.command(epilog="Example: atft export output/hpo_short predictions --out p.parquet")
def export(
    run_dir: RunDir,
    what: Annotated[
        str,
        typer.Argument(
            help="trials, epochs, predictions; alphalens, qlib: predictions with their names; "
            "scorer: a trial as a program that needs torch alone; "
            "tensorboard, mlflow, or one of a plug-in: everything, there.",
            autocompletion=completing.exports,
        ),
    ],
    format: Annotated[
        str, typer.Option(help="csv, parquet or json; else by the name of the file.")
    ] = "",
    out: Annotated[
        str, typer.Option(metavar="FILE|DIR|URI", help="Where to; else to standard output.")
    ] = "",
    trial: Annotated[int | None, typer.Option(help="Whose predictions; else the best's.")] = None,
    horizon: Annotated[
        int | None, typer.Option(help="Of the factor or score; else the objective's.")
    ] = None,
    split: Annotated[
        str,
        typer.Option(help="val or holdout; else all, and val of a factor or score."),
    ] = "",
    plugin_files: PluginFiles = None,
    json: Json = False,
) -> None:
    """Write a run's trials, epochs or predictions for other programs."""
    from atft_core.cli import export as command

    files = tuple(plugin_files or ())
    asked = command.Asked(run_dir, what, format, out, trial, horizon, split, files)
    command.export(asked, as_json=json)
