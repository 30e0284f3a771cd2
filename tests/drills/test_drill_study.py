"""The study that other tools open says what the log says: complete, pruned and failed trials."""

import json
import threading
import urllib.request
from wsgiref.simple_server import WSGIRequestHandler, make_server

import optuna
import pytest
from drill import FAST, assert_log_equals_study, atft
from optuna.trial import TrialState
from optuna_dashboard import wsgi

from atft_core.run.directory import RunDirectory
from atft_core.run.fold import fold
from atft_core.run.journal import Tail
from atft_core.run.status import read_status

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
PRUNED_EARLY = [
    "engine.prune_startup=1", "engine.prune_warmup=0", "engine.prune_patience=0",
    "engine.keep_predictions=1", "train.device=cpu",
    'search={"train.sparsity"={low=1,high=10}}', "train.learning_rate=0.01",
]  # fmt: skip


def search(panel, output, *texts, trials, epochs, code=0):
    """A finished ad hoc run."""
    sets = [word for text in [*FAST, *texts] for word in ("--set", text)]
    atft(
        "hpo", "--data-path", panel, "--n-trials", trials, "--max-epochs", epochs,
        "--study-name", "drill", "--output-dir", output, *sets, code=code, timeout=500,
    )  # fmt: skip
    return RunDirectory(output)


@pytest.fixture(scope="module")
def sweep(place, panel):
    """Trial 0 learns; the others, whose columns are shrunk until none is left, do not."""
    return search(panel, place / "sweep", *PRUNED_EARLY, trials=4, epochs=8)


@pytest.fixture(scope="module")
def futile(place, panel):
    """A sweep in which every loss is infinite, but that of the configuration as it stands."""
    weights = 'search={"loss.huber" = {choices = [1e39, 2e39, 3e39, 4e39, 0.05]}}'
    texts = (weights, "engine.sampler=grid")
    return search(panel, place / "futile", *texts, trials=5, epochs=2, code=1)


def opened(run):
    """The trials of the snapshot, as any other tool would read them."""
    storage = f"sqlite:///{run.study_snapshot}"
    study = optuna.load_study(study_name="drill", storage=storage)
    assert study.direction is optuna.study.StudyDirection.MAXIMIZE
    return study.trials


def folded(run):
    return fold(Tail(run.events).events())


def test_trials_that_do_worse_than_the_median_are_pruned_in_study_and_log(sweep):
    state = folded(sweep)
    pruned = [n for n, trial in state.trials.items() if trial.state == "PRUNED"]
    assert pruned, {n: t.state for n, t in state.trials.items()}
    assert state.trials[0].state == "COMPLETE"
    trials = {trial.number: trial for trial in opened(sweep)}
    for number in pruned:
        assert trials[number].state is TrialState.PRUNED
        assert 2 <= len(state.trials[number].epochs) < 8, "stopped before its last epoch"
        assert json.loads(sweep.trial(number).exit.read_text())["state"] == "pruned"
        assert json.loads(sweep.trial(number).metrics.read_text())["state"] == "pruned"
    assert read_status(sweep)[1].name == "FINISHED"
    assert_log_equals_study(sweep)


@pytest.mark.parametrize("name", ["sweep", "futile"])
def test_the_snapshot_of_the_study_has_the_trials_of_the_log(request, name):
    run = request.getfixturevalue(name)
    state, trials = folded(run), opened(run)
    known = [trial for trial in trials if trial.state is not TrialState.WAITING]
    assert [trial.number for trial in known] == sorted(state.trials)
    for trial in known:
        mine = state.trials[trial.number]
        assert (trial.state.name, trial.params) == (mine.state, mine.params)
        assert trial.value == mine.value
        told = {row.epoch: row.metric("rank_ic", 1) for row in mine.epochs}
        assert trial.intermediate_values == {k: v for k, v in told.items() if v is not None}
        assert json.loads(run.trial(trial.number).params.read_text())["params"] == trial.params


def test_first_trials_that_all_fail_end_the_run_and_have_no_value(futile):
    state, status = read_status(futile)
    assert status.name == "FAILED"
    assert status.reason.startswith("the first 3 trials failed: NAN")
    assert {n: (t.state, t.value) for n, t in state.trials.items()} == dict.fromkeys(
        range(3), ("FAIL", None)
    )
    assert all("the loss is inf at epoch 1, block 1" in t.reason for t in state.trials.values())
    assert all(trial.crashes == 0 for trial in state.trials.values()), "not tried again"
    assert all(trial.value is None for trial in opened(futile))
    assert_log_equals_study(futile)
    said = json.loads(atft("status", futile.path, "--json"))
    assert (said["state"], said["best"]) == ("FAILED", None)
    assert [trial["value"] for trial in said["trials"]] == [None] * 3
    checked = json.loads(atft("check", futile.path, "--stage", "dry", "--json", code=3))
    rows = {row["name"]: row for row in checked["criteria"]}
    assert (rows["val_rank_ic"]["verdict"], rows["val_rank_ic"]["value"]) == ("UNKNOWN", None)
    assert rows["no_crash"]["verdict"] == "FAIL", "a trial that fails by itself is a crash too"


def test_only_the_predictions_of_the_best_complete_trial_are_kept(sweep):
    best = folded(sweep).best
    kept = sorted(str(p.relative_to(sweep.path)) for p in sweep.path.rglob("predictions.arrow"))
    assert kept == [f"trial_{best.number}/predictions.arrow"]
    daily = list(sweep.path.rglob("daily_ic.arrow"))
    assert len(daily) == len([t for t in folded(sweep).trials.values() if t.epochs])


class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        """Nothing on standard error."""


@pytest.fixture
def dashboard(sweep):
    """The address of optuna-dashboard on the snapshot."""
    before = sweep.study_snapshot.read_bytes()
    server = make_server("127.0.0.1", 0, wsgi(f"sqlite:///{sweep.study_snapshot}"),
                         handler_class=Quiet)  # fmt: skip
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
    assert sweep.study_snapshot.read_bytes() == before, "looking changes nothing"


def fetch(address):
    with urllib.request.urlopen(address, timeout=30) as answer:
        return json.load(answer)


def test_optuna_dashboard_shows_the_snapshot(dashboard, sweep):
    (study,) = fetch(f"{dashboard}/api/studies")["study_summaries"]
    assert study["study_name"] == "drill"
    detail = fetch(f"{dashboard}/api/studies/{study['study_id']}?after=0")
    shown = {trial["number"]: trial["state"].upper() for trial in detail["trials"]}
    state = folded(sweep)
    assert shown == {number: trial.state for number, trial in state.trials.items()}
    best = next(trial for trial in detail["trials"] if trial["number"] == state.best.number)
    assert best["values"] == [state.best.value]
