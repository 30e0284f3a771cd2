"""The groups `atft data`, `atft config` and `atft cluster`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atft_core.cli.options import Assignments, ConfigFiles, DataPath, Json, RunbookFile

data = typer.Typer(help="Look at a panel and build its cache.", no_args_is_help=True)
config = typer.Typer(help="Look at the configuration.", no_args_is_help=True)
plugins = typer.Typer(help="Loss terms, criteria ... of your own.", no_args_is_help=True)
cluster = typer.Typer(
    help="Start, look at and end a Ray cluster with a token: Ray's commands, shown and run.",
    no_args_is_help=True,
)


@data.command(
    "build", epilog="Example: atft data build --data-path panel.parquet --dtype uint8rank"
)
def data_build(
    data_path: DataPath = None,
    config_files: ConfigFiles = None,
    assignments: Assignments = None,
    dtype: Annotated[
        str, typer.Option(help="bfloat16, float32 or uint8rank: sets data.dtype.")
    ] = "",
    json: Json = False,
) -> None:
    """Build the panel's cache, or find that it is there."""
    from atft_core.cli import panel

    panel.build(data_path, config_files or (), assignments or [], dtype=dtype, as_json=json)


@data.command("info", epilog="Example: atft data info --data-path panel.parquet --json")
def data_info(
    data_path: DataPath = None,
    config_files: ConfigFiles = None,
    assignments: Assignments = None,
    json: Json = False,
) -> None:
    """Describe the panel: rows, days, features, coverage, splits."""
    from atft_core.cli import panel

    panel.info(data_path, config_files or (), assignments or [], as_json=json)


@data.command("check", epilog="Example: atft data check --data-path panel.parquet")
def data_check(
    data_path: DataPath = None,
    config_files: ConfigFiles = None,
    assignments: Assignments = None,
    json: Json = False,
) -> None:
    """List every defect of the panel: exit code 1 when one of them is an error."""
    from atft_core.cli import panel

    raise typer.Exit(panel.check(data_path, config_files or (), assignments or [], as_json=json))


@config.command("show", epilog="Example: atft config show --origin --set train.max_epochs=5")
def config_show(
    config_files: ConfigFiles = None,
    runbook: RunbookFile = None,
    assignments: Assignments = None,
    origin: Annotated[bool, typer.Option("--origin", help="Say where each value is from.")] = False,
    json: Json = False,
) -> None:
    """Print every key with its value and its meaning."""
    from atft_core.cli import settings

    settings.show(config_files or (), runbook, assignments or [], origin=origin, as_json=json)


@plugins.command("allow", epilog="Example: atft plugins allow tail.py criteria.py")
def plugins_allow(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Python files.")],
    json: Json = False,
) -> None:
    """Let files run as plug-ins, with the content that they have now. They run as you.

    A run's config.toml: the program that it starts, where somebody else has begun that run.
    """
    from atft_core.cli import plugins as command

    command.allow(files, as_json=json)


@plugins.command("forget", epilog="Example: atft plugins forget tail.py")
def plugins_forget(
    names: Annotated[
        list[str],
        typer.Argument(metavar="FILE|SUM...", help="Python files, also removed ones, or sums."),
    ],
) -> None:
    """Let files and programs run no more."""
    from atft_core.cli import plugins as command

    command.forget(names)


@plugins.command("list", epilog="Example: atft plugins list --json")
def plugins_list(json: Json = False) -> None:
    """What installed packages bring, and what you have allowed to run."""
    from atft_core.cli import plugins as command

    command.show(as_json=json)


@cluster.command("up", epilog="Example: atft cluster up --host 10.0.0.1, then on others: --join")
def cluster_up(
    host: Annotated[str, typer.Option(help="Address of this machine, as others reach it.")] = "",
    port: Annotated[int, typer.Option(help="Of the head.")] = 6379,
    join: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Join the cluster with this head.")
    ] = "",
    gpus: Annotated[int | None, typer.Option(help="GPUs to offer; all by default.")] = None,
    cpus: Annotated[int | None, typer.Option(help="Cores to offer; all by default.")] = None,
) -> None:
    """Start a head on this machine, or join one."""
    from atft_core.cli import cluster as commands

    raise typer.Exit(commands.up(host, port, join, gpus, cpus))


@cluster.command("status", epilog="Example: atft cluster status --address 10.0.0.1:6379")
def cluster_status(
    address: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="The head; this machine's by default.")
    ] = "",
) -> None:
    """Who is in the cluster, and what is in use."""
    from atft_core.cli import cluster as commands

    raise typer.Exit(commands.status(address))


@cluster.command("down", epilog="Example: atft cluster down")
def cluster_down() -> None:
    """End everything of Ray on this machine; a run goes on elsewhere, or waits."""
    from atft_core.cli import cluster as commands

    raise typer.Exit(commands.down())
