"""What is told without looking: from events, from a status, from values that are low for long."""

import pytest
from run_builders import Log

from atft_core.run import events as ev
from atft_core.run.alerts import (
    KEYS,
    LEVELS,
    newest_standing,
    raised,
    reaches,
    standing,
    standing_by_status,
)
from atft_core.run.events import Stamped
from atft_core.run.fold import fold
from atft_core.run.gauge import GAP_SECONDS, Band, Gauge, step
from atft_core.run.state import State, from_json, to_json
from atft_core.run.status import silent_trial

SHORT = State(run="hpo_short", stage_spec={"title": "short sweep"})
TOLD = [
    (ev.RunEnded(state="FINISHED", verdict="PASS, 9 of 9 criteria"), "finished", "info",
     "short sweep FINISHED: PASS, 9 of 9 criteria"),
    (ev.RunEnded(state="FINISHED", verdict="FAIL, 7 of 9 criteria"), "finished", "warning",
     "short sweep FINISHED: FAIL, 7 of 9 criteria"),
    (ev.RunEnded(state="STOPPED", reason="the time budget is used up"), "finished", "warning",
     "short sweep STOPPED: the time budget is used up"),
    (ev.RunEnded(state="FAILED", reason="every trial failed"), "finished", "error",
     "short sweep FAILED: every trial failed"),
    (ev.TrialEnded(trial=3, state="FAIL", reason="out of memory"), "trial_failed", "warning",
     "trial 3 failed: out of memory"),
    (ev.WorkerExited(trial=3, ok=False, reason="the worker was killed by SIGKILL"), "worker_lost",
     "warning", "trial 3: the worker was killed by SIGKILL"),
    (ev.Decision(rule="sweep_hopeless", verdict="stop", acts=True, said="sweep: stop, so"), "rule",
     "warning", "sweep: stop, so"),
    (ev.Decision(rule="sweep_hopeless", verdict="stop", said="sweep: stop (advice), so"), "rule",
     "info", "sweep: stop (advice), so"),
    (ev.Alert(level="error", key="disk_low", text="2 MiB left"), "disk_low", "error", "2 MiB left"),
]  # fmt: skip
QUIET = [
    ev.TrialEnded(trial=3, state="COMPLETE", value=0.1),
    ev.TrialEnded(trial=3, state="PRUNED"),
    ev.WorkerExited(trial=3, ok=True),
    ev.Decision(rule="early_signs", verdict="go on", said="trial 3: go on"),
    ev.Progress(trial=3, epoch=1),
]


@pytest.mark.parametrize(("event", "key", "level", "text"), TOLD)
def test_an_event_tells_what_happened_and_how_bad_it_is(event, key, level, text):
    (alert,) = raised(SHORT, Stamped(1, 50.0, event))
    assert (alert.key, alert.level, alert.text, alert.since) == (key, level, text, 50.0)
    assert key in KEYS
    assert level in LEVELS


@pytest.mark.parametrize("event", QUIET)
def test_what_goes_well_disturbs_nobody(event):
    assert raised(SHORT, Stamped(1, 50.0, event)) == []


def test_an_end_that_somebody_asked_for_is_no_problem():
    log = Log().start().add(ev.StopRequested(now=True), ev.RunEnded(state="STOPPED", reason="so"))
    assert fold(log.stamped).alerts[-1].level == "info"


def test_alerts_are_a_part_of_the_fold_and_of_its_snapshot():
    log = Log().start().worker()
    log.add(ev.WorkerExited(trial=0, ok=False, reason="killed"), ev.Alert(text="blocked"))
    state = fold(log.stamped)
    assert [alert.key for alert in state.alerts] == ["worker_lost", "other"]
    assert from_json(to_json(state)).alerts == state.alerts
    assert fold(log.stamped[4:], fold(log.stamped[:4])).alerts == state.alerts


def test_what_began_stands_until_its_end_is_told():
    log = Log().start()
    assert not standing(fold(log.stamped), "hung")
    log.add(ev.Alert(key="hung", text="nothing for 400 s"), ev.Alert(key="disk_low"))
    assert standing(fold(log.stamped), "hung")
    log.add(ev.Alert(key="hung", text="heard of again", ended=True))
    state = fold(log.stamped)
    assert not standing(state, "hung")
    assert standing(state, "disk_low")


