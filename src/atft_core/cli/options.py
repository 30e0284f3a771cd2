"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atft_core.cli import completing

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
ConfigFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--config",
        metavar="FILE",
        autocompletion=completing.presets,
        help="Configuration (TOML), or a preset as objective/rank. Of several the last wins.",
    ),
]
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Set one key, e.g. train.max_epochs=5.",
        autocompletion=completing.settings,
    ),
]
DataPath = Annotated[
    Path | None, typer.Option("--data-path", metavar="FILE", help="The panel: parquet or Arrow.")
]
RunbookFile = Annotated[
    Path | None,
    typer.Option(
        "--runbook",
        metavar="FILE",
        help="Stages: a file, or cpu for a box without NVML.",
        autocompletion=completing.runbooks,
    ),
]
PluginFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin", metavar="FILE", help="Python of your own (docs/plugins.md); allows it to run."
    ),
]
Detach = Annotated[
    bool, typer.Option("--detach", help="Return once the engine runs; it goes on by itself.")
]
Storage = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", help="PostgreSQL for the study: a file of mode 0600 that holds its URL."
    ),
]
RunDir = Annotated[Path, typer.Argument(metavar="RUN_DIR", help="A run directory.")]
