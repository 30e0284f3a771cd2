"""What happened in a run, moment by moment; and what its status was at one of them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from atft_core.cli.output import print_json, say, table
from atft_core.cli.status import GLYPH
from atft_core.errors import RunDirectoryError
from atft_core.run.directory import RunDirectory
from atft_core.run.narrate import stamp
from atft_core.run.status import load
from atft_core.run.timeline import Timeline, newest_time, parse_time
from atft_core.run.turns import merged
from atft_core.run.verdict.history import Stretch
from atft_core.run.wording import duration

_SIGNS = {verdict.value: glyph for verdict, glyph in GLYPH.items()}
_SIGNS |= {"RUNNING": ">>", "LOCKED": "--"}


def timeline(run_dir: Path, *, since: str, as_json: bool) -> None:
    """Print the moments of a run, all or from a time on."""
    run = RunDirectory(run_dir.absolute())
    run.facts()
    found = Timeline(run.events)
    found.read()
    every = merged(found.moments, _stretches(run), found.seq)
    began = every[0].t if every else 0.0
    first = parse_time(since, newest_time(run)) if since else 0.0
    moments = [moment for moment in every if moment.t >= first]
    if as_json:
        print_json({"run_dir": str(run.path), "moments": [asdict(each) for each in moments]})
        return
    if not moments:
        say("Nothing has happened" + (f" since {stamp(first)}." if since else " yet."))
        return
    rows = [["time", "run time", "seq", "", "what", "happened"]]
    for each in moments:
        after = duration(each.t - began)
        rows.append([stamp(each.t), after, str(each.seq), _SIGNS[each.sign], each.about, each.text])
    say(table(rows, right=(1, 2)))


def _stretches(run: RunDirectory) -> list[Stretch]:
    """What the verdict was from when to when; nothing where the log can be told but not folded."""
    try:
        return load(run).verdicts
    except RunDirectoryError:
        return []
