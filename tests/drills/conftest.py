"""A panel and a place for the drills."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import empty
import pytest

from atft_core.run.directory import RunDirectory, find_runs
from atft_core.run.lock import Holder, owner, probe


@pytest.fixture(scope="session")
def panel(tmp_path_factory) -> Path:
    """A small panel with a planted signal."""
    path = tmp_path_factory.mktemp("panel") / "panel.parquet"
    subprocess.run(
        [sys.executable, "-m", "atft_core", "synth", str(path), "--stocks", "60", "--days", "360"],
        check=True,
    )
    return path


def end(lock: Path) -> None:
    """Kill whoever holds a lock; one that just took it names itself a moment later."""
    give_up = time.monotonic() + 5
    while probe(lock) is Holder.ENGINE and time.monotonic() < give_up:
        with suppress(KeyError, TypeError, ProcessLookupError):
            os.kill(owner(lock)["pid"], signal.SIGKILL)
        time.sleep(0.05)


@pytest.fixture
def home(tmp_path, monkeypatch) -> Iterator[Path]:
    """A place of its own for caches, the ledger and the runs; nothing stays at work in it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for run in find_runs(tmp_path):  # of a test that failed half-way
        for lock in (run.lock, *run.path.glob("trial_*/worker.lock")):
            end(lock)


@pytest.fixture(scope="module")
def place(tmp_path_factory, request) -> Iterator[Path]:
    """A directory of a module's own, with its own caches and ledger."""
    root = tmp_path_factory.mktemp(request.module.__name__)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(root / "state"))
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        patch.setenv("XDG_CONFIG_HOME", str(root / "config"))
        patch.chdir(root)
        yield root


@pytest.fixture(scope="module")
def killed(panel, place):
    """A run with three trials, the last of them not ended; its engine was killed."""
    given = empty.spec(panel, place / "run", trials=4, epochs=3)
    empty.engine(
        "start", given=given, ATFT_FAULT=empty.fault(place, "after run worker_started", nth=3)
    )
    return RunDirectory(place / "run")


@pytest.fixture
def run(killed, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shutil.copytree(killed.path, tmp_path / "run")
    return RunDirectory(tmp_path / "run")
