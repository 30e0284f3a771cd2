"""The study on disk: asked once, reported once, never started afresh over a log that knows more."""

import optuna
import pytest
from optuna.trial import TrialState

from atft_core.config.load import with_values
from atft_core.config.schema import Config
from atft_core.engine.space import configured, distributions, suggest
from atft_core.engine.study import ask, copy_study, frozen, open_study, report
from atft_core.errors import EngineError
from atft_core.run.directory import create

CONFIG = with_values(Config(), {"engine.study_name": "s", "engine.n_trials": 3})
SPACE = distributions(CONFIG)


@pytest.fixture
def run(tmp_path):
    return create(tmp_path / "out")


@pytest.fixture
def study(run):
    return open_study(run, CONFIG, trials_known=0)


def test_trial_0_is_the_configuration_and_the_next_one_is_drawn(study):
    assert suggest(ask(study, 0, seed=0, space=SPACE), SPACE) == configured(CONFIG)
    assert suggest(ask(study, 1, seed=0, space=SPACE), SPACE) != configured(CONFIG)


def test_a_trial_that_was_asked_for_is_the_same_one_after_a_restart(run, study):
    first = suggest(ask(study, 0, seed=0, space=SPACE), SPACE)
    again = open_study(run, CONFIG, trials_known=1)
    assert suggest(ask(again, 0, seed=0, space=SPACE), SPACE) == first
    known = again.get_trials(states=(TrialState.RUNNING, TrialState.WAITING))
    assert [trial.number for trial in known] == [0], "neither asked nor enqueued twice"


def test_a_trial_out_of_turn_is_refused(study):
    with pytest.raises(EngineError, match="handed out trial 0 where 2 was due"):
        ask(study, 2, seed=0, space=SPACE)


def test_the_first_report_of_an_epoch_stands_and_an_undefined_one_is_none(study):
    trial = ask(study, 0, seed=0, space=SPACE)
    for epoch, value in ((1, 0.1), (1, 0.9), (2, None), (3, 0.3)):
        report(trial, epoch, value)
    assert frozen(study, 0).intermediate_values == {1: 0.1, 3: 0.3}


@pytest.mark.parametrize("lost", ["missing", "empty"])
def test_a_study_that_was_lost_is_not_replaced_by_an_empty_one(run, study, lost):
    ask(study, 0, seed=0, space=SPACE)
    copy_study(run)
    run.study.unlink()
    if lost == "empty":
        run.study.touch()
    with pytest.raises(EngineError, match="the event log knows 1 trial") as caught:
        open_study(run, CONFIG, trials_known=1)
    assert f"atft repair {run.path}" in caught.value.hint
    run.study.write_bytes(run.study_snapshot.read_bytes())
    assert frozen(open_study(run, CONFIG, trials_known=1), 0) is not None


def test_the_snapshot_is_a_study_of_its_own_and_leaves_nothing_beside_it(run, study):
    study.tell(ask(study, 0, seed=0, space=SPACE), 0.05)
    copy_study(run)
    study.tell(ask(study, 1, seed=0, space=SPACE), 0.07)
    assert not list(run.path.glob(".study*"))
    told = optuna.load_study(study_name="s", storage=f"sqlite:///{run.study_snapshot}").trials
    assert [(trial.number, trial.value) for trial in told] == [(0, 0.05)]
    copy_study(run)
    told = optuna.load_study(study_name="s", storage=f"sqlite:///{run.study_snapshot}").trials
    assert [trial.value for trial in told] == [0.05, 0.07]
