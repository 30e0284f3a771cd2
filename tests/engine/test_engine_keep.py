"""Which predictions a sweep keeps."""

from atft_core.engine.keep import Predictions, best_trials
from atft_core.run.directory import create
from atft_core.run.state import State


def state(**trials):
    made = State()
    for name, (value, how) in trials.items():
        trial = made.trial(int(name.removeprefix("t")))
        trial.value, trial.state, trial.ended = value, how, 1.0
    return made


def test_the_best_complete_trials_are_kept_and_the_earlier_wins_a_tie():
    some = state(
        t0=(0.02, "COMPLETE"), t1=(0.05, "COMPLETE"), t2=(0.02, "COMPLETE"), t3=(0.09, "PRUNED"),
        t4=(None, "FAIL"), t5=(-0.3, "COMPLETE"),
    )  # fmt: skip
    assert best_trials(some, 2) == {0, 1}
    assert best_trials(some, 10) == {0, 1, 2, 5}
    assert best_trials(State(), 3) == set()


def test_predictions_go_with_what_is_no_longer_among_the_best(tmp_path):
    run, kept = create(tmp_path / "run"), []
    values = (0.02, 0.05, 0.01, 0.09, 0.04)
    predictions = Predictions(run, 2)
    for number in range(len(values)):
        run.trial(number).path.mkdir()
        run.trial(number).predictions.touch()
        some = {f"t{n}": (values[n], "COMPLETE") for n in range(number + 1)}
        predictions.drop(state(**some), number)
        kept.append([n for n in range(5) if run.trial(n).predictions.exists()])
    assert kept == [[0], [0, 1], [0, 1], [1, 3], [1, 3]]


def test_what_an_earlier_engine_left_over_goes_too_and_a_scored_trial_keeps_its_own(tmp_path):
    run = create(tmp_path / "run")
    some = state(t0=(0.01, "COMPLETE"), t1=(0.02, "FAIL"), t2=(0.03, "COMPLETE"))
    some.trials[1].holdout = {"rank_ic": 0.01}
    for number in range(3):
        run.trial(number).path.mkdir()
        run.trial(number).predictions.touch()
    Predictions(run, 1).drop(some, 2)
    assert [n for n in range(3) if run.trial(n).predictions.exists()] == [1, 2]
