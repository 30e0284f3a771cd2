"""What the documents say is what the program does.

`python tests/house/test_house_docs.py` writes their tables again.
"""

import re
import shlex
from pathlib import Path

import pytest
import reference
import typer

from atft_core.cli.app import app
from atft_core.data.features import FEATURES
from atft_core.run.alerts import KEYS as ALERTS
from atft_core.run.runbook import load
from atft_core.run.shipped import shipped
from atft_tui.bindings import KEYS, PANES, stage_keys

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
CONSOLE_PAGE = ROOT / "docs" / "console.md"
FEATURE_PAGE = ROOT / "docs" / "features.md"
WHERE = {"list": "panes", "trials": "trials", "checklist": "checklist", "curves": "curves",
         "log": "log"}  # fmt: skip
"""The pane that must have the focus (`tab`, or its number)."""


def cell(text):
    return text.replace("|", "\\|")


def twin(key):
    return f"`{cell(key.twin.replace('{run}', 'RUN_DIR'))}`" if key.twin else ""


def key_table():
    """The keys of the main screen and of its panes."""
    keys = [key for key in KEYS if key.scope in PANES]
    rows = [
        f"| {WHERE.get(key.scope, '')} | `{key.shown}` | {cell(key.help)} | {twin(key)} |"
        for key in [*stage_keys(load(shipped("runbook.toml"))), *keys]
    ]
    head = ["| where | key | what it does | without a screen |", "|---|---|---|---|"]
    tail = "| | `ctrl+p` | the palette: everything by name | |"
    return "\n".join([*head, *rows, tail])


def feature_page():
    """One line per built-in feature."""
    head = [
        "# The built-in features",
        "",
        "Computed from open, high, low, close and volume; each uses days up to its own and is made",
        "a rank within the day (`data.normalise`). With `data.features` a panel brings its own.",
        "",
        "| feature | group | what it is |",
        "|---|---|---|",
    ]
    rows = [f"| `{f.name}` | {f.group} | {cell(f.doc)} |" for f in FEATURES]
    return "\n".join([*head, *rows]) + "\n"


def with_alerts(text):
    """The page of the console with the table of alerts put between its marks."""
    before, _, rest = text.partition("<!-- alerts -->\n")
    _, _, after = rest.partition("<!-- /alerts -->")
    rows = [f"| `{key}` | {cell(told)} |" for key, told in ALERTS.items()]
    table = "\n".join(["| alert | when it comes |", "|---|---|", *rows])
    return f"{before}<!-- alerts -->\n{table}\n<!-- /alerts -->{after}"


def with_keys(text):
    """The README with the table of keys put between its marks."""
    before, _, rest = text.partition("<!-- keys -->\n")
    _, _, after = rest.partition("<!-- /keys -->")
    return f"{before}<!-- keys -->\n{key_table()}\n<!-- /keys -->{after}"


def test_the_readme_names_every_key():
    assert README.read_text() == with_keys(README.read_text())


def test_every_feature_is_documented():
    assert FEATURE_PAGE.read_text() == feature_page()


def commands():
    """The atft commands of README and docs, without their comments."""
    for page in (README, *sorted((ROOT / "docs").glob("*.md"))):
        for block in re.findall(r"```console\n(.*?)```", page.read_text(), re.S):
            for line in block.splitlines():
                words = line.partition("#")[0].strip()
                if words.startswith("atft "):
                    yield pytest.param(words, id=f"{page.name}: {words}")


@pytest.mark.parametrize("typed", list(commands()))
def test_every_command_in_the_documents_has_these_options(typed):
    words = re.split(r"\s(?:\|\||\||>|&&)\s", typed)[0]
    words = shlex.split(words)[1:]
    command = typer.main.get_command(app)
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    options = {each for parameter in command.params for each in parameter.opts} | {"--help"}
    if command.name != "bench":  # which has those of its kinds
        assert {word.partition("=")[0] for word in words if word.startswith("--")} <= options


def test_every_path_of_the_annotated_tree_exists():
    tree = README.read_text().partition("## The house")[2].partition("## Working")[0]
    block = re.findall(r"```\n(.*?)```", tree, re.S)[0]
    folder = ROOT
    for line in block.splitlines():
        names = re.match(r"\s*((?:[\w./]+\s)+)", line + " ").group(1).split()
        for name in [n for n in names if n.endswith(("/", ".py"))]:
            if not line.startswith(" "):
                folder = ROOT / name
            assert (folder if not line.startswith(" ") else folder / name).exists(), line


def test_the_reference_says_what_the_code_says():
    assert reference.PAGE.read_text() == reference.page()


if __name__ == "__main__":
    reference.PAGE.write_text(reference.page())
    README.write_text(with_keys(README.read_text()))
    FEATURE_PAGE.write_text(feature_page())
    CONSOLE_PAGE.write_text(with_alerts(CONSOLE_PAGE.read_text()))


def test_every_alert_is_explained():
    assert CONSOLE_PAGE.read_text() == with_alerts(CONSOLE_PAGE.read_text())


def test_every_preflight_check_is_explained():
    from atft_core.train.preflight.checks import CHECKS

    table = (ROOT / "docs" / "judging.md").read_text().partition("| check |")[2]
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", table.partition("\n\n")[0], re.MULTILINE)
    assert rows == list(CHECKS)
