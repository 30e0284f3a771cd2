"""A place for notify.toml, and hooks that are real scripts."""

import sys
from pathlib import Path

import pytest

from atft_core.notify.message import Message


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """The directory of notify.toml; nothing is switched off."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("ATFT_NOTIFY", raising=False)
    monkeypatch.delenv("TMUX", raising=False)
    found = tmp_path / "config" / "atft"
    found.mkdir(parents=True)
    return found


@pytest.fixture
def write(folder):
    """Write notify.toml; its path."""

    def write(text: str, mode: int = 0o600) -> Path:
        path = folder / "notify.toml"
        path.write_text(text)
        path.chmod(mode)
        return path

    return write


@pytest.fixture
def script(tmp_path):
    """An executable Python script; its path."""

    def make(code: str) -> Path:
        path = tmp_path / "hook.py"
        path.write_text(f"#!{sys.executable}\n{code}\n")
        path.chmod(0o755)
        return path

    return make


@pytest.fixture
def alert() -> Message:
    """A message to send."""
    return Message(key="trial_failed", level="warning", text="trial 3 failed: no memory", since=5.0,
                   ended=False, run="/runs/short", stage="short sweep", host="box")  # fmt: skip
