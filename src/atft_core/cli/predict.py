"""`atft predict`: a trained trial's scores for a panel, as a file."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from atft_core.cli.output import ProgressLine, print_json, say
from atft_core.config.load import read_resolved, with_values
from atft_core.errors import DataError, UsageError
from atft_core.run.directory import RunDirectory
from atft_core.run.status import load
from atft_core.run.user import absolute
from atft_core.run.wording import several

SUFFIXES = (".parquet", ".csv")


def predict(
    run_dir: Path,
    data_path: Path,
    out: Path,
    *,
    trial: int | None,
    since: str,
    blend: bool,
    as_json: bool,
) -> None:
    """Score the panel and write one row per day, stock and horizon."""
    run = RunDirectory(run_dir.absolute())
    run.facts()
    if out.suffix not in SUFFIXES:
        raise UsageError(f"--out {out} is neither a .parquet nor a .csv file.")
    number = _best(run) if trial is None else trial
    first_day = _day(since)
    from atft_core.data.build import scoring_panel
    from atft_core.train.predict import predict as scores_of  # slow to import: it brings torch

    config = with_values(read_resolved(run.config), {"data.path": str(absolute(data_path))})
    progress = ProgressLine()
    try:
        with scoring_panel(config, progress) as panel:
            progress.close()
            table = scores_of(run, number, panel, since=first_day, blend=blend)
    finally:
        progress.close()
    _write(table, out)
    _tell(table, out, number, as_json=as_json)


def _tell(table: Any, out: Path, trial: int, *, as_json: bool) -> None:
    from pyarrow import compute

    span = compute.min_max(table["date"]).as_py()
    first, last = span["min"], span["max"]
    if as_json:
        print_json({"trial": trial, "out": str(out), "rows": table.num_rows, "first": str(first),
                    "last": str(last), "columns": table.column_names})  # fmt: skip
        return
    said = f"{first} .. {last}" if table.num_rows else "no stock was traded"
    say(f"{out}: trial {trial}, {several(table.num_rows, 'row')}, {said}")


def _best(run: RunDirectory) -> int:
    """The best complete trial; one of a walk-forward has no best, as each has other days."""
    state = load(run)
    if state.walk or any("split.fold" in trial.params for trial in state.trials.values()):
        newest = max((trial.params.get("split.fold", 0) for trial in state.complete), default=0)
        numbers = [t.number for t in state.complete if t.params.get("split.fold") == newest]
        raise UsageError(
            f"{run.path} is a walk-forward: its trials are judged on different days.",
            hint=f"Name one: --trial {' or '.join(map(str, numbers))} saw the newest days.",
        )
    if state.best is None:
        raise UsageError(
            f"{run.path} has no complete trial to predict with.",
            hint=f"`atft status {run.path}` lists its trials; --trial names one.",
        )
    return state.best.number


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise UsageError(f"--since {text!r} is no date.", hint="Write 2026-11-26") from error


def _write(table: Any, out: Path) -> None:
    import pyarrow.csv
    import pyarrow.parquet

    temporary = out.with_name(f".{out.name}.tmp")
    write = pyarrow.parquet.write_table if out.suffix == ".parquet" else pyarrow.csv.write_csv
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write(table, str(temporary))
        temporary.replace(out)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise DataError(f"Cannot write {out}: {error.strerror or error}.") from error
