"""Of what a run directory would execute, only what this user has named: it may be anybody's."""

from __future__ import annotations

from pathlib import Path

from atft_core.command.files import changed, fingerprint
from atft_core.config.schema import Config
from atft_core.errors import EngineError
from atft_core.run import allowed, plugins
from atft_core.run.directory import RunDirectory
from atft_core.run.state import State


def refuse_strange_code(run: RunDirectory, config: Config, begun: State) -> None:
    """EngineError or UsageError for plug-ins and programs that this user has not allowed.

    A script that was edited since would make another experiment of it, too. The current directory
    has to be the run's.
    """
    plugins.refuse_strange(begun.identity.get("plugins"), run.plugins)
    argv = config.command.argv
    if not argv:
        return
    shown = " ".join(argv)[:200]
    if edited := changed(begun.identity.get("scripts"), Path.cwd()):
        raise EngineError(
            f"{', '.join(edited)} of {shown} changed since this run started.",
            hint="Its trials would be of two programs: start a new run, or put it back.",
        )
    if not allowed.knows_program(fingerprint(config, Path.cwd())):
        raise EngineError(
            f"{run.path} would run {shown}, which you have not started here.",
            hint=f"Read it first, it runs as you: `atft plugins allow {run.config}` allows it.",
        )
