"""A study that a kill caught in the middle of a commit is taken back by SQLite, not refused."""

from optuna.trial import TrialState

from atft_core.config.schema import Config
from atft_core.engine.rebuild import why_unusable
from atft_core.engine.storage import trials_of
from atft_core.engine.study import ask, open_study
from atft_core.run.directory import create
from atft_core.run.state import State


def test_a_commit_that_a_kill_cut_short_is_taken_back(tmp_path, cut_short):
    run = create(tmp_path / "100% of #1?" / "run")
    study = open_study(run, Config(), trials_known=0)
    ask(study, 0, seed=0, space={})
    study._storage.remove_session()
    state = State()
    state.trial(0)
    cut_short(run.study)
    assert why_unusable(run.study, state) == ""
    assert trials_of(run.study)[0].state is TrialState.RUNNING
