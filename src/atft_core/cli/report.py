"""`atft report`: one page about a run, for people without a terminal."""

from __future__ import annotations

from pathlib import Path

from atft_core.cli.output import print_json, say, write_out
from atft_core.report.evidence import gather
from atft_core.report.page import page
from atft_core.run.directory import RunDirectory


def report(
    run_dir: Path, other: Path | None, out: Path | None, cost_bps: float, *, as_json: bool
) -> None:
    """Write the page; errors as of reading a run, UsageError where it cannot be written."""
    run = RunDirectory(run_dir)
    if other:
        RunDirectory(other).facts()
    found = gather(run, RunDirectory(other) if other else None)
    target = out or run.path / "report.html"
    text = page(found, cost_bps)
    write_out(target, text.encode())
    if as_json:
        print_json({"report": str(target), "bytes": len(text.encode())})
    else:
        say(f"{target}: one file, {len(text.encode()) / 1000:.0f} KB; open it in any browser.")
