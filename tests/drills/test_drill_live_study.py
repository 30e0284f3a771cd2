"""study.snapshot.db while the run is at work, and a trial that a kill ended for good."""

import json

import optuna
import pytest
from drill import assert_log_equals_study, atft, kill, start, wait_for, wait_for_end
from optuna.trial import TrialState

from atft_core.run.status import read_status

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def snapshot(run):
    """Ended trials of the study, as any other tool would read them."""
    study = optuna.load_study(study_name="drill", storage=f"sqlite:///{run.study_snapshot}")
    return study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL))


def as_told(trial):
    """A trial of the study in the words of the log."""
    return trial.number, trial.state.name, trial.value, trial.params, trial.intermediate_values


def as_folded(state):
    """The ended trials of the log in the words of the study."""
    return [
        (t.number, t.state, t.value, t.params, {r.epoch: r.metric("rank_ic", 1) for r in t.epochs})
        for t in state.trials.values()
        if t.ended
    ]


def test_the_snapshot_is_readable_at_work_and_a_killed_trial_has_no_value(panel, home):
    run = start(
        panel, home / "out", "--set", "engine.max_retries=0",
        "--set", 'search={"train.learning_rate"={low=1e-4,high=1e-2,log=true}}',
        trials=3, epochs=25,
    )  # fmt: skip
    state = wait_for(run, lambda s: 1 in s.trials and s.trials[1].epochs)
    assert [as_told(trial) for trial in snapshot(run)] == as_folded(state)
    assert [trial.number for trial in snapshot(run)] == [0]
    kill(state.trials[1].pid)
    assert read_status(run)[1].name in ("RUNNING", "FINISHED"), "reading disturbs nobody"
    state, status = wait_for_end(run)
    assert status.name == "FINISHED"
    assert {n: trial.state for n, trial in state.trials.items()} == {
        0: "COMPLETE", 1: "FAIL", 2: "COMPLETE",
    }  # fmt: skip
    assert [as_told(trial) for trial in snapshot(run)] == as_folded(state)
    assert state.trials[1].value is None
    assert "SIGKILL" in state.trials[1].reason
    assert state.trials[1].crashes == 1
    assert len({json.dumps(trial.params) for trial in state.trials.values()}) == 3
    assert_log_equals_study(run)
    said = json.loads(atft("check", run.path, "--stage", "dry", "--json", code=3))
    (row,) = [row for row in said["criteria"] if row["name"] == "no_crash"]
    assert (row["verdict"], row["value"]) == ("FAIL", 1.0)
