"""Which predictions a sweep keeps."""

from atft_core.engine.keep import best_trials
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
