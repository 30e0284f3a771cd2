"""A study that a kill caught in the middle of a commit is taken back by SQLite, not refused."""

from optuna.trial import TrialState

from atft_core.config.schema import Config
from atft_core.engine.rebuild import journal_of, why_unusable
from atft_core.engine.repair import _looked_at
from atft_core.engine.storage import Storage, trials_of
from atft_core.engine.study import ask, close_study, open_study
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


def test_a_kill_between_the_tables_and_the_study_is_a_beginning(tmp_path):
    run = create(tmp_path / "run")
    Storage.in_file(run.study).close()
    state = State()
    assert why_unusable(run.study, state) == ""
    study = open_study(run, Config(), trials_known=0)
    close_study(study)
    assert len(trials_of(run.study)) == 1
    run.study.unlink()
    Storage.in_file(run.study).close()
    state.trial(0)
    assert why_unusable(run.study, state) == "study.db: it does not know trial 0"


def test_a_link_is_not_copied_before_it_is_looked_at(tmp_path):
    run = create(tmp_path / "run")
    run.study.symlink_to("/dev/zero")
    assert _looked_at(run.study, State()) == "study.db is a link"
    run.study.unlink()
    open_study(run, Config(), trials_known=0)._storage.remove_session()
    journal_of(run.study).symlink_to("/dev/zero")
    assert _looked_at(run.study, State()) == "study.db-journal is a link"
