"""The moments at which a verdict became another one: in order, each once, from the state alone."""

import pytest
from test_run_verdicts import WAITS, WORKS, run_of

from atft_core.run import events as ev
from atft_core.run.turns import Turns, merged
from atft_core.run.verdict.history import KEPT


def turns_of(log, until=10**9):
    return Turns().read(log.state.verdicts, until)


def test_a_change_is_a_moment_and_what_stays_the_same_is_none():
    log = run_of(WORKS, WORKS, WAITS, WAITS, WORKS)
    rows = log.state.trials[0].epochs
    found = turns_of(log)
    assert [(m.seq, m.sign, m.about, m.text) for m in found] == [
        (rows[2].seq, "UNKNOWN", "verdict", "data-bound from here on, before: compute-bound"),
        (rows[4].seq, "PASS", "verdict", "compute-bound from here on, before: data-bound"),
    ]  # fmt: skip
    assert [m.t for m in found] == [log.stamped[m.seq - 1].t for m in found]


def test_a_mishap_between_two_alike_is_no_change():
    log = run_of(WORKS, WORKS)
    log.add(ev.WorkerExited(trial=0, ok=False, reason="killed")).worker(attempt=2)
    log.epoch(3, time=WORKS, attempt=2).epoch(4, time=WAITS, attempt=2)
    assert [m.text.split()[0] for m in turns_of(log)] == ["data-bound"]


@pytest.mark.parametrize("step", [1, 3, 7])
def test_each_is_told_once_however_it_is_read(step):
    log = run_of(*[WORKS, WAITS, WAITS, WORKS, WORKS] * 4)
    whole, turns, found = turns_of(log), Turns(), []
    for until in range(0, log.state.seq + step, step):
        found += turns.read(log.state.verdicts, until)
    assert found == whole
    assert turns.read(log.state.verdicts, log.state.seq) == []


def test_of_a_night_that_goes_to_and_fro_the_newest_are_known():
    log = run_of(*[WORKS, WAITS] * KEPT)
    assert len(turns_of(log)) == KEPT - 1


def test_they_stand_among_the_other_moments_in_the_order_of_events(tmp_path):
    log = run_of(WORKS, WAITS).trial_end()
    from atft_core.run.moments import Teller

    teller = Teller()
    others = [moment for stamped in log.stamped for moment in teller.tell(stamped)]
    every = merged(others, log.state.verdicts, log.state.seq)
    assert [m.about for m in every] == ["run", "engine", "trial 0", "verdict", "trial 0"]
    assert [m.seq for m in every] == sorted(m.seq for m in every)
    assert merged(others, log.state.verdicts, 1) == others
