"""`atft plugins`, and `--plugin`: which code of a user's own may run."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from atft_core.cli.output import print_json, say, table
from atft_core.command.files import fingerprint
from atft_core.config.load import read_resolved
from atft_core.errors import UsageError
from atft_core.run import allowed, plugins
from atft_core.run.allowed import SHORT, Allowed
from atft_core.run.directory import RunDirectory
from atft_core.run.events import Json
from atft_core.run.narrate import stamp


def allow_named(files: Iterable[Path]) -> tuple[str, ...]:
    """Let these files run: whoever names them on a command line means them."""
    found = []
    for path in files:
        source = plugins.read(path.expanduser().absolute())
        allowed.allow_file(source.code, source.path)  # also where it was: at this path, now
        found.append(str(source.path))
    return tuple(found)


def allow(files: Sequence[Path], *, as_json: bool) -> None:
    """Let files run from now on, and say what each brings."""
    named = allow_named(file for file in files if file.suffix != ".toml")
    for name in named:
        plugins.load(plugins.read(Path(name)))
    for path in (file for file in files if file.suffix == ".toml"):
        what = _program(path)
        allowed.allow_program(what)
        words, scripts = shlex.join(what["argv"]), ", ".join(what["scripts"]) or "none"
        say(f"allowed to run: {words}, in {what['place']}; its scripts: {scripts}", to=sys.stderr)
    tables = _tables()
    if as_json:
        print_json(tables)
    elif named:
        say(_brought(tables))


def _program(config: Path) -> Json:
    """What the run of a config.toml would execute; UsageError where it starts no program."""
    what = fingerprint(read_resolved(config), RunDirectory(config.parent).place())
    if not what["argv"]:
        raise UsageError(f"{config} starts no program of its own: there is nothing to allow.")
    return what


def forget(names: Sequence[str]) -> None:
    """Let files and programs run no more, each by its path, there or gone, or by its sum."""
    for name in names:
        found = _named(name)
        if not found:
            raise UsageError(
                f"Nothing that is allowed to run is called {name}.",
                hint="`atft plugins list` shows what is, each with its sum.",
            )
        for each in found:
            allowed.forget(each)
            say(f"{each.what} ({each.sum[:SHORT]}) is not allowed to run any more")


def _named(name: str) -> list[Allowed]:
    """Of a file every content that was allowed at its path, and the one that it has now."""
    path = Path(name).expanduser().absolute()
    now = plugins.read(path).sum if path.suffix == ".py" and path.is_file() else ""
    if path.suffix == ".toml" and path.is_file():
        now = allowed.sum_of(_program(path))
    short = name.lower() if len(name) >= SHORT else "-"
    return [
        each
        for each in allowed.everything()
        if each.sum == now or each.what == str(path) or each.sum.startswith(short)
    ]


def show(*, as_json: bool) -> None:
    """What installed packages bring, and what this user has allowed to run."""
    tables, known = _tables(), allowed.everything()
    if as_json:
        print_json({**tables, "allowed": [asdict(each) for each in known]})
        return
    say(f"Installed packages bring:\n{_brought(tables)}")
    if not known:
        say("\nNo file and no program of your own is allowed to run.")
        return
    rows = [
        [each.sum[:SHORT], each.kind, stamp(each.since), each.what, each.place] for each in known
    ]
    say(f"\nAllowed to run as you; `atft plugins forget FILE|SUM` takes it back:\n{table(rows)}")


def _tables() -> dict[str, list[str]]:
    """Every table with what this process and installed packages bring into it."""
    return {name: sorted(plugins.table(name)) for name in plugins.TABLES}


def _brought(tables: dict[str, list[str]]) -> str:
    return table([[name, ", ".join(keys) or "nothing"] for name, keys in tables.items()])
