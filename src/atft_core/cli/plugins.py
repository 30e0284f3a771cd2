"""`atft plugins`, and `--plugin`: which code of a user's own may run."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from atft_core.cli.output import print_json, say, table
from atft_core.command.files import fingerprint
from atft_core.config.load import read_resolved
from atft_core.run import plugins
from atft_core.run.files import read_json


def allowed(files: Iterable[Path]) -> tuple[str, ...]:
    """Let these files run: whoever names them on a command line means them."""
    found = []
    for path in files:
        source = plugins.read(path.expanduser().absolute())
        if not source.allowed:
            plugins.allow(source)
        found.append(str(source.path))
    return tuple(found)


def allow(files: Sequence[Path], *, as_json: bool) -> None:
    """Let files run from now on, and say what each brings."""
    for name in allowed(file for file in files if file.suffix != ".toml"):
        plugins.load(plugins.read(Path(name)))
    for path in (file for file in files if file.suffix == ".toml"):
        what = fingerprint(read_resolved(path), _place(path))
        plugins.allow_command(what)
        say(f"allowed to run: {json.dumps(what, indent=1)}", to=sys.stderr)
    show(as_json=as_json)


def _place(config: Path) -> Path:
    """Where the run of a config.toml would execute its program."""
    facts: Any = read_json(config.with_name("run.json"))
    place = Path(str(facts.get("cwd", ""))) if isinstance(facts, dict) else Path()
    return place if place.is_dir() else Path.cwd()


def forget(files: Sequence[Path]) -> None:
    """Let files run no more."""
    for path in files:
        plugins.forget(plugins.read(path.expanduser().absolute()))
        say(f"{path} is not allowed to run any more")


def show(*, as_json: bool) -> None:
    """Every table with what this process and installed packages bring into it."""
    found = {name: sorted(plugins.table(name)) for name in plugins.TABLES}
    if as_json:
        print_json(found)
        return
    said = [[name, ", ".join(keys) or "nothing"] for name, keys in found.items()]
    say(table(said))
