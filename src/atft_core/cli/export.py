"""`atft export`: a run in the shapes of other programs."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from atft_core.cli.output import print_json, say, write_out
from atft_core.cli.plugins import allow_named
from atft_core.errors import UsageError
from atft_core.export import exporters
from atft_core.run import plugins
from atft_core.run.directory import RunDirectory
from atft_core.run.status import evidence
from atft_core.run.wording import several

if TYPE_CHECKING:
    import polars as pl

    from atft_core.run.state import State

_FORMULA = "=+-@\t\r"
FORMATS = ("csv", "parquet", "json")
SCORER = "scorer"
TABLES = ("trials", "epochs", "predictions", "alphalens", "qlib")
_EXAMPLES = {SCORER: "a directory", "tensorboard": "a directory", "mlflow": "sqlite:///mlflow.db"}


@dataclass(frozen=True)
class Asked:
    """What of a run, and how."""

    run_dir: Path
    what: str
    format: str = ""
    """Empty: by the name of the file, else csv."""
    out: str = ""
    """Empty or -: standard output. Of a scorer or an exporter: a directory, or what it takes."""
    trial: int | None = None
    horizon: int | None = None
    split: str = ""
    """Empty: all of predictions; validation where a factor is asked for."""
    plugins: tuple[Path, ...] = ()


def export(asked: Asked, *, as_json: bool) -> None:
    """Write it; UsageError for what does not exist."""
    for file in allow_named(asked.plugins):
        plugins.load(plugins.read(Path(file)))
    if asked.what not in (known := what_there_is()):
        raise UsageError(
            f"{asked.what!r} is nothing that can be exported.", hint=f"One of: {', '.join(known)}."
        )
    run = RunDirectory(asked.run_dir)
    run.facts()
    state = evidence(run)
    if asked.what in TABLES:
        said = _table(asked, _frame(asked, run, state))
    else:
        said = _elsewhere(asked, run, state)
    if said and as_json:
        print_json({"exported": asked.what, "to": asked.out, "said": said})
    elif said:
        say(said)


def what_there_is() -> list[str]:
    """Names of all that a run can be written as."""
    return [*TABLES, SCORER, *exporters.there_are()]


def _elsewhere(asked: Asked, run: RunDirectory, state: State) -> str:
    if not asked.out:
        example = _EXAMPLES.get(asked.what, "a directory, say")
        raise UsageError(f"Where to? --out names it: {example}.")
    if asked.what == SCORER:
        return _scorer(asked, run, state)
    return exporters.tell(asked.what, run, state, asked.out)


def _scorer(asked: Asked, run: RunDirectory, state: State) -> str:
    from atft_core.export import scorer, tables  # torch and polars

    number = tables.chosen(state, asked.trial)
    about = scorer.write(run, number, Path(asked.out))
    return (
        f"trial {number} in {asked.out}: scorer.pt2 for torch.export.load, weights.safetensors, "
        f"scorer.json; both ways of scoring differ by {about['differs_by']:.1g} deviations"
    )


def _frame(asked: Asked, run: RunDirectory, state: State) -> pl.DataFrame:
    from atft_core.export import shapes, tables

    if asked.what == "trials":
        return tables.trials(state)
    if asked.what == "epochs":
        return tables.epochs(state)
    found = tables.predictions(run, state, asked.trial)
    horizon, split = asked.horizon or state.horizon, asked.split or "val"
    if asked.what == "alphalens":
        return shapes.for_alphalens(found, horizon, split)
    if asked.what == "qlib":
        return shapes.for_qlib(found, horizon, split)
    return shapes.of_split(found, split) if asked.split else found


def _table(asked: Asked, frame: pl.DataFrame) -> str:
    """What was written, for people; empty where it went to standard output."""
    shape = asked.format or Path(asked.out).suffix.removeprefix(".") or "csv"
    if shape not in FORMATS:
        raise UsageError(f"{shape!r} is no format of tables.", hint=f"--format {'|'.join(FORMATS)}")
    data = _encoded(frame, shape)
    if asked.out in ("", "-"):
        if shape == "parquet" and sys.stdout.isatty():
            raise UsageError("Parquet is not for a terminal.", hint="Name a file with --out.")
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return ""
    write_out(Path(asked.out), data)
    return f"{asked.out}: {several(frame.height, 'row')}, {several(frame.width, 'column')}"


def _harmless(frame: pl.DataFrame) -> pl.DataFrame:
    """Text that a spreadsheet would take for a formula gets an apostrophe before it."""
    import polars as pl

    def safe(name: str) -> str:
        return f"'{name}" if name[:1] in _FORMULA else name

    text = pl.col(pl.String)
    marked = pl.when(text.str.slice(0, 1).is_in(list(_FORMULA))).then("'" + text).otherwise(text)
    return frame.with_columns(marked.name.keep()).rename(safe)


def _encoded(frame: pl.DataFrame, shape: str) -> bytes:
    import io

    out = io.BytesIO()
    if shape == "csv":
        _harmless(frame).write_csv(out)
    elif shape == "parquet":
        frame.write_parquet(out)
    else:
        frame.write_json(out)
        out.write(b"\n")
    return out.getvalue()
