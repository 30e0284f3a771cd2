"""`python -m atft_core.train.conclude RUN_DIR`: what all trials of a run say together.

Writes conclusion.json, which the engine tells: the significance of the best trial, or the result
of a walk-forward; when neither can be had, the error.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from atft_core.config.load import read_resolved
from atft_core.run.directory import RunDirectory
from atft_core.run.events import Json
from atft_core.run.files import write_json
from atft_core.run.judge.measure_model import tried
from atft_core.run.state import FOLD
from atft_core.run.status import evidence
from atft_core.train.report import log_to_stdout, reason
from atft_core.train.significance import significance
from atft_core.train.significance import told as told_of_one
from atft_core.train.walk import told, walk

log = logging.getLogger("atft_core.train")


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; always 0, as the error is in the file."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    log_to_stdout()
    run = RunDirectory(Path(arguments[0]))
    try:
        found = conclude(run)
    except Exception as error:
        log.exception("The trials cannot be measured together")
        found = {"error": reason(error)}
    write_json(run.conclusion, found)
    return 0


def conclude(run: RunDirectory) -> Json:
    """The conclusion, as conclusion.json then holds it."""
    state, config = evidence(run), read_resolved(run.config)
    if FOLD in config.search:
        trials = {trial.number: trial.params for trial in state.complete}
        walked = walk(run, trials, state.horizon)
        return {"kind": "walk", "found": walked, "said": told(walked)}
    if state.best is None:
        return {"error": "no trial is complete"}
    measured = [trial.number for trial in tried(state)]
    complete = [trial.number for trial in state.complete]
    best = state.best.number
    fold = config.split.fold
    found = significance(run, measured, complete, best, state.horizon, fold=fold)
    if not found:
        return {"error": f"{run.trial(best).daily_ic} cannot be read"}
    said = told_of_one(found, best, state.horizon)
    return {"kind": "significance", "trial": best, "found": found, "said": said}


if __name__ == "__main__":
    sys.exit(main())
