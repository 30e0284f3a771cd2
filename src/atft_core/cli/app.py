"""The commands and their options. What they do is imported when one of them runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atft_core import __version__
from atft_core.cli import completing
from atft_core.cli.groups import cluster, config, data, plugins
from atft_core.cli.here import here
from atft_core.cli.looks import looks
from atft_core.cli.options import (
    Assignments,
    ConfigFiles,
    DataPath,
    Detach,
    Json,
    PluginFiles,
    RunbookFile,
    RunDir,
    Storage,
)
from atft_core.cli.records import records

_CONTEXT = {"help_option_names": ["-h", "--help"]}
app = typer.Typer(
    help="Run experiments on models that rank stocks, and believe only what was measured.",
    epilog="The console is `atft-tui`. Exit codes: 0 ok, 1 error, 2 usage, 3 criteria not met, "
    "4 gate closed, 130 interrupted.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=_CONTEXT,
)
app.add_typer(looks)
app.add_typer(records)
app.add_typer(here)
app.add_typer(data, name="data")
app.add_typer(config, name="config")
app.add_typer(cluster, name="cluster")
app.add_typer(plugins, name="plugins")


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", "-V", help="Print the version.")] = False,
) -> None:
    if version:
        print(f"atft {__version__}")
        raise typer.Exit


@app.command(epilog="Example: atft run dry --data-path panel.parquet --then short --until 07:00")
def run(
    stage: Annotated[
        str,
        typer.Argument(
            help="Stage of the runbook: dry, short, full.",
            autocompletion=completing.stages,
            show_default=False,
        ),
    ] = "",
    runbook: RunbookFile = None,
    config_files: ConfigFiles = None,
    data_path: DataPath = None,
    assignments: Assignments = None,
    plugin_files: PluginFiles = None,
    storage: Storage = None,
    then: Annotated[
        str,
        typer.Option(
            help="Stage to start when this one opens its gate.", autocompletion=completing.stages
        ),
    ] = "",
    until: Annotated[str, typer.Option(help="Stop by this time: 07:00 or ISO.")] = "",
    override_gate: Annotated[
        str, typer.Option(metavar="REASON", help="Start although the gate is closed.")
    ] = "",
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would be run.")] = False,
    detach: Detach = False,
    json: Json = False,
) -> None:
    """Start a stage of the runbook; its gate is checked by the engine."""
    from atft_core.cli import start
    from atft_core.cli.plugins import allow_named

    asked = start.StageRequest(
        stage=stage,
        runbook=runbook,
        config_files=tuple(config_files or ()),
        data_path=data_path,
        assignments=tuple(assignments or ()),
        then=then,
        until=until,
        override=override_gate,
        storage=storage,
        plugins=allow_named(plugin_files or ()),
    )
    raise typer.Exit(
        start.show_plan(asked, as_json=json)
        if plan
        else start.run_stage(asked, detach=detach, as_json=json)
    )


@app.command(
    epilog="Example: atft hpo --data-path panel.parquet --n-trials 5 --max-epochs 10 "
    "--study-name first --output-dir output/first"
)
def hpo(
    output_dir: Annotated[Path, typer.Option(help="The run directory to make.")],
    data_path: DataPath = None,
    n_trials: Annotated[int | None, typer.Option(help="Trials of the study.")] = None,
    max_epochs: Annotated[int | None, typer.Option(help="Epochs per trial.")] = None,
    study_name: Annotated[str | None, typer.Option(help="Name of the Optuna study.")] = None,
    storage: Storage = None,
    config_files: ConfigFiles = None,
    assignments: Assignments = None,
    plugin_files: PluginFiles = None,
    until: Annotated[str, typer.Option(help="Stop by this time: 07:00 or ISO.")] = "",
    detach: Detach = False,
    json: Json = False,
) -> None:
    """Search hyper-parameters without a runbook: ad hoc, opens no gate."""
    from atft_core.cli import start
    from atft_core.cli.plugins import allow_named

    asked = start.AdHocRequest(
        output_dir=output_dir,
        data_path=data_path,
        n_trials=n_trials,
        max_epochs=max_epochs,
        study_name=study_name,
        config_files=tuple(config_files or ()),
        assignments=tuple(assignments or ()),
        until=until,
        storage=storage,
        plugins=allow_named(plugin_files or ()),
    )
    raise typer.Exit(start.run_ad_hoc(asked, detach=detach, as_json=json))


@app.command(
    epilog="Example: atft walkforward --data-path panel.parquet --config objective/rank "
    "--folds 5 --seeds 3 --output-dir output/walk"
)
def walkforward(
    output_dir: Annotated[Path, typer.Option(help="The run directory to make.")],
    data_path: DataPath = None,
    folds: Annotated[int, typer.Option(min=2, max=100, help="Parts of the validation.")] = 5,
    window: Annotated[
        str, typer.Option(help="expanding: train on all days before a fold; rolling: on as many.")
    ] = "expanding",
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Models per fold, averaged.")] = 1,
    max_epochs: Annotated[int | None, typer.Option(help="Epochs per model.")] = None,
    config_files: ConfigFiles = None,
    assignments: Assignments = None,
    until: Annotated[str, typer.Option(help="Stop by this time: 07:00 or ISO.")] = "",
    detach: Detach = False,
    json: Json = False,
) -> None:
    """Refit over the validation days: each part is judged by models trained on the days before it.

    Settings stay as they are and the holdout is not touched; `split.train` and `split.val` say
    where the first part begins and the last one ends.
    """
    from atft_core.cli import start

    asked = start.AdHocRequest(
        output_dir=output_dir,
        data_path=data_path,
        n_trials=None,
        max_epochs=max_epochs,
        study_name=None,
        config_files=tuple(config_files or ()),
        assignments=tuple(assignments or ()),
        until=until,
    )
    walk = start.WalkRequest(asked, folds=folds, window=window, seeds=seeds)
    raise typer.Exit(start.run_walk(walk, detach=detach, as_json=json))


@app.command(epilog="Example: atft worker output/first --trial 3")
def worker(
    run_dir: RunDir,
    trial: Annotated[int, typer.Option(min=0, help="A trial that the run has asked for.")],
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0: as configured.")] = 0,
) -> None:
    """Compute one trial here, from its last checkpoint: the program that engines start.

    For schedulers, and for a look at a trial by itself. `atft resume` takes up what it leaves.
    """
    from atft_core.cli import worker as program

    program.work(run_dir, trial, threads)


@app.command(epilog="Example: atft preflight --data-path panel.parquet --config objective/rank")
def preflight(
    data_path: DataPath = None,
    config_files: ConfigFiles = None,
    assignments: Assignments = None,
    plugin_files: PluginFiles = None,
    json: Json = False,
) -> None:
    """Check a configuration on its panel in seconds, as every run does before its first trial.

    Exit code 1 when a check fails. docs/judging.md says what each of them would catch.
    """
    from atft_core.cli import preflight as command
    from atft_core.cli.plugins import allow_named

    files = allow_named(plugin_files or ())
    raise typer.Exit(
        command.preflight(data_path, config_files or (), assignments or [], files, as_json=json)
    )


@app.command(epilog="Example: atft stop output/hpo_short        (after the running trial)")
def stop(
    run_dir: RunDir,
    now: Annotated[bool, typer.Option("--now", help="Interrupt the running trial.")] = False,
    json: Json = False,
) -> None:
    """Ask a run to stop; `atft resume` continues it."""
    from atft_core.cli import control

    control.stop(run_dir, now=now, as_json=json)


@app.command(epilog="Example: atft prune output/hpo_short 3")
def prune(
    run_dir: RunDir,
    trial: Annotated[int, typer.Argument(help="A running trial.", show_default=False)],
    json: Json = False,
) -> None:
    """Give up on a running trial; the sweep goes on with the next one."""
    from atft_core.cli import control

    control.prune(run_dir, trial, as_json=json)


@app.command(epilog="Example: atft enqueue output/hpo_short --like 3 --set model.hidden=128")
def enqueue(
    run_dir: RunDir,
    like: Annotated[
        int | None, typer.Option(help="Whose parameters; the best trial's if not said.")
    ] = None,
    assignments: Assignments = None,
    json: Json = False,
) -> None:
    """Ask a running sweep for one more trial, with these parameters."""
    from atft_core.cli import control

    control.enqueue(run_dir, like, assignments or [], as_json=json)


@app.command(epilog="Example: atft resume output/hpo_short --detach")
def resume(run_dir: RunDir, detach: Detach = False, json: Json = False) -> None:
    """Continue a run that was stopped or died, each trial from its last checkpoint."""
    from atft_core.cli import control

    raise typer.Exit(control.resume(run_dir, detach=detach, as_json=json))


@app.command(epilog="Example: atft repair output/hpo_short --look")
def repair(
    run_dir: RunDir,
    look: Annotated[
        bool, typer.Option("--look", help="Say what is wrong, change nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Put right what a crash or a bad disk left of a run; the event log is the truth."""
    from atft_core.cli import repair as repairing

    repairing.repair_run(run_dir, change=not look, as_json=json)