@pytest.mark.parametrize(("name", "key"), [("DIED", "engine_died"), ("HUNG", "hung")])
def test_a_status_tells_what_no_event_can(name, key):
    alert = standing_by_status(name, "because", State(t=9.0))
    assert (alert.key, alert.level, alert.text, alert.since) == (key, "error", "because", 9.0)


@pytest.mark.parametrize("name", ["RUNNING", "STOPPING", "FINISHED", "STOPPED", "FAILED"])
def test_a_status_that_events_tell_is_no_alert_by_itself(name):
    assert standing_by_status(name, "", State()) is None


def test_a_trial_is_silent_once_its_phase_has_had_its_time():
    state = fold(Log().start().worker().stamped)
    heard, budget = state.trials[0].heard, state.budget(state.trials[0])
    assert silent_trial(state, heard + budget) is None
    silent = silent_trial(state, heard + budget + 1)
    assert (silent.name, silent.since, silent.trial) == ("HUNG", heard, 0)
    assert silent.reason.startswith("trial 0, start: nothing for ")
    state.trials[0].state = "COMPLETE"
    assert silent_trial(state, heard + budget + 1) is None


@pytest.mark.parametrize(
    ("level", "bar", "told"),
    [("info", "info", True), ("info", "warning", False), ("error", "warning", True),
     ("error", "off", False), ("strange", "warning", True), ("strange", "error", False)],
)  # fmt: skip
def test_a_level_is_told_from_its_bar_on(level, bar, told):
    assert reaches(level, bar) is told


IDLE = Band(below=10, below_seconds=300, above=30, above_seconds=120)


def turns(values, band=IDLE, gauge=None, every=60.0):
    """When the gauge turned, by the number of the value, and to what."""
    gauge, found = gauge or Gauge(), []
    for n, value in enumerate(values):
        after = step(gauge, band, n * every, value)
        if after.low != gauge.low:
            found.append((n, after.low))
        gauge = after
    return found


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0] * 5, []),
        ([0] * 6, [(5, True)]),
        ([0, 0, 0, 0, 50, 0, 0, 0, 0, 0], []),
        ([0, 0, 0, 0, 10, 0, 0, 0, 0, 0], []),
        ([9, 0, 9, 0, 9, 0], [(5, True)]),
        ([0] * 6 + [20] * 30, [(5, True)]),
        ([0] * 6 + [31, 31], [(5, True)]),
        ([0] * 6 + [31, 31, 31], [(5, True), (8, False)]),
        ([0] * 6 + [90, 5, 90, 5, 90, 5, 90, 5], [(5, True)]),
        ([0] * 6 + [90] * 3 + [0] * 6, [(5, True), (8, False), (14, True)]),
        ([5, 15] * 50, []),
        ([50] * 50, []),
        ([None] * 50, []),
        ([0, 0, 0, None, 0, 0, 0, 0, 0], []),
        ([0] * 6 + [None] * 20, [(5, True)]),
        ([], []),
    ],
)
def test_a_value_is_low_after_it_was_low_for_long_and_well_after_it_was_well(values, expected):
    assert turns(values) == expected


def test_a_gauge_that_was_low_in_an_earlier_process_goes_on_from_there():
    assert turns([0] * 20, gauge=Gauge(low=True)) == []
    assert turns([50] * 20, gauge=Gauge(low=True)) == [(2, False)]


def test_a_machine_that_slept_was_not_idle_meanwhile():
    assert turns([0] * 3, every=GAP_SECONDS + 1) == []
    assert turns([0] * 3, every=GAP_SECONDS) == [(2, True)]


def test_without_a_time_the_first_value_turns():
    assert turns([5, 50], Band(10, 0, 30, 0)) == [(0, True), (1, False)]


def test_the_newest_alert_that_stands_is_none_that_is_over():
    log = Log().start().add(ev.Alert(key="disk_low", text="2 MiB left"))
    assert newest_standing(fold(log.stamped)).text == "2 MiB left"
    log.add(ev.RunEnded(state="STOPPED", reason="so"))
    assert newest_standing(fold(log.stamped)).key == "finished"
    log.add(ev.EngineStarted(pid=2))
    assert newest_standing(fold(log.stamped)).text == "2 MiB left", "it was resumed"
    log.add(ev.Alert(key="disk_low", text="there is room again", ended=True))
    assert newest_standing(fold(log.stamped)) is None
