"""Commands about this machine: a panel to try things on, its speed, its alerts, its health."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atft_core.cli.options import Json

here = typer.Typer()


@here.command(epilog="Example: atft synth demo.parquet --stocks 200 --days 600 --seed 3")
def synth(
    path: Annotated[Path, typer.Argument(help="The parquet file to write.")],
    stocks: Annotated[int, typer.Option(min=20, help="Number of stocks.")] = 120,
    days: Annotated[int, typer.Option(min=60, help="Number of trading days.")] = 520,
    signal: Annotated[float, typer.Option(min=0.0, help="Strength; 0 plants nothing.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Seed.")] = 0,
    like: Annotated[
        str,
        typer.Option(
            help='"planted": signal of known ceilings, with edges and market; '
            '"original": the shape of the original data set, noise inside.'
        ),
    ] = "",
    scale: Annotated[
        float,
        typer.Option(min=0.005, max=1.0, help="With --like original: share of its 4,484 stocks."),
    ] = 1.0,
    json: Json = False,
) -> None:
    """Write a panel with a planted signal, to try things on."""
    from atft_core.cli import panel

    panel.refuse_other_shapes(like, scale)
    if like == "original":
        panel.synth_original(path, scale=scale, seed=seed, as_json=json)
        return
    make = panel.synth_planted if like else panel.synth
    make(path, stocks=stocks, days=days, signal=signal, seed=seed, as_json=json)


@here.command(
    epilog="Example: atft bench step --stocks 300 --json --out step.json",
    context_settings={
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "help_option_names": [],
    },
)
def bench(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(help="feed, step, console or engine.")] = "",
    out: Annotated[
        Path | None, typer.Option(help="A file or a directory to keep the result in.")
    ] = None,
    json: Json = False,
) -> None:
    """Measure this machine: ratios from one run; sizes as options (see docs/performance.md)."""
    from atft_core.cli import bench as command

    command.run(kind, context.args, out=out, as_json=json)


@here.command(epilog="Example: atft notify --test")
def notify(
    test: Annotated[bool, typer.Option("--test", help="Send one alert everywhere.")] = False,
    json: Json = False,
) -> None:
    """Say which alerts are told and where; --test: exit code 1 when a channel fails."""
    from atft_core.cli import notify as command

    if test:
        raise typer.Exit(command.test(as_json=json))
    command.show(as_json=json)


@here.command(epilog="Example: atft doctor --json")
def doctor(json: Json = False) -> None:
    """Check this machine: versions, GPU, compiler, disk, environment."""
    from atft_core.cli import doctor as command

    raise typer.Exit(command.show(as_json=json))
