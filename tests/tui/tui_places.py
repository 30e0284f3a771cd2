"""Fixtures: a runbook, and the three states in which a person finds the console."""

from pathlib import Path

import pytest
import tui_run

from atft_core.run.directory import RunDirectory
from atft_core.run.lock import EngineLock
from atft_core.run.runbook import Runbook, load


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """A place of its own for caches, memory and runs."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def book(home) -> Runbook:
    """Three stages whose directories lie below the current one."""
    return load(tui_run.write_runbook(home))


@pytest.fixture
def finished(book) -> RunDirectory:
    """A dry run that passed."""
    return tui_run.finished_dry_run(book)


@pytest.fixture
def live(book, finished):
    """A sweep in its fourth trial, held by an engine: this process."""
    run = tui_run.sweep(book)
    lock = EngineLock(run.lock)
    yield run
    lock.release()
