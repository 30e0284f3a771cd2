"""`atft predict`: a trained trial's scores for a panel, as a file."""

from __future__ import annotations

from datetime import date
from pathlib import Path

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
    cache = _cache(run, data_path)
    from atft_core.data.panel import open_panel
    from atft_core.train import predict as train  # slow to import, as it brings torch

    table = train.predict(run, number, open_panel(cache), since=first_day, blend=blend)
    _write(table, out)
    days = sorted(set(table["date"].to_pylist()))
    if as_json:
        first, last = (str(days[0]), str(days[-1])) if days else (None, None)
        print_json({"trial": number, "out": str(out), "rows": table.num_rows, "first": first,
                    "last": last, "columns": table.column_names})  # fmt: skip
        return
    said = f"{days[0]} .. {days[-1]}" if days else "no stock was traded"
    say(f"{out}: trial {number}, {several(table.num_rows, 'row')}, {said}")


def _cache(run: RunDirectory, data_path: Path) -> Path:
    """The cache of the panel, made as that of the run was."""
    from atft_core.data.build import ensure_cache

    config = with_values(read_resolved(run.config), {"data.path": str(absolute(data_path))})
    progress = ProgressLine()
    try:
        return ensure_cache(config, progress)
    finally:
        progress.close()


def _best(run: RunDirectory) -> int:
    best = load(run).best
    if best is None:
        raise UsageError(
            f"{run.path} has no complete trial to predict with.",
            hint=f"`atft status {run.path}` lists its trials; --trial names one.",
        )
    return best.number


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise UsageError(f"--since {text!r} is no date.", hint="Write 2026-11-26") from error


def _write(table: object, out: Path) -> None:
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
