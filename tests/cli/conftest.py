"""Commands in processes of their own, as a user starts them."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "run"))  # run_builders


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def atft(tmp_path, monkeypatch):
    """Run `atft ...` in an empty directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def run(*args: object, given: str | None = None) -> Done:
        command = [
            sys.executable,
            "-m",
            "atft_core",
            *(a if isinstance(a, bytes) else str(a) for a in args),
        ]
        done = subprocess.run(command, capture_output=True, text=True, input=given, timeout=120,
                              check=False)  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr)

    return run
