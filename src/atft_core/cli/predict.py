"""`atft predict`: a trained trial's scores for a panel, as a file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atft_core.cli.output import ProgressLine, print_json, say, write_out
from atft_core.config.load import parse_assignment, read_resolved, with_values
from atft_core.errors import DataError, UsageError
from atft_core.run.access import refuse_own_program
from atft_core.run.directory import RunDirectory
from atft_core.run.foreign import clean
from atft_core.run.state import FOLD, State
from atft_core.run.status import load
from atft_core.run.user import absolute
from atft_core.run.wording import several

if TYPE_CHECKING:
    from atft_core.data.panel import Panel
    from atft_core.train.predict import Predicted

SUFFIXES = (".parquet", ".csv")


def predict(
    run_dir: Path,
    data_path: Path,
    out: Path,
    *,
    trials: Sequence[int],
    since: str,
    blend: bool,
    assignments: Sequence[str] = (),
    as_json: bool,
) -> None:
    """Score the panel and write one row per day, stock and horizon."""
    run = RunDirectory(run_dir.absolute())
    facts = run.facts()
    refuse_own_program(run)
    if out.suffix not in SUFFIXES:
        raise UsageError(f"--out {out} is neither a .parquet nor a .csv file.")
    _refuse_to_replace(out, run, [data_path, Path(str(facts["data"]["path"]))])
    numbers = _known(run, trials)
    first_day = _day(since)
    from atft_core.data.build import scoring_panel
    from atft_core.train.predict import predict as scores_of  # slow to import: it brings torch

    typed = dict(parse_assignment(text) for text in assignments)
    config = with_values(
        read_resolved(run.config), {**typed, "data.path": str(absolute(data_path))}
    )
    progress = ProgressLine()
    try:
        with scoring_panel(config, progress) as panel:
            progress.close()
            found = scores_of(run, numbers, panel, since=first_day, blend=blend)
            warnings = [*panel.facts["warnings"], *_doubts(found, panel)]
    finally:
        progress.close()
    _write(found.table, out)
    _tell(found, out, numbers, warnings, as_json=as_json)


def _refuse_to_replace(out: Path, run: RunDirectory, panels: Sequence[Path]) -> None:
    """Nothing that was there before but a file of scores: panels and runs are hard to get back."""
    place = out.resolve()
    inputs = [path.resolve() for path in panels]
    sides = [
        path.with_name(name) for path in inputs for name in ("sector.parquet", "edges.parquet")
    ]
    if place in [*inputs, *sides] or run.path.resolve() in place.parents:
        raise UsageError(
            f"--out {out} would replace a panel, a file beside it or a part of the run.",
            hint="Name another file.",
        )


def _known(run: RunDirectory, asked: Sequence[int]) -> list[int]:
    """The trials that are asked for; else the best one, or the newest fold of a walk-forward."""
    state = load(run)
    for number in asked:
        if number not in state.trials:
            there = ", ".join(map(str, state.trials)) or "none"
            raise UsageError(f"{run.path} has no trial {number}; it has {there}.")
        if not state.trials[number].epochs:
            raise UsageError(f"Trial {number} of {run.path} has not finished an epoch.")
    found = list(asked) or _newest_fold(state) or [state.best.number if state.best else -1]
    if found == [-1]:
        raise UsageError(
            f"{run.path} has no complete trial to predict with.",
            hint=f"`atft status {run.path}` lists its trials; --trial names one.",
        )
    return found


def _newest_fold(state: State) -> list[int]:
    """All seeds of the fold that saw the newest days; nothing where there are no folds."""
    folds = {t.number: t.params[FOLD] for t in state.complete if FOLD in t.params}
    return [number for number, fold in folds.items() if fold == max(folds.values())]


def _doubts(found: Predicted, panel: Panel) -> list[str]:
    """What the panel's findings do not say about these scores."""
    doubts = []
    if found.short:
        doubts.append(
            f"{several(found.short, 'day')} of {len(found.days)} have less than {found.history} "
            "days before them: slow features are missing there, so that scores differ from those "
            "with a longer panel"
        )
    if not panel.valid_TN[-1].any():
        doubts.append(f"no stock is traded on {panel.dates_T[-1]}, the last day: it has no scores")
    return doubts


def _tell(
    found: Predicted, out: Path, trials: list[int], warnings: list[str], *, as_json: bool
) -> None:
    from pyarrow import compute

    table = found.table
    for warning in warnings:
        say(f"warning: {clean(warning)}", to=sys.stderr)
    span = compute.min_max(table["date"]).as_py()
    first, last = str(span["min"]), str(span["max"])
    parts = {
        row["values"]: row["counts"]
        for row in compute.value_counts(table["part"].cast("string")).to_pylist()
    }
    if as_json:
        print_json({"trials": trials, "out": str(out), "rows": table.num_rows, "first": first,
                    "last": last, "columns": table.column_names, "rows_by_part": parts,
                    "short_history_days": found.short, "warnings": warnings})  # fmt: skip
        return
    who = f"trial {trials[0]}" if len(trials) == 1 else f"mean of trials {_listed(trials)}"
    said = f"{first} .. {last}" if table.num_rows else "no stock was traded"
    say(f"{out}: {who}, {several(table.num_rows, 'row')}, {said}")
    if set(parts) & {"train", "val", "holdout"}:
        shown = ", ".join(f"{count} {name}" for name, count in parts.items())
        say(f"Rows by what their day was to the run (column part): {shown}.")


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise UsageError(f"--since {text!r} is no date.", hint="Write 2026-11-26") from error


def _write(table: Any, out: Path) -> None:
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    write = pyarrow.parquet.write_table if out.suffix == ".parquet" else pyarrow.csv.write_csv
    sink = pa.BufferOutputStream()
    write(table, sink)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"Cannot write {out}: {error.strerror or error}.") from error
    write_out(out, sink.getvalue().to_pybytes())
