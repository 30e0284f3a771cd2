"""A study in PostgreSQL that several runs share: each has trials of its own, whatever happens."""

import threading

import pytest
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState

from atft_core.config.load import with_values
from atft_core.config.schema import Config
from atft_core.engine import shared
from atft_core.engine.space import configured, distributions, suggest
from atft_core.engine.study import close_study, enqueue
from atft_core.errors import ConfigError, EngineError
from atft_core.run.directory import create
from atft_core.run.files import write_json
from postgres import PASSWORD, a_server

SPACE = distributions(Config())

pytestmark = pytest.mark.timeout(300)
IDENTITY = {"config_hash": "c", "data_hash": "d", "code": "1"}


@pytest.fixture(scope="module")
def server():
    yield from a_server()


@pytest.fixture
def config(server, tmp_path, request):
    secret = tmp_path / "url"
    secret.write_text(server.url + "\n")
    secret.chmod(0o600)
    name = request.node.name.partition("[")[0][-60:]
    return with_values(Config(), {"engine.storage": str(secret), "engine.study_name": name})


def a_run(tmp_path, name):
    run = create(tmp_path / name)
    write_json(run.run_json, {"id": name})
    return run


@pytest.fixture
def opened(config):
    """A study as an engine opens it; let go of afterwards."""
    studies = []

    def one(identity=IDENTITY):
        studies.append(shared.open_shared(config, identity))
        return studies[-1]

    yield one
    for study in studies:
        close_study(study)


def test_each_run_has_its_own_trials_and_the_planned_one_is_run_once(opened, config, tmp_path):
    studies = [opened(), opened()]
    runs = [a_run(tmp_path, name) for name in "ab"]
    asked = [
        shared.ask_shared(study, run, n, 0, SPACE) for n in range(3)
        for study, run in zip(studies, runs, strict=True)
    ]  # fmt: skip
    assert sorted(trial.number for trial in asked) == list(range(6))
    drawn = [suggest(trial, distributions(config)) for trial in asked]
    assert drawn.count(configured(config)) == 1
    assert len({str(each) for each in drawn}) == 6, "no two draw the same"
    for study, run in zip(studies, runs, strict=True):
        assert sorted(shared.own_trials(study, run)) == [0, 1, 2]


def test_engines_that_begin_at_once_make_one_study(config):
    studies, errors = [], []

    def begin():
        try:
            studies.append(shared.open_shared(config, IDENTITY))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    waiting = studies[0].get_trials(states=(TrialState.WAITING,))
    assert len(waiting) == 1, "the trial that is planned, once"
    for study in studies:
        close_study(study)


def test_an_engine_that_was_killed_after_it_asked_is_given_the_same_trial(opened, tmp_path):
    run = a_run(tmp_path, "a")
    first = [shared.ask_shared(opened(), run, n, 0, SPACE) for n in (0, 1)]
    again = [shared.ask_shared(opened(), run, n, 0, SPACE) for n in (0, 1)]
    assert [t.number for t in again] == [t.number for t in first]


def test_a_kill_between_naming_oneself_and_taking_a_trial_is_completed(opened, tmp_path):
    run, study = a_run(tmp_path, "a"), opened()
    (waiting,) = study.get_trials(states=(TrialState.WAITING,))
    shared._mark(study, waiting._trial_id, run, shared.owner_of(run, 0))
    trial = shared.ask_shared(opened(), run, 0, 0, SPACE)
    assert trial._trial_id == waiting._trial_id
    assert study._storage.get_trial(trial._trial_id).state is TrialState.RUNNING


def test_runs_that_want_the_same_trials_at_once_get_each_one_alone(opened, tmp_path, config):
    runs = [a_run(tmp_path, name) for name in "abcd"]
    studies = [opened() for _ in runs]
    for number in range(20):
        studies[0].enqueue_trial({"train.seed": number})
    got, errors = {}, []

    def ask_all(study, run):
        try:
            got[run.path.name] = [
                shared.ask_shared(study, run, n, 0, SPACE)._trial_id for n in range(6)
            ]
        except Exception as error:
            errors.append(error)

    threads = [
        threading.Thread(target=ask_all, args=each) for each in zip(studies, runs, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len({trial for trials in got.values() for trial in trials}) == 24
    for study, run in zip(studies, runs, strict=True):
        own = shared.own_trials(study, run)
        assert [own[number]._trial_id for number in range(6)] == got[run.path.name]


def test_a_url_that_is_none_is_refused_and_not_repeated(tmp_path):
    secret = tmp_path / "url"
    secret.write_text("postgresql://me:secret@host:port/db")
    secret.chmod(0o600)
    config = with_values(Config(), {"engine.storage": str(secret)})
    with pytest.raises(ConfigError, match="cannot be read") as found:
        shared.refuse_unreachable(config)
    assert "secret@" not in str(found.value)
    secret.unlink()
    assert "cannot read" in shared.why_unreachable(config), "waited for, while a run is paused"


def test_a_trial_that_somebody_asked_for_goes_to_his_run(opened, tmp_path, config):
    a, b = a_run(tmp_path, "a"), a_run(tmp_path, "b")
    study = opened()
    params = suggest(shared.ask_shared(study, a, 0, 0, SPACE), distributions(config))
    enqueue(study, params, "request", run="b")
    other = suggest(shared.ask_shared(study, a, 1, 0, SPACE), distributions(config))
    assert other != params
    assert suggest(shared.ask_shared(study, b, 0, 0, SPACE), distributions(config)) == params


def test_a_study_of_other_data_is_not_shared(opened):
    opened()
    with pytest.raises(EngineError, match="of another experiment"):
        opened({**IDENTITY, "data_hash": "other"})


def test_a_making_that_was_cut_short_is_completed(opened, config, monkeypatch):
    monkeypatch.setattr(shared, "planned", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        opened()
    monkeypatch.undo()
    study = opened()
    assert len(study.get_trials(states=(TrialState.WAITING,))) == 1


def test_a_server_that_is_gone_is_named_without_its_password(server, opened, config, tmp_path):
    run, study = a_run(tmp_path, "a"), opened()
    server.stop(crash=True)
    try:
        with pytest.raises(StorageInternalError):
            shared.ask_shared(study, run, 0, 0, SPACE)
        with pytest.raises(StorageInternalError) as found:
            opened()
        with pytest.raises(EngineError, match="refused") as refused:
            shared.refuse_unreachable(config)
        for error in (found.value, refused.value):
            assert PASSWORD not in str(error)
    finally:
        server.start()
    assert shared.ask_shared(opened(), run, 0, 0, SPACE).number == 0


def test_a_wrong_password_is_said_and_not_shown(server, config, tmp_path):
    wrong = tmp_path / "wrong"
    wrong.write_text(server.url.replace(PASSWORD, "other-word"))
    wrong.chmod(0o600)
    with pytest.raises(EngineError, match="password authentication failed") as found:
        shared.refuse_unreachable(with_values(config, {"engine.storage": str(wrong)}))
    assert "other-word" not in str(found.value)
