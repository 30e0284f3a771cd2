"""`atft repair`: what is wrong with a run, and what was put right."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from atft_core.cli.output import print_json, say, table
from atft_core.engine.repair import refuse_hopeless, repair
from atft_core.run.directory import RunDirectory


def repair_run(run_dir: Path, *, change: bool, as_json: bool) -> None:
    """A line for each thing; RunDirectoryError where the run cannot go on."""
    run = RunDirectory(run_dir.absolute())
    found = repair(run, change=change)
    if as_json:
        print_json({"run_dir": str(run.path), "found": [asdict(each) for each in found]})
    else:
        say(table([[each.what, each.state, each.said] for each in found]))
    refuse_hopeless(found, run)
