"""What has come of several trials, in the lines at a run's end."""

from run_builders import Log, sweep, written

from atft_core.run.narrate import outcome


def test_the_best_trial_and_its_parameters_and_the_failures_are_named(tmp_path):
    log = Log().start(n_trials=3, objective="-loss")
    for trial, (value, state) in enumerate(
        [(-0.5, "COMPLETE"), (-0.4, "COMPLETE"), (None, "FAIL")]
    ):
        log.worker(trial, params={"lr": 0.001 * (trial + 1)})
        log.trial_end(trial, state, value, reason="KeyError: 'close'" if value is None else "")
    run = written(log, tmp_path / "run")
    assert outcome(run, log.state)[1].endswith("KeyError: 'close'"), "it has no log"
    run.trial(2).path.mkdir()
    run.trial(2).log.touch()
    assert outcome(run, log.state) == [
        "Best trial: 1, value +0.4000, the smaller the better; lr=0.002",
        "Failed: 1 of 3 trials, trial 2 the last: KeyError: 'close'; "
        f"its log is {run.trial(2).log}",
    ]


def test_of_one_good_trial_nothing_is_said(tmp_path):
    log = sweep([0.05])
    assert outcome(written(log, tmp_path / "run"), log.state) == []
