"""The timeline, and the whole screen as it was at a moment."""

import time

import pytest
import tui_run
from tui_console import SMALL, WIDE, console, every_size

from atft_core.bench.runs import long_run
from atft_core.run import events as ev
from atft_core.run.directory import RunDirectory
from atft_core.run.events import Stamped, encode
from atft_core.run.fold import fold
from atft_core.run.journal import Journal, read_events
from atft_core.run.judge.criteria import check
from atft_core.run.narrate import stamp
from atft_core.run.stages import stage_from_json
from atft_core.run.status import load
from atft_core.run.timeline import decoded
from atft_core.run.wording import duration
from atft_tui.bindings import ABOUT_NOW, KEYS
from atft_tui.follow import Follower
from atft_tui.past import past, states
from atft_tui.past.states import EVERY

BEGAN = 1_795_000_000.0


@pytest.fixture
def apart(live) -> RunDirectory:
    """The sweep with a minute between its events, and a log that says so."""
    every = [Stamped(s.seq, BEGAN + 60 * s.seq, s.event) for s in read_events(live.events)]
    live.events.write_text("".join(encode(stamped) + "\n" for stamped in every))
    live.log.write_text("".join(f"{stamp(s.t)} event {s.seq}\n" for s in every))
    return live


async def rewound(shown, *keys):
    """Press keys, and wait for the moment that they lead to."""
    place = shown.app.place
    await shown.press(*keys)
    await shown.until(lambda: shown.app.place != place)
    await settled(shown)


async def settled(shown):
    """Wait until what is wanted is what is shown."""

    def there():
        view, place = shown.app.view, shown.app.place
        if place is None:
            return view.past is None
        wanted = place if place >= 0 else len(view.moments.all) + place
        return view.past is not None and view.past.place == max(0, wanted) and view.folded == 1.0

    await shown.until(there)


# The list.


@every_size
async def test_the_timeline_lists_what_happened(book, apart, size):
    async with console(book, apart.path, size=size) as shown:
        await shown.press("t")
        await shown.on("TimelineScreen")
        await shown.shows("done .046, the best so far")
        lines = shown.pane("moments").text.splitlines()
        assert len(lines) == 1 + len(shown.app.view.moments.all)
        assert lines[0].split()[-2:] == ["what", "happened"]
        assert "pruned .009: below the median" in shown.text
        assert "started" in lines[-1] and shown.drawn("moments")[len(lines)][1] == ">"
        assert stamp(apart_time(shown, -1))[11:] in lines[-1]
        assert all(len(line) == size[0] for line in shown.lines)
        await shown.press("escape")
        assert shown.screen == "ConsoleScreen"


async def test_each_day_begins_with_its_date(book, live):
    """Also where a line has no room for one."""
    spread = [Stamped(s.seq, BEGAN + 7200 * s.seq, s.event) for s in read_events(live.events)]
    live.events.write_text("".join(encode(stamped) + "\n" for stamped in spread))
    async with console(book, live.path, size=SMALL) as shown:
        await shown.press("t")
        await shown.on("TimelineScreen")
        await shown.shows("done .046")
        moments = shown.app.view.moments.all
        lines = shown.pane("moments").text.splitlines()[1:]
        days = [stamp(moment.t)[:10] for moment in moments]
        assert len(set(days)) > 2
        for place, (text, moment) in enumerate(zip(lines, moments, strict=True)):
            date = stamp(moment.t)[:10]
            assert (date in text) is (place == 0 or days[place - 1] != date)
            assert stamp(moment.t)[11:] in text
            assert text[26:].startswith(moment.about)


async def test_a_time_that_no_calendar_knows_is_damage_and_said(book, apart):
    count = len(apart.events.read_text().splitlines())
    with apart.events.open("a") as log:
        for seq, t, text in ((count + 1, 1e300, "at no time"), (count + 2, time.time(), "later")):
            log.write(encode(Stamped(seq, t, ev.Alert(text=text))) + "\n")
    for size in (SMALL, WIDE):
        async with console(book, apart.path, size=size) as shown:
            await shown.press("t")
            await shown.on("TimelineScreen")
            await shown.shows("later")
            assert "at no time" not in shown.text
            alerts = [alert.text for alert in shown.app.view.state.alerts]
            assert f"1 event after event {count} cannot be read" in alerts


