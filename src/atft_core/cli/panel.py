"""Panels: build the cache, describe, list defects, make a synthetic one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from atft_core.cli.output import ProgressLine, print_json, say
from atft_core.config.load import resolve
from atft_core.config.schema import Config
from atft_core.errors import UsageError
from atft_core.run.foreign import clean
from atft_core.run.wording import several, size

SHAPES = ("planted", "original")
"""What `atft synth --like` knows."""


def _config(
    data_path: Path | None,
    config_files: Sequence[Path],
    assignments: Sequence[str],
    dtype: str = "",
) -> Config:
    flags = {"data.path": str(data_path)} if data_path else {}
    flags |= {"data.dtype": dtype} if dtype else {}
    return resolve(config_files=config_files, assignments=assignments, flags=flags).config


def build(
    data_path: Path | None,
    config_files: Sequence[Path],
    assignments: Sequence[str],
    *,
    dtype: str,
    as_json: bool,
) -> None:
    """Build the cache or find it; say where it is."""
    from atft_core.data.build import ensure_cache
    from atft_core.data.panel import open_panel
    from atft_core.data.stored import kind_of

    config = _config(data_path, config_files, assignments, dtype)
    began = time.time()
    progress = ProgressLine()
    try:
        cache = ensure_cache(config, progress)
    finally:
        progress.close()
    kind, bytes_ = kind_of(open_panel(cache).x_TNF), cache.stat().st_size
    built = cache.stat().st_ctime >= began
    if as_json:
        print_json({"cache": str(cache), "bytes": bytes_, "dtype": kind, "built": built})
    else:
        how = "built" if built else "was there already"
        say(f"{cache}  {kind}, {size(bytes_)}, {how}")
        if dtype:
            say(f"A run that is to use it needs --set data.dtype={dtype}, too.")


def info(
    data_path: Path | None,
    config_files: Sequence[Path],
    assignments: Sequence[str],
    *,
    as_json: bool,
) -> None:
    """Describe the panel as the model will see it."""
    from atft_core.data.describe import describe

    config = _config(data_path, config_files, assignments)
    progress = ProgressLine()
    try:
        found = describe(config, progress)
    finally:
        progress.close()
    if as_json:
        print_json(found)
        return
    for key, value in found.items():
        if isinstance(value, list):
            say(f"{key}:")
            for entry in value:
                say(f"  {_entry(entry)}")
        else:
            say(f"{key:<14} {value}")


def _entry(entry: object) -> str:
    return "  ".join(str(v) for v in entry.values()) if isinstance(entry, dict) else str(entry)


def check(
    data_path: Path | None,
    config_files: Sequence[Path],
    assignments: Sequence[str],
    *,
    as_json: bool,
) -> int:
    """List the defects of a panel, errors first."""
    from atft_core.data.build import check_panel

    findings = check_panel(_config(data_path, config_files, assignments))
    errors = [finding for finding in findings if finding.severity == "error"]
    if as_json:
        print_json({"errors": len(errors), "findings": [finding.as_json() for finding in findings]})
    else:
        for finding in findings:
            say(f"{finding.severity:<8} {clean(finding.text)}")
        warnings = len(findings) - len(errors)
        say(f"{several(len(errors), 'error')}, {several(warnings, 'warning')}")
    return 1 if errors else 0


def synth_original(path: Path, *, scale: float, seed: int, as_json: bool) -> None:
    """Write a panel in the shape of the original data set."""
    from atft_core.data.original import write_original

    _refuse_existing(path)
    progress = ProgressLine()
    try:
        rows = write_original(path, scale=scale, seed=seed, say=progress)
    finally:
        progress.close()
    if as_json:
        print_json({"path": str(path), "rows": rows, "scale": scale, "seed": seed})
    else:
        say(f"{path}: {rows:,} rows, scale {scale:g}, {size(path.stat().st_size)}")


def synth_planted(
    path: Path, *, stocks: int, days: int, signal: float, seed: int, as_json: bool
) -> None:
    """Write a planted panel; print what a model of each class can reach."""
    from atft_core.data.planted import FEATURES, RHO, ceilings, make_planted, write_planted

    for written in (path, path.with_suffix(".toml"), path.with_suffix(".alpha.parquet")):
        _refuse_existing(written)
    planted = make_planted(stocks=stocks, days=days, features=FEATURES, rho=signal * RHO, seed=seed)
    write_planted(path, planted)
    reach = ceilings(planted.sector_N)
    if as_json:
        config = str(path.with_suffix(".toml"))
        print_json({"path": str(path), "config": config, "stocks": stocks, "days": days,
                    "rho": signal * RHO, "seed": seed, "ceilings": reach})  # fmt: skip
        return
    say(f"{path}: {stocks} stocks x {days} days, correlation {signal * RHO:g}, seed {seed}")
    say(f"config {path.with_suffix('.toml')}, truth {path.with_suffix('.alpha.parquet')}")
    say("highest correlation with the truth, by what a model can see:")
    for name, value in reach.items():
        say(f"  {name:<24} {value:.3f}")


def refuse_other_shapes(like: str, scale: float) -> None:
    """UsageError unless there is such a shape, and something to scale."""
    if like not in ("", *SHAPES):
        raise UsageError(f"there is no shape {like!r}.", hint=f"There are {' and '.join(SHAPES)}.")
    if scale != 1.0 and like != "original":
        raise UsageError("--scale is for --like original.", hint="Use --stocks and --days.")


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise UsageError(f"{path} exists already.", hint="Name another file, or remove it.")


def synth(path: Path, *, stocks: int, days: int, signal: float, seed: int, as_json: bool) -> None:
    """Write a synthetic panel; an existing file is not overwritten."""
    from atft_core.data.synthetic import write_panel

    _refuse_existing(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_panel(path, stocks=stocks, days=days, signal=signal, seed=seed)
    if as_json:
        print_json({"path": str(path), "stocks": stocks, "days": days, "signal": signal,
                    "seed": seed})  # fmt: skip
    else:
        say(f"{path}: {stocks} stocks x {days} days, signal {signal:g}, seed {seed}")
        say(f"{path.with_name('sector.parquet')}: the sector of each, which the model reads, too")
