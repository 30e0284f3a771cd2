"""What can be known of a program before the first trial."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from atft_core.command.files import scripts
from atft_core.command.program import found
from atft_core.command.trial import words
from atft_core.config.load import read_resolved
from atft_core.run.directory import RunDirectory
from atft_core.run.events import Json
from atft_core.run.files import write_json

_SCRIPTS = (".py", ".sh", ".R", ".jl")
LEAST_BYTES = 256 * 2**20


def main(argv: list[str]) -> int:
    """RUN_DIR; writes preflight.json."""
    run = RunDirectory(Path(argv[0]))
    config = read_resolved(run.config)
    program = words(config, run, 0, 0)
    checks = [
        _check("the program is there", found(program[0]), f"{program[0]}, in {Path.cwd()}"),
        *_readable([*config.command.inputs, *scripts(program), *_meant(program)]),
        _check("the disk has room", shutil.disk_usage(run.path).free > LEAST_BYTES,
               f"{shutil.disk_usage(run.path).free / 2**20:.0f} MiB free"),
    ]  # fmt: skip
    write_json(run.preflight, {"checks": checks, "estimate": {}, "baselines": {}})
    return 0


def _meant(program: list[str]) -> list[str]:
    """Words that can only be scripts, whether or not they are there."""
    return [word for word in program[1:] if Path(word).suffix in _SCRIPTS and " " not in word]


def _readable(paths: list[str]) -> list[Json]:
    lost = [path for path in paths if not Path(path).is_file()]
    said = f"missing: {', '.join(lost)}" if lost else ", ".join(paths) or "it names none"
    return [_check("its files are there", not lost, said)]


def _check(name: str, ok: bool, detail: str) -> Json:
    return {"name": name, "ok": ok, "detail": detail}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