def apart_time(shown, place):
    return shown.app.view.moments.all[place].t


async def test_without_a_run_the_timeline_is_empty_and_there_is_no_past(book, home):
    async with console(book, size=SMALL) as shown:
        await shown.press("left_square_bracket")
        assert "nothing has happened yet" in shown.notices()
        await shown.press("t")
        await shown.on("TimelineScreen")
        assert "no run is shown" in shown.said("moments")
        await shown.press("enter", "escape")
        assert shown.app.place is None


async def test_a_new_moment_appears_while_the_list_is_read(book, live):
    async with console(book, live.path, size=WIDE) as shown:
        await shown.press("t")
        await shown.on("TimelineScreen")
        await shown.press("home")
        cursor = shown.pane("moments").cursor
        with Journal(live.events) as journal:
            journal.append(ev.Alert(text="the disk is nearly full"))
        await shown.shows("the disk is nearly full")
        assert shown.pane("moments").cursor == cursor == "0"


HOSTILE = "\x1b]52;c;Zm9v\x07\x1b[2J[red]\u202e\x9b31m"


@pytest.mark.parametrize("size", [SMALL, WIDE], ids=str)
async def test_hostile_text_is_text_in_the_list_and_in_the_line_above(book, live, size):
    with Journal(live.events) as journal:
        journal.append(ev.Requested(id="1", op="stop" + HOSTILE, user=HOSTILE, ok=False))
        journal.append(ev.Alert(text=HOSTILE + "x" * 900))
    async with console(book, live.path, size=size) as shown:
        for keys in (["t"], ["enter"], ["left_square_bracket"]):
            await shown.press(*keys)
            await shown.pilot.pause(0.3)
            assert all(line.isprintable() for line in shown.lines)
            assert "\u202e" not in shown.text
        assert shown.app.is_running


# The screen as it was.


@every_size
async def test_enter_shows_the_whole_screen_as_it_was(book, apart, size):
    async with console(book, apart.path, size=size) as shown:
        await shown.press("t")
        await shown.on("TimelineScreen")
        place = next(i for i, m in enumerate(shown.app.view.moments.all)
                     if m.kind == "ended" and m.trial == 1)  # fmt: skip
        moment = shown.app.view.moments.all[place]
        await shown.press("home", *["down"] * place, "enter")
        await settled(shown)
        assert shown.screen == "ConsoleScreen"
        first = shown.lines[0]
        assert first.startswith(f" rewound to {stamp(moment.t)}, ")
        assert "before the end" in first and "[ ] move, escape: now" in first
        assert f"$ atft status output/short --at {moment.seq}" in shown.text
        view = shown.app.view
        every = list(read_events(apart.events))
        wanted = fold(every[: moment.seq])
        assert view.state == wanted
        assert list(view.results) == check(wanted, stage_from_json(wanted.stage_spec))
        assert (view.now, view.status.name, view.live) == (moment.t, "RUNNING", True)
        if size != SMALL:
            await shown.until(
                lambda: shown.said("log").splitlines()[-1].endswith(f" event {moment.seq}")
            )
        assert shown.said("trials").count(" done ") == 2 and "pruned" not in shown.said("trials")
        assert "not yet" in next(s.short for s in view.stages if s.stage.key == "full")
        assert "machine" not in shown.said("gpu") and "no GPU was recorded" in shown.said("gpu")


