"""Any study of Optuna is shown as a run, and not a byte of it is changed."""

import hashlib
import json
import sqlite3
import subprocess
import time
from contextlib import closing

import optuna
import pytest

from atft_core.engine.mirror import watch
from atft_core.errors import EngineError, UsageError
from atft_core.launch import program, watching
from atft_core.run.directory import RunDirectory, write_request
from atft_core.run.status import evidence, read_status


@pytest.fixture(autouse=True)
def quiet():
    optuna.logging.set_verbosity(optuna.logging.ERROR)


@pytest.fixture
def db(tmp_path):
    return tmp_path / "their s?#.db"


def study_of(db, name="theirs", **options):
    storage = optuna.storages.RDBStorage(
        "sqlite:///x.db", engine_kwargs={"creator": lambda: sqlite3.connect(db)}
    )
    return optuna.create_study(study_name=name, storage=storage, load_if_exists=True, **options)


def objective(trial):
    x = trial.suggest_float("x", -5, 5)
    trial.set_user_attr("seconds", 3.5)
    for step in range(3):
        trial.report(x + step, step)
    if x > 4:
        raise ValueError("too far")
    if x < -4:
        raise optuna.TrialPruned
    return x


def test_trials_curves_and_values_are_told_once(db, tmp_path):
    study = study_of(db, direction="maximize")
    study.enqueue_trial({"x": 4.5})
    study.enqueue_trial({"x": -4.5})
    study.optimize(objective, n_trials=5, catch=(ValueError,))
    before = hashlib.sha256(db.read_bytes()).hexdigest()
    mirror = watch(str(db), "", tmp_path)
    mirror.look()
    mirror.look()
    assert hashlib.sha256(db.read_bytes()).hexdigest() == before
    state = evidence(RunDirectory(mirror.run.path))
    assert [trial.state for trial in state.trials.values()][:2] == ["FAIL", "PRUNED"]
    for trial in study.trials[2:]:
        known = state.trials[trial.number]
        assert (known.value, known.params) == (trial.value, trial.params)
        assert [row.metric("reported", 1) for row in known.epochs] == [
            *trial.intermediate_values.values()
        ]
        assert known.epochs[-1].metric("seconds", 1) == 3.5
    assert state.best.value == study.best_value and state.lost == 0
    study.optimize(objective, n_trials=2, catch=(ValueError,))
    mirror.look()
    again = evidence(RunDirectory(mirror.run.path))
    assert (len(again.trials), again.n_trials) == (7, 7)


@pytest.mark.parametrize("value", [1e308, -1e19])
def test_a_value_beyond_all_measure_is_a_failure_that_is_told(db, tmp_path, value):
    study = study_of(db, direction="maximize")

    def trial(trial):
        trial.set_user_attr("huge", 10**400)
        return value

    study.optimize(trial, n_trials=1)
    mirror = watch(str(db), "", tmp_path)
    mirror.look()
    state = evidence(RunDirectory(mirror.run.path))
    assert (state.lost, state.trials[0].state) == (0, "FAIL")
    assert "beyond all measure" in state.trials[0].reason


def test_a_study_whose_steps_are_times_of_day_is_watched(db, tmp_path):
    study = study_of(db, direction="maximize")
    study.optimize(lambda trial: trial.report(0.1, 1_800_000_000_000) or 0.1, n_trials=1)
    study.optimize(lambda trial: trial.report(0.2, 0) or 0.2, n_trials=1)
    mirror = watch(str(db), "", tmp_path)
    mirror.look()
    state = evidence(RunDirectory(mirror.run.path))
    assert [trial.value for trial in state.trials.values()] == [0.1, 0.2]
    assert [len(trial.epochs) for trial in state.trials.values()] == [1, 1]


def test_trials_may_turn_out_longer_than_any_before(db, tmp_path):
    study = study_of(db, direction="maximize")
    mirror = watch(str(db), "", tmp_path)
    mirror.look()
    assert evidence(RunDirectory(mirror.run.path)).max_epochs == 1
    study.optimize(
        lambda trial: [trial.report(0.1, step) for step in range(20)] and 0.1, n_trials=1
    )
    mirror.look()
    state = evidence(RunDirectory(mirror.run.path))
    assert (state.max_epochs, len(state.trials[0].epochs)) == (20, 20)


