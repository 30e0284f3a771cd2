"""Pictures of every screen of the console, from a run: `python docs/pictures.py RUN_DIR [FOLDER]`.

The console is driven by its keys, without a terminal, and each screen is written as an SVG file.
A run that is live, or was a sweep of several trials, shows most.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from textual.pilot import Pilot

from atft_core.run.directory import RunDirectory
from atft_core.run.runbook import load
from atft_core.run.shipped import shipped
from atft_tui.app import ConsoleApp

LARGE, USUAL, SMALL = (200, 50), (120, 34), (80, 24)
SETTLE = 0.7
"""Seconds in which threads bring what a screen asks for."""


@dataclass(frozen=True)
class Picture:
    """A screen, and the keys that lead to it."""

    name: str
    keys: tuple[str, ...] = ()
    size: tuple[int, int] = USUAL


PICTURES = (
    Picture("console", size=LARGE),
    Picture("console-120x34"),
    Picture("console-80x24", size=SMALL),
    Picture("gpu", ("1",)),
    Picture("verdict", ("2",)),
    Picture("trials", ("3", "space", "down", "down", "space")),
    Picture("checklist", ("4",)),
    Picture("curves", ("3", "space", "down", "space", "3", "5")),
    Picture("log", ("6",)),
    Picture("trial", ("enter",), LARGE),
    Picture("compare", ("space", "down", "space", "c")),
    Picture("columns", ("v",)),
    Picture("evidence", ("4", "down", "down", "enter")),
    Picture("settings", ("e",), LARGE),
    Picture("timeline", ("t",)),
    Picture("rewound", ("t", "home", "down", "down", "down", "down", "down", "enter"), LARGE),
    Picture("runs", ("R",)),
    Picture("before-after", ("b", "enter"), LARGE),
    Picture("start", ("d",)),
    Picture("keys", ("question_mark",), LARGE),
    Picture("palette", ("ctrl+p",)),
)


async def draw(picture: Picture, run: RunDirectory, folder: Path) -> None:
    """One picture, by a console of its own."""
    named = run.facts().get("runbook")
    runbook = load(Path(named) if named and Path(named).is_file() else shipped("runbook.toml"))
    app = ConsoleApp(runbook, run.path)
    async with app.run_test(size=picture.size) as pilot:
        await _settle(pilot)
        for key in picture.keys:
            await pilot.press(key)
        await _settle(pilot)
        (folder / f"{picture.name}.svg").write_text(app.export_screenshot(title="atft-tui"))


async def _settle(pilot: Pilot[None]) -> None:
    await pilot.pause(SETTLE)
    await pilot.pause()


def main() -> None:
    """Draw them all."""
    given = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    given.add_argument("run", type=Path, metavar="RUN_DIR")
    given.add_argument("folder", type=Path, nargs="?", default=Path(__file__).parent / "screens")
    given.add_argument("--only", metavar="NAME")
    args = given.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as state:  # nobody's colours, sizes and memory of what was seen
        os.environ["XDG_STATE_HOME"] = state
        for picture in PICTURES:
            if args.only in (None, picture.name):
                sys.stdout.write(f"{picture.name}\n")
                asyncio.run(draw(picture, RunDirectory(args.run), args.folder))


if __name__ == "__main__":
    main()
