"""What an engine must not stumble over: odd requests, another panel, a start it has to refuse."""

import shutil
from collections import Counter

import pytest
from drill import assert_log_equals_study, atft, refused, slowest, start, wait_for, wait_for_end
from small_book import events

from atft_core.run import events as ev

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@slowest
def test_requests_of_any_shape_are_answered_once_and_the_engine_goes_on(panel, home):
    run = start(panel, home / "out", trials=2, epochs=25)
    wait_for(run, lambda state: state.trials and state.trials[0].epochs)
    (run.requests / "torn.json").write_text('{"op": "st')
    (run.requests / "list.json").write_text('["stop"]')
    (run.requests / "number.json").write_text('{"op": 7, "user": ["u"]}')
    (run.requests / "folder.json").mkdir()
    wait_for(run, lambda state: {"torn", "list", "number", "folder"} <= state.answered.keys())
    (run.requests / "loose.json").write_text('{"op": "stop", "args": "later"}')
    state, status = wait_for_end(run)
    assert (status.name, status.reason) == ("STOPPED", "stopped on request after the running trial")
    assert [trial.state for trial in state.trials.values()] == ["COMPLETE"]
    atft("resume", run.path)
    state, status = wait_for_end(run)
    assert status.name == "FINISHED"
    assert [trial.state for trial in state.trials.values()] == ["COMPLETE", "COMPLETE"]
    answers = events(run, ev.Requested)
    assert Counter(event.id for event in answers) == Counter(
        ("torn", "list", "number", "folder", "loose")
    ), "answered once, and not again by the second engine"
    assert {event.id for event in answers if event.ok} == {"loose"}
    assert_log_equals_study(run)


def test_a_run_whose_panel_has_changed_is_resumed_only_with_the_panel_it_had(panel, home):
    mine = home / "panel.parquet"
    shutil.copy(panel, mine)
    run = start(mine, home / "out", trials=1, epochs=2000)
    wait_for(run, lambda state: state.engines)
    atft("stop", run.path, "--now")
    wait_for_end(run)
    mine.unlink()
    atft("synth", mine, "--stocks", 60, "--days", 360, "--seed", 1)
    log = run.events.read_bytes()
    said = refused("resume", run.path)
    assert str(mine) in said
    assert "has changed since this run started" in said
    assert run.events.read_bytes() == log
    shutil.copy(panel, mine)
    assert "a file beside it) has changed" in refused("resume", run.path), (
        "synth wrote sectors, too"
    )
    (home / "sector.parquet").unlink()
    atft("resume", run.path, "--detach")
    wait_for(run, lambda state: state.engines == 2)
    atft("stop", run.path, "--now")
    assert wait_for_end(run)[1].reason == "stopped on request"


def test_a_start_that_the_engine_refuses_leaves_no_directory(panel, home):
    said = refused(
        "hpo", "--data-path", panel, "--output-dir", "out", "--set", "engine.group=no_such_group"
    )
    assert "no_such_group" in said
    assert "id -Gn" in said
    assert list(home.iterdir()) == []
