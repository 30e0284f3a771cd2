"""`atft preflight`: the checks that a run begins with, alone and without a run."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from atft_core.cli.output import ProgressLine, print_json, say, table
from atft_core.config.load import resolve
from atft_core.config.render import to_toml
from atft_core.config.schema import Config
from atft_core.engine.local import environment
from atft_core.engine.prepare import Prepared, prepare
from atft_core.engine.programs import Programs, programs_of
from atft_core.errors import AtftError
from atft_core.launch import program
from atft_core.run.directory import RunDirectory, create
from atft_core.run.events import Json
from atft_core.run.files import read_json, write_json
from atft_core.run.wording import duration, scale, size


def preflight(
    data_path: Path | None,
    config_files: Sequence[Path],
    assignments: Sequence[str],
    plugins: Sequence[str] = (),
    *,
    as_json: bool,
) -> int:
    """Check a configuration on its panel; 0 when every check holds, else 1."""
    flags = {"data.path": str(data_path)} if data_path else {}
    config = resolve(
        config_files=config_files, assignments=assignments, flags=flags, plugins=plugins
    ).config
    progress = ProgressLine()
    try:
        prepared = prepare(config, demo=False, progress=progress)
        progress("checking", 1.0)
        with tempfile.TemporaryDirectory(prefix="atft-preflight-") as place:
            found = _checked(create(Path(place) / "run"), config, prepared)
    finally:
        progress.close()
    sound = all(check["ok"] for check in found["checks"])
    if as_json:
        print_json({"ok": sound, **found})
    else:
        _show(found, config)
    return 0 if sound else AtftError.exit_code


def _checked(run: RunDirectory, config: Config, prepared: Prepared) -> Json:
    """What preflight finds in a process of its own, as a run's would be."""
    run.config.write_text(to_toml(config, {}), encoding="utf-8")
    identity = prepared.identity
    facts = {"cache": str(prepared.cache), "config_hash": identity["config_hash"]}
    write_json(run.run_json, {**facts, "identity": identity})
    done = subprocess.run(
        program(programs_of(config, Programs()).preflight, run.path),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )
    found = read_json(run.preflight)
    if isinstance(found, dict) and "checks" in found:
        return found
    told = found.get("error") if isinstance(found, dict) else done.stdout.strip()[-500:]
    raise AtftError(f"Preflight cannot be made: {told or f'exit code {done.returncode}'}")


def _show(found: Json, config: Config) -> None:
    rows = [
        ["ok" if check["ok"] else "XX", str(check["name"]), str(check["detail"])]
        for check in found["checks"]
    ]
    say(table(rows))
    for text in found.get("warnings", ()):
        say(f"warning: {text}")
    estimate = found["estimate"]
    trials = scale(config.engine.n_trials, config.train.max_epochs)
    if not estimate:  # of a program of the user's own nothing is known
        return
    say(
        f"About {estimate['epoch_seconds']:.1f} s per epoch; {trials} take about "
        f"{duration(estimate['sweep_seconds'])} and {size(estimate['disk_bytes'])} of disk."
    )
    horizon = config.objective.horizon
    known = found["baselines"].get(str(horizon), {})
    if known:
        head = ["baseline", f"RankIC h={horizon}", "+-", "t", "days"]
        say(table([head, *(_baseline(name, row) for name, row in known.items())], (1, 2, 3, 4)))


def _baseline(name: str, row: Json) -> list[str]:
    numbers = [row.get(key) for key in ("rank_ic", "rank_ic_se", "rank_ic_t")]
    forms = ("{:+.4f}", "{:.4f}", "{:.1f}")
    shown = [
        "-" if number is None else form.format(number)
        for number, form in zip(numbers, forms, strict=True)
    ]
    return [name, *shown, str(row.get("days"))]
