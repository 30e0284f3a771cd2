"""A trial that was killed and went on has the numbers of one that was never disturbed, bit by bit.

One CPU thread: the order of additions is then the same in both.
"""

import json

import pytest
from drill import assert_log_equals_study, atft, kill, start, wait_for, wait_for_end

from atft_core.train.results import read_table

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
EPOCHS = 30
CPU = ("--set", "train.device=cpu", "--set", "train.seed=11")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, panel):
    """The run that nobody interrupts."""
    root = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(root / "state"))
        run = start(panel, root / "out", *CPU, trials=1, epochs=EPOCHS)
        _, status = wait_for_end(run)
    assert status.name == "FINISHED"
    return run


def in_the_middle(state):
    """Inside the training of an epoch that is neither the first nor the last."""
    trial = state.trials.get(0)
    return trial and trial.pid > 0 and 2 <= len(trial.epochs) < EPOCHS and trial.phase == "train"


def assert_same_numbers(run, undisturbed):
    mine, other = (json.loads(r.trial(0).metrics.read_text()) for r in (run, undisturbed))
    for key in ("train", "val", "epoch", "batches", "batches_available"):
        assert [row[key] for row in mine["epochs"]] == [row[key] for row in other["epochs"]]
    assert len(mine["epochs"]) == EPOCHS
    assert len({row["train"]["loss"] for row in mine["epochs"]}) == EPOCHS, "it did learn"
    assert mine["val"] == other["val"]
    assert mine["best_epoch"] == other["best_epoch"]
    for name in ("predictions", "daily_ic"):
        tables = [read_table(getattr(r.trial(0), name)) for r in (run, undisturbed)]
        assert tables[0].equals(tables[1])


def test_a_killed_worker_goes_on_bit_by_bit(panel, home, undisturbed):
    run = start(panel, home / "out", *CPU, trials=1, epochs=EPOCHS)
    kill(wait_for(run, in_the_middle).trials[0].pid)
    state, status = wait_for_end(run)
    assert status.name == "FINISHED"
    assert (state.trials[0].attempt, state.trials[0].crashes) == (2, 1)
    assert "Resumed from epoch_" in run.trial(0).log.read_text()
    assert_same_numbers(run, undisturbed)
    assert state.trials[0].value == wait_for_end(undisturbed)[0].trials[0].value
    assert_log_equals_study(run)


def test_a_trial_stopped_by_people_and_resumed_goes_on_bit_by_bit(panel, home, undisturbed):
    run = start(panel, home / "out", *CPU, trials=1, epochs=EPOCHS)
    wait_for(run, in_the_middle)
    atft("stop", run.path, "--now")
    state, status = wait_for_end(run)
    assert status.name == "STOPPED"
    assert 2 <= len(state.trials[0].epochs) < EPOCHS
    atft("resume", run.path)
    state, status = wait_for_end(run)
    assert status.name == "FINISHED"
    assert state.trials[0].crashes == 0
    assert_same_numbers(run, undisturbed)
