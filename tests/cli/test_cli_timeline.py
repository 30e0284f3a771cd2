"""`atft timeline` and `atft status --at`: the past without a screen."""

import json

import pytest

from atft_core.run import events as ev
from atft_core.run.directory import create
from atft_core.run.events import Stamped, encode
from atft_core.run.files import write_json
from atft_core.run.narrate import stamp

BEGAN = 1_795_000_000.0
EVENTS = (
    ev.RunStarted(run="r", stage="dry", n_trials=2, max_epochs=2),
    ev.EngineStarted(pid=1, host="elsewhere"),
    ev.WorkerStarted(trial=0, pid=2),
    ev.Epoch(trial=0, worker_seq=1, epoch=1, seconds=5.0),
    ev.TrialEnded(trial=0, value=0.03),
    ev.WorkerStarted(trial=1, pid=3),
    ev.TrialEnded(trial=1, value=0.05),
    ev.Requested(id="1", op="stop", user="ann\x1b[2J", ok=False, message="too late"),
    ev.RunEnded(state="FINISHED"),
)


@pytest.fixture
def run(tmp_path):
    """A run of nine minutes, on another host."""
    run = create(tmp_path / "run")
    write_json(run.run_json, {"schema": 1, "created": 0.0})
    lines = [encode(Stamped(n, BEGAN + 60 * n, event)) for n, event in enumerate(EVENTS, start=1)]
    run.events.write_text("\n".join(lines) + '\n{"seq": 10, "t')
    return run


def test_the_moments_are_printed_with_their_times(atft, run):
    done = atft("timeline", run.path)
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0].split() == ["time", "run", "time", "seq", "what", "happened"]
    assert len(lines) == 9  # an epoch is no moment
    assert lines[-1].split() == [*stamp(BEGAN + 540).split(), "8m00", "9", "ok", "run", "FINISHED"]
    assert "done .050, the best so far (trial 0: .030)" in done.out
    assert "XX  request  stop by ann refused: too late" in done.out
    assert "\x1b" not in done.out


def test_moments_from_a_time_on_as_json(atft, run):
    done = atft("timeline", run.path, "--since", stamp(BEGAN + 400), "--json")
    assert [moment["seq"] for moment in json.loads(done.out)["moments"]] == [7, 8, 9]
    late = atft("timeline", run.path, "--since", stamp(BEGAN + 4000))
    assert late.out.startswith("Nothing has happened since")


@pytest.mark.parametrize("at", ["5", stamp(BEGAN + 310), stamp(BEGAN + 310)[11:]])
def test_the_status_at_a_moment_by_number_or_time(atft, run, at):
    done = atft("status", run.path, "--at", at, "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert (told["state"], told["seq"], told["best"], told["ended"]) == ("RUNNING", 5, 0, None)
    assert [trial["state"] for trial in told["trials"]] == ["COMPLETE"]
    said = atft("status", run.path, "--at", at).out.splitlines()
    assert "event 5" in said[0] and said[1] == "dry: RUNNING"


def test_the_status_at_the_end_is_the_status(atft, run):
    now = json.loads(atft("status", run.path, "--json").out)
    then = json.loads(atft("status", run.path, "--at", "9", "--json").out)
    assert then == now | {"at": BEGAN + 540}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--at", "noon"], "is no time"),
        (["--at", "0"], "begins after 0"),
        (["--at", "2020-01-01"], "begins after 2020-01-01"),
    ],
)
def test_a_moment_that_cannot_be_is_refused_in_a_line(atft, run, words, complaint):
    done = atft("status", run.path, *words)
    assert done.code == 2 and complaint in done.err and "Traceback" not in done.err


def test_at_is_about_one_run(atft, run):
    done = atft("status", run.path.parent, "--at", "5")
    assert done.code == 2 and "--at is about one run" in done.err


def test_a_place_without_a_run_and_a_run_without_events(atft, run, tmp_path):
    assert "not a run directory" in atft("timeline", tmp_path).err
    run.events.write_text("")
    assert atft("timeline", run.path).out == "Nothing has happened yet.\n"
    assert atft("status", run.path, "--at", "03:12").code == 2


def test_a_verdict_that_turned_is_among_the_moments(atft, tmp_path):
    run = create(tmp_path / "turned")
    write_json(run.run_json, {"schema": 1, "created": 0.0})
    epochs = [ev.Epoch(trial=0, worker_seq=n, epoch=n, seconds=10.0,
                       time={"wait": wait, "compute": 10.0 - wait})
              for n, wait in enumerate((0.1, 8.0, 8.0), start=1)]  # fmt: skip
    events = [*EVENTS[:3], *epochs, EVENTS[4]]
    lines = [encode(Stamped(n, BEGAN + 60 * n, event)) for n, event in enumerate(events, start=1)]
    run.events.write_text("\n".join(lines) + "\n")
    done = atft("timeline", run.path)
    told = json.loads(atft("timeline", run.path, "--json").out)["moments"]
    assert [moment["seq"] for moment in told] == [1, 2, 3, 5, 7]
    assert "??  verdict  data-bound from here on, before: compute-bound" in done.out