@app.command(epilog="Example: atft holdout output/hpo_full --trial 7")
def holdout(
    run_dir: RunDir,
    trial: Annotated[int, typer.Option(help="The trial to score.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Score a trial on the holdout. Every look is counted: do it once, at the end."""
    from atft_core.cli import control

    control.score(run_dir, trial, confirmed=yes, as_json=json)


@app.command(
    epilog="Example: atft predict output/hpo_full --data-path until_today.parquet "
    "--since 2026-11-26 --out scores.parquet"
)
def predict(
    run_dir: RunDir,
    data_path: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="A panel with the columns of the run's; built-in features look back a year.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="The .parquet or .csv file to write.")],
    trials: Annotated[
        list[int] | None,
        typer.Option("--trial", help="The trial, else the best one; of several the mean by day."),
    ] = None,
    since: Annotated[
        str, typer.Option(help="First day to score; else the first with all its history.")
    ] = "",
    blend: Annotated[
        bool, typer.Option("--blend", help="Also the equal mean with the run's LightGBM.")
    ] = False,
    assignments: Assignments = None,
    json: Json = False,
) -> None:
    """Score a panel with a trained trial: a row per day, stock and horizon.

    Columns: date, code, horizon, part (what the day was to the run: train, val, holdout, new) and
    prediction, of which only the order within a day means something. With --blend also lightgbm
    and blend, at the objective's horizon. Returns of the panel are not read.
    """
    from atft_core.cli import predict as command

    command.predict(
        run_dir, data_path, out, trials=trials or [], since=since, blend=blend,
        assignments=assignments or [], as_json=json,
    )  # fmt: skip
