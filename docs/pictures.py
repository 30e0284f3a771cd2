"""Pictures of every screen of the console, from a run: `python docs/pictures.py RUN_DIR [FOLDER]`.

The console is driven by its keys, without a terminal, and each screen is written as an SVG file.
A run that is live, in a sweep of several trials, shows most; of one that has ended a few screens
have less to say. Pictures show names: of the host, the user, the directory. Where they are those
of this machine it is said, and the exit code is 3 with `--strict`.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import os
import re
import socket
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from textual.pilot import Pilot

from atft_core.run.directory import RunDirectory
from atft_core.run.runbook import load
from atft_tui.app import ConsoleApp
from atft_tui.cli import _options, _runbook_path, parser

LARGE, USUAL, SMALL = (200, 50), (120, 34), (80, 24)
SETTLE = 0.7
"""Seconds in which threads bring what a screen asks for."""
PATIENCE = 120
"""Seconds that a screen may take for what it has to read."""
BUSY = ("reading ...", "reading the", "looking at", "are checked ...", "asking the processes")
"""Words of a screen that is not ready."""


@dataclass(frozen=True)
class Picture:
    """A screen, and the keys that lead to it."""

    name: str
    keys: tuple[str, ...] = ()
    size: tuple[int, int] = USUAL
    live: bool = False
    """Whether only a run that is live has it."""


PICTURES = (
    Picture("console"),
    Picture("console-200x50", size=LARGE),
    Picture("console-80x24", size=SMALL),
    Picture("high-contrast", ("T",), SMALL),
    Picture("colour-blind", ("T", "T"), SMALL),
    Picture("gpu", ("1",)),
    Picture("verdict", ("2",)),
    Picture("trials", ("3", "space", "down", "down", "space")),
    Picture("checklist", ("4",)),
    Picture("curves", ("3", "space", "down", "space", "3", "5")),
    Picture("log", ("6",)),
    Picture("trial", ("enter",), (160, 46)),
    Picture("compare", ("space", "down", "space", "c")),
    Picture("columns", ("v",)),
    Picture("evidence", ("4", "end", "up", "up", "up", "up", "up", "up", "enter")),
    Picture("settings", ("e", "equals_sign")),
    Picture("timeline", ("t",)),
    Picture("rewound", ("t", "end", "up", "up", "enter")),
    Picture("runs", ("R",)),
    Picture("before-after", ("b", "enter")),
    Picture("start", ("d",)),
    Picture("stacks", ("y",), live=True),
    Picture("stop", ("X",), SMALL, live=True),
    Picture("keys", ("question_mark",)),
    Picture("palette", ("ctrl+p",)),
)


async def draw(picture: Picture, run: RunDirectory) -> tuple[str, str]:
    """One picture, by a console of its own: the SVG file, and the text that is in it."""
    args = parser().parse_args([str(run.path)])
    runbook = load(_runbook_path(args))
    app = ConsoleApp(runbook, run.path, _options(runbook, args))
    async with app.run_test(size=picture.size) as pilot:
        await _settle(pilot, lambda: _text(app))
        for key in picture.keys:
            await pilot.press(key)
        await _settle(pilot, lambda: _text(app))
        app.clear_notifications()
        await pilot.pause()
        return app.export_screenshot(title="atft-tui", simplify=True), _text(app)


async def _settle(pilot: Pilot[None], text: Callable[[], str]) -> None:
    """Until the screen has what it reads."""
    for _ in range(int(PATIENCE / SETTLE)):
        await pilot.pause(SETTLE)
        if not any(word in text() for word in BUSY):
            break
    await pilot.pause()


def _text(app: ConsoleApp) -> str:
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


def names() -> set[str]:
    """What says whose machine this is."""
    return {socket.gethostname(), getpass.getuser(), str(Path.home()), str(Path.cwd())} - {""}


def told(name: str, text: str) -> Iterable[str]:
    """Which of these names a picture shows."""
    words = re.split(r"[^\w.-]+", text)
    return (f"{name} shows {each!r}" for each in sorted(names())
            if (each in text if "/" in each else each in words))  # fmt: skip


def main() -> int:
    """Draw them all."""
    given = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    given.add_argument("run", type=Path, metavar="RUN_DIR")
    given.add_argument("folder", type=Path, nargs="?", default=Path(__file__).parent / "screens")
    given.add_argument("--only", metavar="NAME", nargs="+")
    given.add_argument("--strict", action="store_true", help="no names of this machine")
    args = given.parse_args()
    run = RunDirectory(args.run.absolute())
    args.folder.mkdir(parents=True, exist_ok=True)
    found: list[str] = []
    with TemporaryDirectory() as state:  # nobody's colours, sizes and memory of what was seen
        for picture in PICTURES:
            if args.only and picture.name not in args.only:
                continue
            os.environ["XDG_STATE_HOME"] = str(Path(state) / picture.name)
            sys.stdout.write(f"{picture.name}\n")
            svg, text = asyncio.run(draw(picture, run))
            (args.folder / f"{picture.name}.svg").write_text(svg)
            found += told(picture.name, text)
    sys.stderr.writelines(f"{line}\n" for line in found)
    return 3 if found and args.strict else 0


if __name__ == "__main__":
    sys.exit(main())