async def test_the_keys_step_through_the_moments_and_on_to_now(book, apart):
    back, on = "left_square_bracket", "right_square_bracket"
    async with console(book, apart.path, size=WIDE) as shown:
        await shown.press(on)
        assert "this is now; [ goes back" in shown.notices()
        await shown.until(lambda: shown.app.view.moments.all)
        last = len(shown.app.view.moments.all) - 1
        for keys, place in [
            ([back], last), ([back], last - 1), ([back, back], last - 3), ([on], last - 2),
            (["left_curly_bracket"], max(0, last - 12)), ([back] * 20, 0),
            ([on] * 3, 3), (["right_curly_bracket"], last),
        ]:  # fmt: skip
            await shown.press(*keys)
            await settled(shown)
            assert shown.app.view.past.place == place, keys
        await rewound(shown, on)
        assert shown.app.view.past is None and "rewound" not in shown.text


async def test_the_keys_stop_where_the_verdict_turned(book, apart):
    def epoch(number, wait):
        return ev.Epoch(trial=3, attempt=1, worker_seq=100 * number, epoch=number, seconds=14.2,
                        time={"wait": wait, "compute": 14.0 - wait})  # fmt: skip

    async with console(book, apart.path, size=WIDE) as shown:
        await shown.until(lambda: shown.app.view.moments.all)
        count = len(shown.app.view.moments.all)
        with Journal(apart.events) as journal:
            for number, wait in ((8, 0.1), (9, 12.0), (10, 12.0), (11, 0.1)):
                journal.append(epoch(number, wait))
        await shown.until(lambda: len(shown.app.view.moments.all) == count + 2)
        slow, well = shown.app.view.moments.all[-2:]
        assert (slow.text, well.text) == (
            "data-bound from here on, before: compute-bound",
            "compute-bound from here on, before: data-bound",
        )
        await rewound(shown, "left_square_bracket", "left_square_bracket")
        assert shown.app.view.past.moment is slow
        assert len(shown.app.view.state.trials[3].epochs) == 9
        assert "data-bound" in shown.said("verdict")
        await rewound(shown, "right_square_bracket")
        assert shown.app.view.past.moment is well
        await shown.press("t")
        await shown.shows("verdict      data-bound from here on")
        place = shown.app.view.past.place
        tui_run.end_trial(apart, 3, "COMPLETE", 0.052)
        await shown.until(lambda: len(shown.app.view.moments.all) > count + 2)
        assert shown.app.view.moments.all[place] is well, "places do not move"
    async with console(book, apart.path, size=WIDE) as shown:  # read again from the log
        await shown.until(lambda: len(shown.app.view.moments.all) == count + 3)
        assert slow in shown.app.view.moments.all


async def test_escape_leads_back_to_now_from_every_screen_one_by_one(book, apart):
    async with console(book, apart.path, size=WIDE) as shown:
        await rewound(shown, "left_square_bracket", "left_square_bracket")
        await shown.press("enter")
        await shown.on("TrialScreen")
        assert shown.lines[0].startswith(" rewound to")
        assert "escape: now" not in shown.lines[0], "here escape leads to the main screen"
        assert "carry no times" in shown.said("log")
        await shown.press("escape", "6", "escape")
        assert shown.app.view.past is not None
        await rewound(shown, "escape")
        await shown.until(lambda: "rewound" not in shown.text)
        assert shown.app.view.state == load(apart)
        assert shown.said("log").splitlines()[-1].endswith(f" event {load(apart).seq}")


async def test_what_goes_on_meanwhile_is_there_on_the_way_back(book, apart):
    async with console(book, apart.path, size=WIDE) as shown:
        await rewound(shown, "left_square_bracket")
        state = shown.app.view.state
        tui_run.end_trial(apart, 3, "COMPLETE", 0.052)
        count = len(shown.app.view.moments.all)
        await shown.until(lambda: len(shown.app.view.moments.all) > count)
        assert shown.app.view.state == state and "rewound" in shown.text
        await rewound(shown, "escape")
        assert shown.app.view.state.trials[3].value == 0.052


async def test_the_line_says_how_far_before_the_end_it_is(book, apart):
    async with console(book, apart.path, size=SMALL) as shown:
        await shown.until(lambda: shown.app.view.moments.all)
        await rewound(shown, *["left_square_bracket"] * 40)
        back = duration(60.0 * (load(apart).seq - 1))
        assert f", {back} before the end" in shown.lines[0]


# From the past nothing is changed.


async def test_what_changes_the_run_is_refused_with_a_word(book, apart):
    async with console(book, apart.path, size=WIDE) as shown:
        await rewound(shown, "left_square_bracket")
        for key in ["x", "X", "r", "y", "n", "p", "d", "s"]:
            before = len(shown.notices())
            await shown.press(key)
            assert len(shown.notices()) == before + 1, key
            assert "this is the past" in shown.notices()[-1]
            assert shown.screen == "ConsoleScreen", key
        outcome = await shown.app.run_command(["stop", str(apart.path)])
        assert not outcome.ok and "this is the past" in outcome.complaint[0]
        assert list(apart.requests.iterdir()) == []


def test_every_key_whose_command_changes_a_run_is_about_now():
    looks = ("status", "check", "timeline", "--help")
    changing = {
        key.action for key in KEYS
        if key.twin.startswith("atft ") and key.twin.split()[1] not in looks
        and key.scope in ("main", "trials", "checklist", "runs")
    }  # fmt: skip
    files_of_now = {"days"}  # made from the whole log, whatever moment is shown
    assert changing | files_of_now == ABOUT_NOW


# Runs of every kind.


async def test_a_finished_run_is_rewound_and_its_end_is_its_end(book, finished):
    state = load(finished)
    async with console(book, finished.path, size=WIDE) as shown:
        await rewound(shown, "left_square_bracket")
        view = shown.app.view
        assert view.state == state and view.status.name == "FINISHED"
        assert next(s for s in view.stages if s.stage.key == "dry").word == "PASS"
        await rewound(shown, *["left_square_bracket"] * 3)
        assert shown.app.view.status.name == "RUNNING"


async def test_a_run_that_failed_before_its_first_trial(book):
    run = tui_run.new_run(book, book.stage("dry"))
    tui_run.end_run(run, "FAILED", "preflight: loss gradients")
    with run.events.open("a") as file:
        file.write('{"seq":6,"t":17')
    async with console(book, run.path, size=SMALL) as shown:
        await shown.until(lambda: shown.app.view.moments.all)
        await rewound(shown, "left_square_bracket")
        assert shown.app.view.status.name == "FAILED"
        await rewound(shown, *["left_square_bracket"] * 9)
        assert shown.app.view.state.seq == 1 and "no trial yet" in shown.text


async def test_a_run_without_any_event_has_no_past(book, finished):
    finished.events.write_text("")
    async with console(book, finished.path, size=SMALL) as shown:
        await shown.press("left_square_bracket")
        assert "nothing has happened yet" in shown.notices()
        assert shown.app.place is None
        shown.app.rewind(-1)
        await shown.pilot.pause(0.3)
        assert shown.app.view.past is None and shown.app.view.folded == 1.0


async def test_the_gpu_is_that_of_the_moment(book, apart):
    def line(t, busy):
        return (f'{{"t": {t}, "gpu": 0, "name": "Stub", "sm": 1, "p50": {busy}, '
                f'"processes": [{{"pid": 4121, "mem": 1}}]}}\n')  # fmt: skip

    seconds = range(0, 60 * load(apart).seq, 20)
    apart.gpu.write_text("".join(line(BEGAN + s, s % 100) for s in seconds))
    async with console(book, apart.path, size=WIDE) as shown:
        await shown.until(lambda: shown.app.view.moments.all)
        await rewound(shown, *["left_square_bracket"] * 2)
        now = shown.app.view.now
        busy = int(now - BEGAN) // 20 * 20 % 100
        assert f" {busy} %" in shown.said("gpu")
        assert f"recorded, until {stamp(now)[11:]}" in shown.said("gpu")


async def test_leaving_from_the_past_remembers_and_says_the_present(book, apart):
    async with console(book, apart.path, size=WIDE) as shown:
        await rewound(shown, *["left_square_bracket"] * 5)
        said = shown.app.farewell()
        trial = load(apart).current
        assert f"trial {trial.number} epoch {trial.epoch}" in said[0]
    async with console(book, apart.path, size=WIDE) as shown:
        await shown.until(lambda: shown.app.view.moments.share == 1.0)
        assert shown.app.view.since is None, "all of it has been seen"


def followed(book, run):
    """A follower that has read everything, and the views that it posted."""
    views = []
    follower = Follower(book, run.path, views.append)
    follower.look()
    while views[-1].moments.share < 1.0:
        follower.look()
    return follower, views


def test_criteria_that_take_long_follow_once_nobody_steps_on(book, finished, monkeypatch):
    monkeypatch.setattr(past, "_QUICK", 0.0)
    monkeypatch.setattr(past, "_REST", 0.0)
    follower, views = followed(book, finished)
    follower.place = -1
    follower.look()
    own = next(s for s in views[-1].stages if s.stage.key == "dry")
    assert views[-1].past is not None and views[-1].results == ()
    assert (own.word, own.short) == ("PENDING", "checking")
    follower.look()
    own = next(s for s in views[-1].stages if s.stage.key == "dry")
    assert len(views[-1].results) == 9 and own.word == "PASS"


def test_a_check_is_given_up_when_another_moment_is_wanted(book, finished, monkeypatch):
    monkeypatch.setattr(past, "_QUICK", 0.0)
    monkeypatch.setattr(past, "_REST", 0.0)
    follower, views = followed(book, finished)
    follower.place = -1
    follower.look()
    checked = []

    def step_on(state, stage):
        checked.append(stage.criteria)
        follower.place = 0
        return check(state, stage)

    monkeypatch.setattr(past, "check", step_on)
    follower.look()
    assert len(checked) == 1
    follower.look()
    assert views[-1].past.place == 0


async def test_a_run_that_vanishes_under_the_past_is_said(book, finished):
    async with console(book, finished.path, size=WIDE) as shown:
        await rewound(shown, "left_square_bracket")
        finished.events.unlink()
        await shown.press(*["left_square_bracket"] * 2)
        await shown.shows("cannot read")
        assert shown.app.is_running


# Ten thousand trials.


@pytest.mark.slow
def test_a_step_in_a_night_of_ten_thousand_trials_folds_little(book, home, monkeypatch):
    run = long_run(home / "night", 10_000, 3)
    follower, views = followed(book, run)

    read = 0

    def counted(line):
        nonlocal read
        read += 1
        return decoded(line)

    def go(place):
        nonlocal read
        follower.place, read = place, 0
        follower.look()
        while views[-1].past is None or views[-1].folded < 1.0 or views[-1].past.place != place:
            follower.look()
        return read

    monkeypatch.setattr(states, "decoded", counted)
    last = len(views[-1].moments.all) - 1
    assert go(last) > 50 * EVERY
    assert views[-1].state == fold(list(read_events(run.events))[:-1]), "an epoch is no moment"
    for place in (last - 1, last - 2, last - 12, last // 2, last // 2 - 1, 100, last // 3):
        assert go(place) <= EVERY + 1
    assert views[-1].state.seq == views[-1].past.moment.seq
    wanted = views[-1].past.moment.seq
    assert views[-1].state == fold(s for s in read_events(run.events) if s.seq <= wanted)


async def test_a_list_of_twenty_thousand_moments_is_drawn_where_it_is_seen(book, home):
    run = long_run(home / "night", 3000, 1)
    async with console(book, run.path, size=SMALL) as shown:
        await shown.press("t")
        await shown.on("TimelineScreen")
        await shown.shows("trial 3000")
        table = shown.pane("moments")._rows
        assert table is not None and len(table) > 6000 and len(table._made) < 200
        await shown.press("home")
        assert "3001 trials x 1 epoch" in shown.text
