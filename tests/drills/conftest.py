"""A panel and a place for the drills."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def panel(tmp_path_factory) -> Path:
    """A small panel with a planted signal."""
    path = tmp_path_factory.mktemp("panel") / "panel.parquet"
    subprocess.run(
        [sys.executable, "-m", "atft_core", "synth", str(path), "--stocks", "60", "--days", "360"],
        check=True,
    )
    return path


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A place of its own for caches, the ledger and the runs."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return tmp_path
