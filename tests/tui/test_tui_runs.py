"""The list of runs: what is in it, how it is searched, and what its keys do."""

import json
import os
import shutil
import threading
import time

import pytest
import tui_run
from textual.widgets import Input
from tui_console import MIDDLE, SMALL, WIDE, console, every_size

from atft_core.run.directory import RunDirectory
from atft_core.run.files import read_json, write_json
from atft_core.run.listing import listed as listed_run
from atft_core.run.notes import read_notes, write_archived, write_note, write_tags
from atft_core.run.status import load
from atft_tui import places, seen
from atft_tui.run_list import Line, Memory, RunLister, opened_by, parse
from atft_tui.screens.runs import RunsScreen
from atft_tui.view import View


def made(run, t):
    """As if the run had been made at this time."""
    write_json(run.run_json, read_json(run.run_json) | {"created": t})
    return run


@pytest.fixture
def three(book):
    """A dry run, a dead sweep and a failed one, the newest last."""
    now = time.time()
    dry = made(tui_run.finished_dry_run(book), now - 90_000)
    dead = made(tui_run.sweep(book), now - 80_000)
    failed = made(tui_run.sweep(book), now)
    tui_run.end_run(failed, "FAILED", "no room")
    return dry, dead, failed


async def listed(shown, count=3):
    """Open the list and wait until all is read, sizes too."""
    await shown.press("R")
    await shown.on("RunsScreen")
    pane = shown.pane("runs")
    await shown.until(
        lambda: (
            len(pane.listing.lines) == count and all(x.disk is not None for x in pane.listing.lines)
        )
    )


def rows(shown):
    """The lines of the table below its head."""
    return shown.pane("runs").text.splitlines()[1:]


async def done(shown):
    """Wait until the command has ended well, and its process with it."""
    said = shown.app.main.query_one("#command")
    await shown.until(lambda: said.said[1].startswith("ok "))


async def filter_by(shown, text):
    await shown.press("slash")
    shown.app.screen.query_one("#answer", Input).value = text
    await shown.press("enter")


@every_size
async def test_the_newest_run_comes_first_with_state_trials_and_size(book, three, size):
    write_note(three[1], "first with sectors")
    write_tags(three[1], ["candidate"])
    async with console(book, size=size) as shown:
        await listed(shown)
        first, second, third = rows(shown)
        assert "XX failed" in first
        assert "3/5    .046  .011" in first
        assert "KiB  output/short.2" in first
        assert "XX died" in second
        assert "ok finished" in third
        assert "1/1    .023  .011" in third
        assert "3 runs" in shown.said("runs")
        await shown.press("down")
        assert "#candidate first with sectors" in shown.said("about")
        assert str(three[1].path)[-40:] in shown.said("about")
        assert "#candidate first with" in second or size == SMALL
        assert all(len(row) <= size[0] - 2 for row in rows(shown))


async def test_without_a_run_the_list_says_what_to_do(book):
    async with console(book, size=SMALL) as shown:
        await shown.press("R")
        await shown.shows("no run yet")
        assert "then d starts the dry run" in shown.said("runs")
        for key in ("enter", "i", "number_sign", "a", "D", "A"):
            await shown.press(key)
            assert shown.screen == "RunsScreen"
        await shown.press("escape")
        assert shown.screen == "ConsoleScreen"


async def test_enter_shows_the_run_in_the_console(book, three):
    async with console(book, size=WIDE) as shown:
        await shown.shows("output/short.2")
        await listed(shown)
        await shown.press("G", "enter")
        await shown.on("ConsoleScreen")
        await shown.until(lambda: shown.app.view.run.path == three[0].path)
        assert "FINISHED" in shown.drawn("stages")[0]


async def test_a_run_that_begins_meanwhile_appears(book, three, monkeypatch):
    monkeypatch.setattr("atft_tui.run_list._LOOK_SECONDS", 0.1)
    monkeypatch.setattr("atft_tui.run_list._IDLE", 0)
    async with console(book) as shown:
        await listed(shown)
        made(tui_run.finished_dry_run(book), time.time() + 10)
        await shown.until(lambda: len(rows(shown)) == 4 and "output/dry.2" in rows(shown)[0])


