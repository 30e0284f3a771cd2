"""The moments of a run: told from the log alone, piece by piece, whatever is in it."""

import time

import pytest
from run_builders import Log
from run_builders import written as made

from atft_core.errors import UsageError
from atft_core.run import events as ev
from atft_core.run.events import Stamped, encode
from atft_core.run.fold import fold
from atft_core.run.journal import read_events
from atft_core.run.lock import Holder
from atft_core.run.moments import QUIET, Moment
from atft_core.run.narrate import lines
from atft_core.run.timeline import Timeline, newest_time, parse_time, state_then


def written(log, path):
    """A run with the times of the log, not those at which the test runs."""
    run = made(log, path)
    run.events.write_text("".join(encode(stamped) + "\n" for stamped in log.stamped))
    return run


def night() -> Log:
    """A sweep in which nearly everything happens."""
    log = Log().start(n_trials=4)
    log.add(ev.Preflight(checks=[{"name": "leak", "ok": True}, {"name": "model", "ok": True}]))
    for trial, value in enumerate([0.03, 0.05, 0.04]):
        log.worker(trial).epoch(1, trial=trial).epoch(2, trial=trial).trial_end(trial, value=value)
    log.worker(3).epoch(1, trial=3)
    log.add(ev.WorkerExited(trial=3, ok=False, reason="signal 9"), ev.EngineStarted(pid=7))
    log.worker(3, attempt=2).trial_end(3, state="FAIL", reason="no memory")
    return log.add(
        ev.Decision(rule="hopeless", verdict="go on", said="trial 3: go on"),
        ev.Decision(rule="hopeless", verdict="stop", said="sweep: stop, nothing gained"),
        ev.Requested(id="1", op="stop", user="ann", ok=True, message="stops now"),
        ev.Requested(id="2", op="prune", user="", ok=False, message="trial 9 is not running"),
        ev.Alert(level="warning", text="the disk is nearly full"),
        ev.HoldoutScored(trial=1, looks=2),
        ev.RunEnded(state="STOPPED", reason="asked by ann"),
    )


def told(run) -> list[Moment]:
    timeline = Timeline(run.events)
    assert timeline.read()
    return timeline.moments


def test_a_night_is_told_in_its_order(tmp_path):
    moments = told(written(night(), tmp_path / "run"))
    assert [f"{m.sign} {m.about}: {m.text}" for m in moments] == [
        "RUNNING run: r: 4 trials x 2 epochs",
        "RUNNING engine: pid 1 on h",
        "PASS preflight: 2 checks passed",
        "RUNNING trial 0: started",
        "PASS trial 0: done .030",
        "RUNNING trial 1: started",
        "PASS trial 1: done .050, the best so far (trial 0: .030)",
        "RUNNING trial 2: started",
        "PASS trial 2: done .040",
        "RUNNING trial 3: started",
        "FAIL trial 3: lost its worker: signal 9",
        "UNKNOWN engine: pid 7, start 2; the one before was lost",
        "RUNNING trial 3: goes on, attempt 2",
        "FAIL trial 3: lost its worker: no memory",
        "FAIL trial 3: failed: no memory",
        "PENDING decision: hopeless, sweep: stop, nothing gained",
        "PASS request: stop by ann obeyed: stops now",
        "FAIL request: prune by somebody refused: trial 9 is not running",
        "UNKNOWN alert: the disk is nearly full",
        "PENDING trial 1: holdout scored, look 2 at this data",
        "UNKNOWN run: STOPPED: asked by ann",
    ]


def test_what_is_smaller_when_better_is_told_as_it_was_measured(tmp_path):
    log = Log().start(n_trials=2, objective="-loss")
    for number, loss in enumerate((0.5, 0.4)):
        log.worker(number).trial_end(number, value=-loss)
    moments = told(written(log, tmp_path / "run"))
    assert [m.text for m in moments if m.text.startswith("done")] == [
        "done .500", "done .400, the best so far (trial 0: .500)",
    ]  # fmt: skip
    assert [text for each in log.stamped for text in lines(log.state, each)
            if "COMPLETE" in text] == [
        "Trial 0 COMPLETE value +0.5000", "Trial 1 COMPLETE value +0.4000",
    ]  # fmt: skip


def test_every_moment_has_the_number_and_time_of_its_event(tmp_path):
    log = night()
    times = {stamped.seq: stamped.t for stamped in log.stamped}
    moments = told(written(log, tmp_path / "run"))
    assert all(times[moment.seq] == moment.t for moment in moments)
    assert [m.seq for m in moments] == sorted({m.seq for m in moments})


def test_reading_in_pieces_tells_the_same(tmp_path):
    run = written(night(), tmp_path / "run")
    whole = told(run)
    data = run.events.read_bytes()
    run.events.write_bytes(b"")
    timeline = Timeline(run.events)
    for place in range(0, len(data), 97):  # mostly in the middle of a line
        with run.events.open("ab") as file:
            file.write(data[place : place + 97])
        timeline.read()
    assert timeline.moments == whole
    assert timeline.share == 1.0