def test_a_study_that_minimises_is_shown_with_the_best_first(db, tmp_path):
    study = study_of(db, direction="minimize")
    study.optimize(lambda trial: trial.suggest_float("x", 1, 2), n_trials=4)
    with watching(str(db), "theirs") as place:
        run = RunDirectory(place)
        state, status = read_status(run)
        assert status.name == "RUNNING" and state.best.value == -study.best_value
        assert state.measured(state.best.value) == study.best_value, "as people read it"
        assert "minimises" in state.alerts[0].text
        asked = write_request(run, "stop", {}, user="u", host="h", t=time.time())
        give_up = time.monotonic() + 30
        while asked not in evidence(run).answered:
            assert time.monotonic() < give_up
            time.sleep(0.2)
        assert evidence(run).answered[asked] == (
            False, "this study is only watched; ask the program that runs it",
        )  # fmt: skip
    assert not place.exists()


def test_a_trial_at_work_is_told_to_its_end(db, tmp_path):
    study = study_of(db, direction="maximize")
    mirror = watch(str(db), "", tmp_path)
    run = RunDirectory(mirror.run.path)
    mirror.look()
    trial = study.ask()
    mirror.look()
    trial.suggest_float("x", 0, 1)
    for step in range(3):
        trial.report(step / 10, step)
        mirror.look()
    known = evidence(run).trials[0]
    assert known.params == trial.params and [row.epoch for row in known.epochs] == [1, 2]
    trial.set_user_attr("seconds", 2.0)
    study.tell(trial, 0.2)
    mirror.look()
    known = evidence(run).trials[0]
    assert [row.epoch for row in known.epochs] == [1, 2, 3]
    assert known.epochs[-1].metric("seconds", 1) == 2.0 and known.value == 0.2


@pytest.mark.parametrize(
    ("make", "name", "error", "said"),
    [
        (lambda db: None, "", UsageError, "There is no study"),
        (
            lambda db: db.write_text("no database at all " * 100),
            "",
            EngineError,
            "is no SQLite database",
        ),
        (lambda db: [study_of(db, n) for n in "ab"], "", UsageError, "which study"),
        (study_of, "other", UsageError, "has no study 'other'"),
        (lambda db: study_of(db, directions=["minimize", "maximize"]), "", UsageError, "several"),
    ],
)
def test_what_cannot_be_watched_says_why(db, tmp_path, make, name, error, said):
    make(db)
    with pytest.raises(error, match=said):
        watch(str(db), name, tmp_path)


def test_it_ends_with_whoever_started_it(db):
    study_of(db).optimize(lambda trial: 1.0, n_trials=1)
    process = subprocess.Popen(
        program("atft_core.engine.mirror"), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with closing(process.stdin), closing(process.stdout):
        process.stdin.write(json.dumps({"place": f"sqlite:///{db}"}).encode() + b"\n")
        process.stdin.flush()
        assert "run_dir" in json.loads(process.stdout.readline())
        process.stdin.close()
        assert process.wait(20) == 0


def test_a_study_that_is_taken_away_is_said_once(db, tmp_path):
    study_of(db, direction="maximize").optimize(lambda trial: 0.1, n_trials=1)
    with watching(str(db), "theirs") as place:
        aside = db.rename(tmp_path / "aside.db")
        wait_for_alerts(place, 1)
        aside.rename(db)
        lost, back = wait_for_alerts(place, 2)
        assert (lost.level, back.level) == ("error", "info")
        assert "is not the file any more that is watched" in lost.text
        assert back.text == "the study can be read again"


def wait_for_alerts(place, count):
    give_up = time.monotonic() + 30
    while len(found := evidence(RunDirectory(place)).alerts) < count:
        assert time.monotonic() < give_up
        time.sleep(0.2)
    return found
