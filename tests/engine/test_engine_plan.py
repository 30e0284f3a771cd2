"""What a stage is expected to cost, from what an earlier run cost."""

import pytest

from atft_core.engine.plan import _around_epochs, _before_trials
from atft_core.run import events as ev
from atft_core.run.events import Stamped
from atft_core.run.fold import fold


def a_run(starts, overhead):
    """Trials of two epochs of 20 s, and `overhead` seconds beside them; preparation takes 70 s."""
    found, t = [(0.0, ev.RunStarted(run="r", n_trials=len(starts), max_epochs=2)),
                (1.0, ev.EngineStarted(pid=1))], 70.0  # fmt: skip
    for trial in starts:
        found += [(t, ev.TrialAsked(trial=trial)), (t, ev.WorkerStarted(trial=trial))]
        for epoch in (1, 2):
            seen = ev.Epoch(trial=trial, worker_seq=epoch, epoch=epoch, seconds=20.0)
            found.append((t + 20.0 * epoch, seen))
        t += 40.0 + overhead
        found.append((t, ev.TrialEnded(trial=trial, value=0.1)))
    return fold(Stamped(seq, t, event) for seq, (t, event) in enumerate(found, start=1))


def test_preparation_and_what_a_trial_needs_beside_its_epochs_are_counted():
    state = a_run([0, 1, 2], overhead=12.0)
    assert _before_trials(state) == pytest.approx(70.0)
    assert _around_epochs(state) == pytest.approx(12.0)


def test_without_a_trial_that_ended_nothing_is_made_up():
    state = a_run([], overhead=0.0)
    assert _around_epochs(state) == 0.0
    assert _before_trials(state) == pytest.approx(1.0)