def test_a_slice_of_time_is_enough_for_some_lines_and_the_next_goes_on(tmp_path):
    run = written(night(), tmp_path / "run")
    quiet = ev.Progress(trial=0)
    with run.events.open("a") as file:
        file.writelines(encode(Stamped(seq, 1.0, quiet)) + "\n" for seq in range(60, 5060))
    timeline, slices = Timeline(run.events), 1
    while not timeline.read(0.0):
        slices += 1
        assert timeline.share < 1.0
    assert slices > 3
    assert [moment for moment in timeline.moments if moment.seq < 60] == told(run)[:-1]


@pytest.mark.parametrize("tail", [b"{", b'{"seq":99,"t":1,"kind":"alert"', b"\xff\xfe"])
def test_a_torn_last_line_is_not_told_yet(tmp_path, tail):
    run = written(night(), tmp_path / "run")
    whole = told(run)
    with run.events.open("ab") as file:
        file.write(tail)
    assert told(run) == whole


def test_what_is_missing_in_the_log_is_a_moment(tmp_path):
    run = written(night(), tmp_path / "run")
    lines = run.events.read_bytes().splitlines(keepends=True)
    lines[5] = b"\x00" * 40 + b"\n"
    lines[8:10] = []
    run.events.write_bytes(b"".join(lines))
    lost = [moment.text for moment in told(run) if moment.text.endswith("cannot be read")]
    assert lost == [
        "1 event after event 5 cannot be read",
        "2 events after event 8 cannot be read",
    ]


def test_hostile_text_is_harmless_and_short(tmp_path):
    nasty = "\x1b]52;c;Zm9v\x07\x1b[2Jred\u202e[red]" + "x" * 5000
    log = Log().start().add(
        ev.Alert(text=nasty), ev.Requested(id="1", op=nasty, user=nasty, message=nasty),
        ev.TrialEnded(trial=0, state=nasty, reason=nasty),
        ev.Preflight(checks=[{"name": nasty}]), ev.RunEnded(state=nasty),
    )  # fmt: skip
    for moment in told(written(log, tmp_path / "run")):
        assert moment.text.isprintable() and len(moment.text) <= 400
        assert moment.sign in {"PASS", "FAIL", "PENDING", "UNKNOWN", "RUNNING", "LOCKED"}


def test_an_empty_log_has_no_moments(tmp_path):
    run = written(Log(), tmp_path / "run")
    assert told(run) == []
    assert newest_time(run) == 0.0


def test_epochs_and_progress_are_not_told():
    assert {"epoch", "progress"} <= QUIET
    assert "trial_ended" not in QUIET


# One moment.


def test_the_state_then_is_the_fold_of_the_events_until_then(tmp_path):
    run = written(night(), tmp_path / "run")
    every = list(read_events(run.events))
    for k in range(1, len(every) + 1):
        wanted = fold(every[:k])
        by_number, by_time = state_then(run, seq=k), state_then(run, t=every[k - 1].t + 0.5)
        assert by_number.state == by_time.state == wanted
        assert by_number.t == every[k - 1].t and by_time.t == every[k - 1].t + 0.5


def test_a_run_was_alive_when_its_next_event_was_written_unless_an_engine_began_with_it(tmp_path):
    run = written(night(), tmp_path / "run")
    kinds = [type(stamped.event) for stamped in read_events(run.events)]
    started = [k for k, kind in enumerate(kinds) if kind is ev.EngineStarted]
    assert state_then(run, seq=started[0]).status(Holder.NOBODY).name == "RUNNING", "the first one"
    assert state_then(run, seq=started[1] - 1).status(Holder.NOBODY).name == "RUNNING"
    assert state_then(run, seq=started[1]).status(Holder.NOBODY).name == "DIED"
    assert state_then(run, seq=started[1] + 1).status(Holder.NOBODY).name == "RUNNING"
    assert state_then(run, seq=len(kinds)).status(Holder.NOBODY).name == "STOPPED"


def test_a_run_that_fell_silent_hung_then(tmp_path):
    log = Log().start().worker(0).add(ev.Alert(text="nothing is heard"), after=4000.0)
    run = written(log, tmp_path / "run")
    assert state_then(run, t=log.t - 1).status(Holder.NOBODY).name == "HUNG"


@pytest.mark.parametrize("text", ["03:12", "03:12:44", "2026-11-26T03:12:44", "2026-11-26 03:12"])
def test_times_are_those_of_the_clock_on_the_wall(text):
    last = time.mktime((2026, 11, 26, 4, 0, 0, 0, 0, -1))
    seconds = 44 if text.endswith("44") else 0
    assert parse_time(text, last) == time.mktime((2026, 11, 26, 3, 12, seconds, 0, 0, -1))


def test_a_time_of_day_is_the_last_one_before_the_end():
    last = time.mktime((2026, 11, 26, 2, 0, 0, 0, 0, -1))
    assert parse_time("03:12", last) == time.mktime((2026, 11, 25, 3, 12, 0, 0, 0, -1))


@pytest.mark.parametrize("text", ["", "25:00", "yesterday", "99999-01-01", "3"])
def test_what_is_no_time_is_refused_with_an_example(text):
    with pytest.raises(UsageError, match=r"no time(.|\n)*03:12"):
        parse_time(text, 1e9)
