"""An engine's session on a fresh run."""

import pytest

from atft_core.config.schema import Config
from atft_core.engine.session import Session
from atft_core.run import events as ev
from atft_core.run.directory import create
from atft_core.run.lock import EngineLock


@pytest.fixture
def session(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    run = create(tmp_path / "run")
    made = Session(run, Config(), EngineLock(run.lock))
    made.record(ev.RunStarted(run="run", n_trials=1, max_epochs=9))
    yield made
    made.journal.close()
    made.lock.release()
