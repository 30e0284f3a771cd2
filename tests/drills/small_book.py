"""A runbook of three short stages, and `atft run` on it. No GPU needed, bars as low as they go."""

import json
from pathlib import Path

from drill import FAST, atft, wait_for

from atft_core.run.directory import RunDirectory
from atft_core.run.journal import Tail

SETS = [word for text in FAST for word in ("--set", text)]
_STAGE = """
[[stage]]
key = "{key}"
title = "{key} stage"
hotkey = "{hotkey}"
study_name = "book_{key}"
output_dir = "{output_dir}"
n_trials = 1
max_epochs = 2
requires = "{requires}"
criteria = [
  {{ name = "gpu_utilisation", minimum = 40 }},
  {{ name = "no_crash", minimum = 0 }},
  {{ name = "all_batches", minimum = 1 }},
  {{ name = "val_rank_ic", horizon = 1, minimum = {bar}, target = {target} }},
]
"""


def write_book(root: Path, bar: float = -0.9) -> Path:
    """The runbook of an experiment below `root`; RankIC must be above `bar`."""
    root.mkdir(parents=True, exist_ok=True)
    text = 'name = "small"\ndemo = false\n[profile]\ngpu = "stall_share"\n'
    for key, requires in (("dry", ""), ("short", "dry"), ("full", "short")):
        text += _STAGE.format(
            key=key, hotkey=key[0], output_dir=root / key, requires=requires, bar=bar,
            target=max(bar, -0.5),
        )  # fmt: skip
    book = root / "book.toml"
    book.write_text(text)
    return book


def run_stage(stage: str, book: Path, panel: Path, *extra: object, code: int = 0) -> str:
    """`atft run STAGE`; its standard output."""
    return atft(
        "run", stage, "--runbook", book, "--data-path", panel, *SETS, *extra, code=code
    )  # fmt: skip


def plan(stage: str, book: Path, panel: Path, *extra: object) -> dict:
    """What `atft run STAGE --plan` says."""
    return json.loads(run_stage(stage, book, panel, *extra, "--plan", "--json"))


def begin(stage: str, book: Path, panel: Path, *extra: object) -> RunDirectory:
    """Start a stage, see its engine, and stop it: enough to know that and how it started."""
    said = json.loads(run_stage(stage, book, panel, *extra, "--detach", "--json"))
    run = RunDirectory(Path(said["run_dir"]))
    wait_for(run, lambda state: state.engines)
    atft("stop", run.path, "--now")
    wait_for(run, lambda state: state.end_state == "STOPPED")
    return run


def events(run: RunDirectory, kind: type) -> list:
    """The events of one kind in the order of the log."""
    return [s.event for s in Tail(run.events).events() if isinstance(s.event, kind)]
