"""docs/reference.md, made of the code: settings, criteria, events, commands."""

import inspect
from dataclasses import fields
from pathlib import Path

import typer

from atft_core.cli.app import app
from atft_core.config.keys import DESCRIPTIONS, dump, flatten
from atft_core.config.render import toml_value
from atft_core.config.schema import Config
from atft_core.run.events import KINDS
from atft_core.run.judge.criteria import CRITERIA, meaning

PAGE = Path(__file__).parents[2] / "docs" / "reference.md"


def cell(text):
    return " ".join(str(text).split()).replace("|", "\\|")


def settings():
    values = flatten(dump(Config()))
    rows = ["| key | default | what it is |", "|---|---|---|"]
    for key, about in DESCRIPTIONS.items():
        value = "atft config show" if key == "search" else toml_value(values[key])
        rows.append(f"| `{key}` | `{cell(value)}` | {cell(about)} |")
    return rows


def criteria():
    rows = ["| name | must be | unit | what it measures |", "|---|---|---|---|"]
    for name, criterion in CRITERIA.items():
        about = f"{criterion.comparison} the bar"
        rows.append(f"| `{name}` | {about} | {criterion.unit} | {cell(meaning(name))} |")
    for side, word in (("above", ">"), ("below", "<")):
        about = "any validation metric that the trials tell, at the last epoch of the best one"
        rows.append(f"| `{side}.METRIC` | {word} the bar |  | {about} |")
    return rows


def events():
    rows = ["| kind | when | fields |", "|---|---|---|"]
    for kind, cls in KINDS.items():
        names = ", ".join(f"`{field.name}`" for field in fields(cls))
        rows.append(f"| `{kind}` | {cell(inspect.getdoc(cls))} | {names} |")
    return rows


def commands():
    rows = ["| command | what it does |", "|---|---|"]
    for words, command in leaves(typer.main.get_command(app), ["atft"]):
        rows.append(f"| `{' '.join(words)}` | {cell((command.help or '').split(chr(10) * 2)[0])} |")
    return rows


def leaves(command, words):
    """Every command that does something, by its words."""
    found = getattr(command, "commands", None)
    if not found:
        yield words, command
        return
    for name, inner in sorted(found.items()):
        yield from leaves(inner, [*words, name])


def page():
    parts = [
        "# Reference", "",
        "Made of the code by `python tests/house/test_house_docs.py`; a test fails where it is not "
        "what the code says. Keys of the console: [README](../README.md#keys).", "",
        "## Commands", "", "`atft COMMAND --help` has the options, with an example.", "",
        *commands(), "",
        "## Settings", "",
        "By `--set KEY=VALUE`, in `atft.toml`, in a file given with `--config`, in a runbook's "
        "`[config]`, or as `ATFT_SECTION_KEY` in the environment; `atft config show --origin` says "
        "what holds and why.", "",
        *settings(), "",
        "## Criteria", "",
        "Rows of a runbook: `{ name = ..., minimum = ..., target = ..., horizon = ... }`.", "",
        *criteria(), "",
        "## Events", "",
        "Lines of `events.jsonl`: `seq`, `t` (seconds since 1970), `kind`, these fields, and "
        "`crc`, the CRC-32 of the line before it. Fields are only ever added.", "",
        *events(), "",
    ]  # fmt: skip
    return "\n".join(parts)
