"""A study of many trials is read a slice at a time, and says the same."""

import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.storages import RDBStorage

from atft_core.engine import storage
from atft_core.engine.storage import Storage


@pytest.fixture
def study(tmp_path):
    made = optuna.create_study(storage=Storage.in_file(tmp_path / "study.db", scratch=True))
    for number in range(7):
        trial = made.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
        trial.report(number / 10, 1)
        if number != 3:
            made.tell(trial, number)
    return made


@pytest.mark.parametrize("slice_", [1, 2, 7, 100])
def test_all_trials_are_read_once_and_in_order(study, tmp_path, monkeypatch, slice_):
    monkeypatch.setattr(storage, "_SLICE", slice_)
    plain = RDBStorage(f"sqlite:///{tmp_path / 'study.db'}")
    ours = Storage.in_file(tmp_path / "study.db")
    assert ours.get_all_trials(study._study_id) == plain.get_all_trials(study._study_id)
    cached = optuna.load_study(
        study_name=study.study_name, storage=Storage.in_file(tmp_path / "study.db")
    )
    assert cached.get_trials() == plain.get_all_trials(study._study_id)
    study.tell(3, 9.0)
    assert [trial.value for trial in cached.get_trials()] == [0, 1, 2, 9, 4, 5, 6]
    for opened in (plain, ours):
        opened.remove_session()
        opened.engine.dispose()


def test_a_study_is_where_its_path_says(tmp_path):
    path = tmp_path / "is it? #1 50%25" / "study.db"
    path.parent.mkdir()
    Storage.in_file(path).close()
    assert [found.name for found in path.parent.iterdir()] == ["study.db"]


def test_trials_share_the_ranges_of_a_parameter_and_no_others(tmp_path):
    path = tmp_path / "study.db"
    study = optuna.create_study(storage=Storage.in_file(path, scratch=True))
    number, truth = CategoricalDistribution([0, 1]), CategoricalDistribution([False, True])
    assert number == truth, "as Optuna sees it"
    for _ in range(3):
        study.tell(study.ask({"number": number, "truth": truth}), 0.0)
    ours = Storage.in_file(path)
    first, *others = ours.get_all_trials(study._study_id)
    for trial in (first, *others):
        assert {type(choice) for choice in trial.distributions["number"].choices} == {int}
        assert {type(choice) for choice in trial.distributions["truth"].choices} == {bool}
    kept = ours.get_all_trials(study._study_id, deepcopy=False)
    for name in ("number", "truth"):
        assert len({id(trial.distributions[name]) for trial in kept}) == 1
    assert first.params == kept[0].params
    ours.close()


@pytest.mark.filterwarnings("ignore:Choices for a categorical distribution")
def test_choices_that_are_lists_are_read(tmp_path):
    path = tmp_path / "study.db"
    study = optuna.create_study(storage=RDBStorage(f"sqlite:///{path}"))
    study.optimize(lambda trial: len(trial.suggest_categorical("n", [[64, 64], [128]])), 3)
    ours = Storage.in_file(path)
    assert [trial.params["n"] for trial in ours.get_all_trials(study._study_id)] == [
        trial.params["n"] for trial in study.trials
    ]
    ours.close()
    study._storage._backend.engine.dispose()
