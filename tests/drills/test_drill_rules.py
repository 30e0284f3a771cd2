"""Rules on real runs: advice changes nothing; one that acts prunes the trial or ends the sweep."""

import pytest
from drill import assert_log_equals_study, atft, slowest
from small_book import SETS, events, write_book

from atft_core.run import events as ev
from atft_core.run.directory import RunDirectory
from atft_core.run.status import load

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
IMPOSSIBLE = 'rules = [{{ name = "second_look", after = 0.4, bar = 9.0, acts = {acts} }}]\n'
ENOUGH = 'rules = [{ name = "sweep_reached", after = 0.3, bar = -9.0, acts = true }]\n'


def run_with(place, panel, rules, *, trials, epochs, code=0):
    """The first stage of a book with these rules."""
    book = write_book(place)
    text = book.read_text().replace("n_trials = 1", f"n_trials = {trials}", 1)
    text = text.replace("max_epochs = 2", f"max_epochs = {epochs}", 1)
    head, sep, rest = text.partition('requires = ""\n')
    book.write_text(head + sep + rules + rest)
    atft("run", "dry", "--runbook", book, "--data-path", panel, *SETS, code=None, timeout=300)
    return RunDirectory(place / "dry")


def test_advice_is_written_down_and_the_trial_goes_on(place, panel):
    run = run_with(place / "advice", panel, IMPOSSIBLE.format(acts="false"), trials=1, epochs=5)
    state = load(run)
    (decision,) = events(run, ev.Decision)
    assert decision.verdict == "stop"
    assert decision.evidence["epoch"] == 2
    assert (state.trial(0).state, len(state.trial(0).epochs)) == ("COMPLETE", 5)
    assert "Decision second_look, trial 0: stop (advice)" in run.log.read_text()


def test_a_rule_that_acts_prunes_the_trial_with_its_reason(place, panel):
    run = run_with(place / "acting", panel, IMPOSSIBLE.format(acts="true"), trials=2, epochs=60)
    state = load(run)
    for trial in state.trials.values():
        assert trial.state == "PRUNED"
        assert len(trial.epochs) < 60
        assert "against 9" in trial.reason
    assert len(events(run, ev.Decision)) == 2
    assert_log_equals_study(run)


@slowest
def test_a_sweep_ends_when_a_rule_says_that_it_is_enough(place, panel):
    run = run_with(place / "enough", panel, ENOUGH, trials=6, epochs=2)
    state = load(run)
    assert (state.end_state, len(state.trials)) == ("FINISHED", 2)
    assert "what was hoped for is there" in state.end_reason
    assert_log_equals_study(run)