def test_what_a_run_opened_is_known_by_a_relative_path_too(book, three, home):
    dry, dead, _ = three
    facts = read_json(dead.run_json)
    write_json(dead.run_json, facts | {"evidence": "output/dry", "cwd": str(home)})
    lines = [Line(listed_run(RunDirectory(run.path.relative_to(home)))) for run in (dry, dead)]
    assert opened_by(lines[0], lines) == [lines[1]]
    assert opened_by(lines[1], lines) == []


# Which runs are known.


async def test_runs_elsewhere_are_found_by_typing_a_path_and_remembered(book, three, home):
    elsewhere = home / "else where"
    shutil.copytree(three[0].path, elsewhere / "old" / "dry")
    async with console(book) as shown:
        await listed(shown)
        await filter_by(shown, str(home / "nowhere"))
        await shown.shows("there is no directory")
        await shown.press("escape")
        await filter_by(shown, str(elsewhere))
        await shown.until(lambda: len(rows(shown)) == 4)
    assert places.remembered() == [elsewhere]
    async with console(book) as shown:
        await listed(shown, 4)


async def test_a_directory_that_does_not_answer_keeps_no_key_waiting(
    book, three, home, monkeypatch
):
    answers = threading.Event()
    typed_place = places.typed_place
    monkeypatch.setattr(places, "typed_place", lambda text: answers.wait(60) and typed_place(text))
    async with console(book) as shown:
        await listed(shown)
        await filter_by(shown, str(home / "nowhere"))
        assert "looking ..." in shown.text
        await shown.press("escape")
        await filter_by(shown, "state:failed")
        assert len(rows(shown)) == 1
        await filter_by(shown, str(home))
        assert "looking ..." in shown.text
        answers.set()
        await shown.until(lambda: not shown.app.screen.query_one("#entry").display)
        assert len(rows(shown)) == 3, "no filter any more"
        assert "no directory" not in shown.text, "nobody asks about that any more"
    assert places.remembered() == [home]


async def test_an_answer_that_nobody_waits_for_any_more_changes_nothing(
    book, three, home, monkeypatch
):
    answers, answered = threading.Event(), threading.Event()
    typed_place = places.typed_place

    def slow(text):
        answers.wait(60)
        answered.set()
        return typed_place(text)

    monkeypatch.setattr(places, "typed_place", slow)
    async with console(book) as shown:
        await listed(shown)
        await filter_by(shown, str(home))
        await shown.press("escape")
        await filter_by(shown, "state:failed")
        answers.set()
        await shown.until(answered.is_set)
        await shown.until(lambda: places.remembered() == [home])
        await shown.pilot.pause(0.3)
        assert len(rows(shown)) == 1, "the filter stays"


async def test_a_run_that_was_looked_at_elsewhere_is_known(book, three, home):
    shutil.copytree(three[0].path, home / "old")
    run = RunDirectory(home / "old")
    seen.remember(View(0.0, book, run=run, state=load(run)))
    found = [run.path for run in places.known_runs(book, [])]
    assert run.path in found
    shutil.rmtree(run.path)
    assert run.path not in [run.path for run in places.known_runs(book, [])]


def test_a_run_is_listed_once_by_whatever_names_it_is_known(book, three, home):
    (home / "link").symlink_to(home / "output")
    places.remember(home / "link")
    places.remember(home / "output")
    assert len(places.known_runs(book, [home])) == 3


def test_damaged_memories_are_survived(book, three):
    places.remember(three[0].path)
    places.store().write_text("{")
    seen.store().write_text('{"x": 5, "/y": {"t": "late"}}')
    assert places.remembered() == []
    assert len(places.known_runs(book, [])) == 3


# Filters.


async def test_words_and_fields_choose_runs(book, three):
    write_note(three[1], "Lucky fold")
    write_tags(three[1], ["candidate"])
    async with console(book, size=MIDDLE) as shown:
        await listed(shown)
        for text, count in [
            ("short", 2), ("state:failed", 1), ("-state:failed", 2), ("tag:candidate", 1),
            ("tag:cand", 0), ("note:lucky died", 1), ("short -tag:candidate", 1),
            ("stage:dry", 1), ("nothing", 0), ("", 3),
        ]:  # fmt: skip
            await filter_by(shown, text)
            found = [row for row in rows(shown) if "KiB" in row]
            assert len(found) == count, text
            if text:
                assert f"/{text}/ {count} of 3" in shown.said("runs"), "a filter is never hidden"
        await filter_by(shown, "colour:red")
        assert "no field 'colour'" in shown.text


