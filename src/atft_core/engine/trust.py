"""Of what a run directory would execute, only what this user has named: it may be anybody's."""

from __future__ import annotations

from pathlib import Path

from atft_core.command.files import fingerprint, scripts_of
from atft_core.config.hashing import code_version, with_plugins
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
    sums = begun.identity.get("plugins") or {}
    plugins.refuse_strange(sums, run.plugins)
    argv = config.command.argv
    if not argv:
        return
    shown = " ".join(argv)[:200]
    code = with_plugins(code_version(), {**sums, **scripts_of(config.command)})
    if code.partition("+")[2].partition("+")[2] not in str(begun.identity.get("code")):
        raise EngineError(
            f"A script of {shown} has changed since this run started.",
            hint="Its trials would be of two programs: start a new run, or put it back.",
        )
    if not allowed.knows_program(fingerprint(config, Path.cwd())):
        raise EngineError(
            f"{run.path} would run {shown}, which you have not started here.",
            hint=f"Read it first, it runs as you: `atft plugins allow {run.config}` allows it.",
        )
