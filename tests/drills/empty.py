"""Runs whose trials compute nothing, in the real engine: a drill takes seconds."""

import json
import os
import subprocess
import sys
from pathlib import Path

from atft_core.config.keys import DESCRIPTIONS, dump
from atft_core.config.load import resolve
from atft_core.run.directory import RunDirectory

ENGINE = [sys.executable, "-m", "atft_core.bench.empty"]
TRAINING = [sys.executable, "-m", "atft_core.engine"]
"""The same with workers that train."""


def spec(panel: Path, output: Path, *, trials: int, epochs: int, **values: object) -> dict:
    """What `atft hpo` would ask the engine for."""
    flags = {
        "data.path": str(panel), "engine.n_trials": trials, "train.max_epochs": epochs,
        "engine.study_name": "empty", "split.warmup": 20, "objective.lightgbm": "off", **values,
    }  # fmt: skip
    resolved = resolve(flags=flags)
    return {
        "config": dump(resolved.config), "output_dir": str(output),
        "origins": dict.fromkeys(DESCRIPTIONS, "drill"),
    }  # fmt: skip


def engine(
    *words: object, given: dict | None = None, timeout: float = 120, program: list[str] = ENGINE,
    **env: object,
):  # fmt: skip
    """An engine from its start to its end, however that comes; its exit code and its answer."""
    done = subprocess.run(
        [*program, *map(str, words)],
        input=json.dumps(given).encode() if given else b"", capture_output=True, check=False,
        timeout=timeout, env={**os.environ, **{key: str(value) for key, value in env.items()}},
    )  # fmt: skip
    answer = json.loads(done.stdout) if done.stdout else {}
    assert done.returncode <= 0 or answer or not done.stderr, done.stderr.decode()
    return done.returncode, answer


def start(panel: Path, output: Path, *, trials: int = 3, epochs: int = 3, **env: object):
    """A new run, to its end; its exit code."""
    code, _ = engine("start", given=spec(panel, output, trials=trials, epochs=epochs), **env)
    return RunDirectory(output), code


def begin(given: dict, log: Path, **env: object) -> subprocess.Popen[bytes]:
    """An engine at work on a new run."""
    words = log.with_suffix(".json")
    words.write_text(json.dumps(given))
    with words.open("rb") as said:
        return _at_work(["start"], said, log, env)


def resume(run: RunDirectory, log: Path, **env: object) -> subprocess.Popen[bytes]:
    """An engine at work on a run that stopped or died."""
    return _at_work(["resume", str(run.path)], subprocess.DEVNULL, log, env)


def _at_work(words, given, log: Path, env) -> subprocess.Popen[bytes]:
    with log.open("ab") as out:
        return subprocess.Popen(
            [*ENGINE, *words], stdin=given, stdout=out, stderr=out,
            env={**os.environ, **{key: str(value) for key, value in env.items()}},
        )  # fmt: skip


def fault(tmp_path, *places, nth=1, kind="kill"):
    """The variable that makes it so; each place has its own count."""
    return ";".join(
        f"{place}:{nth}:{kind}:{tmp_path / f'passes{i}'}" for i, place in enumerate(places)
    )
