"""The study of a run: what a kill between asking and suggesting leaves is taken up unchanged."""

import pytest

from atft_core.config.load import with_values
from atft_core.config.schema import Config
from atft_core.engine.space import distributions, suggest
from atft_core.engine.study import ask, open_study
from atft_core.errors import EngineError
from atft_core.run.directory import RunDirectory, create


@pytest.fixture
def config():
    return with_values(Config(), {"engine.n_trials": 3})


def test_a_trial_whose_suggestions_a_kill_cut_off_gets_the_same_ones(tmp_path, config):
    drawn, space = [], distributions(config)
    for name, killed in (("whole", False), ("killed", True)):
        study = open_study(create(tmp_path / name), config, trials_known=0)
        suggest(ask(study, 0, 7, space), space)
        asked = ask(study, 1, 7, space)
        if killed:  # the next engine opens the study again and finds a running trial
            study = open_study(RunDirectory(tmp_path / name), config, trials_known=2)
            asked = ask(study, 1, 7, space)
        drawn.append(suggest(asked, space))
    assert drawn[0] == drawn[1]


def test_a_study_that_was_emptied_is_not_begun_anew(tmp_path, config):
    run = create(tmp_path / "run")
    run.study.touch()
    with pytest.raises(EngineError, match="missing or empty"):
        open_study(run, config, trials_known=1)