def test_a_filter_that_is_no_filter_is_refused():
    with pytest.raises(ValueError, match="quotation"):
        parse("a 'b")
    assert parse("  ") is None
    assert parse('""') is not None


# Keys that change something.


async def test_a_note_and_tags_are_written_by_commands(book, three):
    async with console(book, size=WIDE) as shown:
        await listed(shown)
        await shown.press("i")
        await shown.type("-5 % of luck")
        await shown.press("enter")
        await shown.until(lambda: read_notes(three[2]).run.text == "-5 % of luck")
        await shown.until(lambda: "-5 % of luck" in rows(shown)[0])
        await done(shown)
        await shown.press("number_sign")
        await shown.type("keep two")
        await shown.press("enter")
        await shown.until(lambda: "#keep #two" in rows(shown)[0])
        await done(shown)
        await shown.press("number_sign")
        assert shown.app.screen.query_one("#answer", Input).value == "keep two"
        shown.app.screen.query_one("#answer", Input).value = "two a/b"
        await shown.press("enter")
        assert "'a/b' is no tag" in shown.text
        shown.app.screen.query_one("#answer", Input).value = "two"
        await shown.press("enter")
        await shown.until(lambda: read_notes(three[2]).run.tags == ("two",))
        await done(shown)


async def test_an_archived_run_is_hidden_and_comes_back(book, three):
    async with console(book, size=WIDE) as shown:
        await listed(shown)
        await shown.press("a")
        await shown.until(lambda: len(rows(shown)) == 2)
        assert "3 runs, 1 archived not shown (A)" in shown.said("runs")
        await done(shown)
        assert read_notes(three[2]).archived
        await shown.press("A")
        assert len(rows(shown)) == 3
        assert "archived" in rows(shown)[0]
        await shown.press("home", "a")
        await shown.until(lambda: not read_notes(three[2]).archived)
        await done(shown)


async def test_deleting_asks_with_the_size_and_what_the_run_opened(book, three):
    dry, dead, _ = three
    facts = read_json(dead.run_json)
    write_json(dead.run_json, facts | {"evidence": str(dry.path), "cwd": "/"})
    write_note(dry, "the good one")
    async with console(book, size=WIDE) as shown:
        await listed(shown)
        await shown.press("G")
        for no in ("n", "escape", "enter"):
            await shown.press("D")
            assert shown.screen == "QuestionScreen"
            assert "Delete output/dry?" in shown.text
            assert "KiB on the disk" in " ".join(shown.text.split())
            assert "opened output/short" in " ".join(shown.text.split())
            assert "the good one" in " ".join(shown.text.split())
            await shown.press(no)
            assert shown.screen == "RunsScreen"
        assert dry.run_json.exists()
        await shown.press("D", "y")
        await shown.until(lambda: len(rows(shown)) == 2)
        await done(shown)
    assert not dry.path.exists()
    assert dead.run_json.exists()


async def test_a_running_run_is_not_even_asked_about(book, live):
    async with console(book) as shown:
        await listed(shown, 2)
        await shown.until(lambda: ">> running" in rows(shown)[0] or ">> running" in rows(shown)[1])
        await shown.press("home" if ">> running" in rows(shown)[0] else "G", "D")
        assert shown.screen == "RunsScreen"
        assert "output/short is running: stop it first (x)" in shown.notices()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a run away")
async def test_somebody_elses_run_is_read_only_everywhere(book, three):
    os.chown(three[2].path, 65534, 65534)
    async with console(book, size=WIDE) as shown:
        await listed(shown)
        assert "read-only: it belongs to nobody" in rows(shown)[0]
        for key in ("i", "number_sign", "a", "D"):
            await shown.press(key)
            assert shown.screen == "RunsScreen"
            assert not shown.app.screen.query_one("#entry").display
        assert set(shown.notices()) == {"output/short.2 is read-only: it belongs to nobody"}
        await shown.press("enter")
        await shown.on("ConsoleScreen")
        await shown.shows("FAILED")
        assert "read-only" in shown.drawn("stages")[0]
        for key in ("r", "i", "number_sign"):
            await shown.press(key)
        await shown.until(lambda: len(shown.notices()) == 2 or len(shown.notices()) > 4)
        assert "this run is read-only: it belongs to nobody" in shown.notices()
    assert not three[2].notes.exists()
    assert not list(three[2].requests.iterdir())


# Many, damaged, hostile.


async def test_a_damaged_run_is_listed_and_hides_no_other(book, three):
    three[1].events.unlink()
    three[1].events.mkdir()
    three[0].run_json.write_text("null")
    async with console(book, size=WIDE) as shown:
        await listed(shown)
        assert sum("?? unreadable" in row for row in rows(shown)) == 1


@pytest.mark.parametrize("size", [WIDE, SMALL])
async def test_nothing_that_is_written_about_a_run_reaches_the_terminal(book, three, size):
    run = three[2]
    hostile = run.path.with_name("short.3")
    evil = "a\x1b]52;c;AAAA\x07\x9b31m\u202e[red]b[/red]"
    run.notes.write_text(json.dumps({"note": evil, "user": evil, "t": 1e18}) + "\n")
    facts = read_json(run.run_json)
    write_json(run.run_json, facts | {"stage": evil, "evidence": evil, "created": 1e18})
    shutil.copytree(run.path, hostile)
    places.remember(shutil.copytree(run.path, run.path.parent / f"x{evil.replace('/', '')}"))
    async with console(book, size=size) as shown:
        await listed(shown, 5)
        await shown.press("D")
        for text in (shown.text, shown.said("runs") if shown.screen == "RunsScreen" else ""):
            assert not any(c in text for c in "\x1b\x07\x9b\u202e")
        await shown.press("n")
        await shown.press("i", "escape", "number_sign", "escape")
        assert "[red]b[/red]" in shown.said("runs") or size == SMALL
        assert not any(c in shown.text for c in "\x1b\x07\x9b\u202e")


async def test_a_thousand_runs_are_listed_and_only_those_in_sight_are_drawn(book, three, home):
    for n in range(1000):
        shutil.copytree(three[0].path, home / "many" / f"run.{n}")
    places.remember(home / "many")
    async with console(book, size=SMALL) as shown:
        await shown.press("R")
        await shown.on("RunsScreen")
        pane = shown.pane("runs")
        await shown.until(lambda: len(pane.listing.lines) == 1003, seconds=120)
        await shown.until(lambda: "1003 runs" in pane._captions[1])
        assert len(pane._rows._made) <= 60
        await filter_by(shown, "run.999")
        assert len(rows(shown)) == 1


def test_rows_are_shown_while_others_are_still_read(book, three, monkeypatch):
    monkeypatch.setattr("atft_tui.run_list._POST_SECONDS", 0)
    posted = []
    RunLister(lambda: places.known_runs(book, []), Memory(), posted.append)._look()
    assert [len(listing.lines) for listing in posted[:3]] == [1, 2, 3]
    assert all(listing.known == 3 for listing in posted)
    sizes = [sum(line.disk is not None for line in listing.lines) for listing in posted]
    assert sizes == sorted(sizes)
    assert sizes[-1] == 3


def test_what_did_not_change_is_not_read_again(book, three, monkeypatch):
    memory, posted = Memory(), []
    lister = RunLister(lambda: places.known_runs(book, []), memory, posted.append)
    lister._look()
    with monkeypatch.context() as patch:
        patch.setattr("atft_tui.run_list.listed", lambda run: pytest.fail(f"read again: {run}"))
        patch.setattr("atft_tui.run_list.disk_use", lambda path: pytest.fail("counted again"))
        before = len(posted)
        lister._look()
        assert len(posted) == before, "what is the same is not posted again"
    write_archived(three[0], archived=True)
    lister._look()
    assert [line.found.archived for line in posted[-1].lines] == [False, False, True]


async def test_the_thread_ends_with_the_screen(book, three):
    async with console(book) as shown:
        await listed(shown)
        screen = shown.app.screen
        assert isinstance(screen, RunsScreen)
        await shown.press("escape")
        await shown.until(lambda: all(t.name != "atft-runs" for t in threading.enumerate()))
