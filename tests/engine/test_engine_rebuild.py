"""A study that a kill caught in the middle of a commit is taken back by SQLite, not refused."""

import subprocess
import sys

from optuna.trial import TrialState

from atft_core.config.schema import Config
from atft_core.engine.rebuild import why_unusable
from atft_core.engine.storage import trials_of
from atft_core.engine.study import ask, open_study
from atft_core.run.directory import create
from atft_core.run.state import State

CUT_SHORT = """
import os, signal, sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA cache_size = 2")
database.execute("BEGIN")
for i in range(500):  # more than the cache holds: half of it stands in the file
    database.execute("INSERT INTO study_user_attributes (study_id, key, value_json) "
                     "VALUES (1, ?, ?)", (str(i), '"' + "x" * 1000 + '"'))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_commit_that_a_kill_cut_short_is_taken_back(tmp_path):
    run = create(tmp_path / "100% of #1?" / "run")
    study = open_study(run, Config(), trials_known=0)
    ask(study, 0, seed=0)
    study._storage.remove_session()
    state = State()
    state.trial(0)
    subprocess.run([sys.executable, "-c", CUT_SHORT, str(run.study)], check=False)
    assert run.study.with_name("study.db-journal").stat().st_size, "or nothing was cut short"
    assert why_unusable(run.study, state) == ""
    assert trials_of(run.study)[0].state is TrialState.RUNNING
