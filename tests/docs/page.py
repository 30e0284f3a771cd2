"""A page of the documentation, run as a reader would: its files written, its commands typed."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(
    r"^(?P<skip><!-- not run: [^\n]+ -->\n)?```(?P<kind>\w+)(?: file=(?P<file>\S+))?\n"
    r"(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL,
)  # fmt: skip


@dataclass(frozen=True)
class Block:
    kind: str
    file: str
    body: str
    skipped: bool

    @property
    def commands(self):
        return self.body if self.kind == "console" and not self.skipped else ""


def blocks(page):
    """What stands between fences; a comment before one says why it is not run."""
    return [
        Block(m["kind"], m["file"] or "", m["body"], bool(m["skip"]))
        for m in _BLOCK.finditer((ROOT / page).read_text())
    ]


def play(page, place):
    """Every block in its order, in one directory; the first command that fails says so."""
    there = blocks(page)
    assert any(block.commands for block in there), f"{page} has no command that could be read"
    try:
        for block in there:
            if block.file:
                target = place / block.file
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(block.body)
            elif block.commands:
                run(block.commands, place)
    finally:  # what a page leaves at work goes on by itself
        for found in sorted(place.glob("output/*/run.json")):
            run(f"atft stop {found.parent} --now || true", place)


def run(commands, place):
    paths = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    homes = {
        f"XDG_{name}_HOME": str(place / ".xdg" / name) for name in ("STATE", "CACHE", "CONFIG")
    }
    env = {**os.environ, **homes, "PATH": paths, "ATFT_TRAIN_THREADS": "1"}
    done = subprocess.run(
        ["bash", "-eu", "-c", commands], cwd=place, env=env, capture_output=True,
        text=True, timeout=900, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, f"{commands}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout
