"""Notes and tags in the console, what is copied, and what an empty screen says."""

import json
import os

import pytest
from textual.widgets import Input
from tui_console import SMALL, WIDE, console, every_size

from atft_core.run.lock import EngineLock
from atft_core.run.notes import read_notes, write_note, write_tags
from atft_tui.screens.console import COPY_LIMIT


async def done(shown):
    """Wait until the command has ended well, and its process with it."""
    said = shown.app.main.query_one("#command")
    await shown.until(lambda: said.said[1].startswith("ok "))


async def answer(shown, text):
    shown.app.screen.query_one("#answer", Input).value = text
    await shown.press("enter")


# Notes and tags.


async def test_a_note_is_about_the_trial_in_the_table_and_else_about_the_run(book, live):
    async with console(book, size=WIDE) as shown:
        await shown.press("i")
        assert "note on trial 3" in shown.text
        await answer(shown, "-lucky; $(fold)")
        await shown.until(lambda: " -lucky; $(fold) " in shown.said("trials"))
        await done(shown)
        command = " $ atft note output/short --trial 3 -- '-lucky; $(fold)'"
        assert shown.drawn("command")[0].startswith(command)
        shown.pane("checklist").focus()
        await shown.press("i")
        assert "note on the run" in shown.text
        await answer(shown, "with sectors")
        await shown.until(lambda: shown.app.view.notes.run.text == "with sectors")
        await done(shown)
    assert read_notes(live).of(3).text == "-lucky; $(fold)"


async def test_tags_that_are_typed_are_added_and_those_left_out_are_taken_away(book, live):
    write_tags(live, ["old", "keep"], trial=3)
    async with console(book, size=WIDE) as shown:
        assert "#keep #old " in shown.said("trials")
        await shown.press("number_sign")
        assert shown.app.screen.query_one("#answer", Input).value == "keep old"
        await answer(shown, "keep, #new")
        await shown.until(lambda: "#keep #new " in shown.said("trials"))
        await done(shown)
        assert "atft tag output/short --trial 3 +new -old" in shown.drawn("command")[0]
        await shown.press("number_sign", "enter")
        assert "+new -old" in shown.drawn("command")[0], "nothing changed, nothing is run"
        await shown.press("number_sign")
        await answer(shown, "two/words")
        assert "'two/words' is no tag" in shown.text
        await answer(shown, "keep new")
    assert read_notes(live).of(3).tags == ("keep", "new")


async def test_a_note_that_cannot_be_kept_is_typed_again(book, live):
    async with console(book, size=SMALL) as shown:
        await shown.press("i")
        await answer(shown, "x" * 501)
        assert "at most 500 characters" in shown.text
        assert shown.app.screen.query_one("#answer", Input).value == "x" * 501
        await shown.press("escape")
    assert not live.notes.exists()


async def test_without_a_run_there_is_nothing_to_write_on_or_to_copy(book):
    async with console(book) as shown:
        await shown.press("i", "number_sign", "C")
        await shown.app.main.run_action("copy_config")
        await shown.pilot.pause()
        assert shown.notices() == ["there is no run yet"] * 4


async def test_the_table_is_filtered_by_tags_and_notes(book, live):
    write_tags(live, ["candidate"], trial=1)
    write_note(live, "Look again", trial=2)
    async with console(book, size=WIDE) as shown:
        for text, numbers in [("note:#candidate", ["1"]), ("note:look", ["2"])]:
            await shown.press("slash")
            await answer(shown, text)
            keys = [row.key for row in shown.pane("trials")._rows if row.key]
            assert keys == numbers


@every_size
async def test_the_trial_screen_shows_the_whole_note_and_who_wrote_it(book, live, size):
    text = "the one to beat, " * 8 + "the end"
    write_note(live, text, trial=3)
    write_tags(live, ["candidate"], trial=3)
    async with console(book, size=size) as shown:
        await shown.press("enter")
        await shown.on("TrialScreen")
        said = " ".join(shown.said("facts").split())
        assert f"#candidate {text}" in said
        assert "note by" in said


async def test_notes_of_another_program_obey_nothing(book, live):
    text = "a\x1b]52;c;AAAA\x07\x9b31m\u202e[red]b[/red]"
    live.notes.write_text(json.dumps({"trial": 3, "note": text, "user": text, "t": 1e18}) + "\n")
    async with console(book, size=WIDE) as shown:
        await shown.until(lambda: "[red]b[/red]" in shown.said("trials"))
        await shown.press("enter")
        await shown.on("TrialScreen")
        await shown.until(lambda: "[red]b[/red]" in shown.said("facts"))
        await shown.press("escape", "i")
        assert not any(c in shown.text for c in "\x1b\x07\x9b\u202e")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a run away")
async def test_a_live_run_of_somebody_else_cannot_be_stopped_from_here(book, live):
    os.chown(live.path, 65534, 65534)
    async with console(book, size=WIDE) as shown:
        await shown.shows("read-only")
        for key in ("x", "X", "p", "n", "i", "number_sign"):
            await shown.press(key)
            assert shown.screen == "ConsoleScreen"
            assert not shown.app.screen.query_one("#entry").display
        assert shown.notices() == ["this run is read-only: it belongs to nobody"] * 6
    assert not list(live.requests.iterdir())


async def test_a_run_of_another_host_is_read_only(book, finished):
    finished.lock.write_text('{"pid": 1, "host": "gpu-7"}')
    async with console(book, size=WIDE) as shown:
        await shown.shows("read-only")
        await shown.press("r")
        assert shown.notices() == ["this run is read-only: its engine is on gpu-7"]


# Copying.


async def test_the_path_of_the_run_and_of_a_trial_are_copied(book, live):
    async with console(book, size=WIDE) as shown:
        await shown.press("C")
        assert shown.app.clipboard == str(live.path)
        assert shown.notices() == [f"copied: {live.path}"]
        await shown.press("enter")
        await shown.on("TrialScreen")
        await shown.press("C")
        assert shown.app.clipboard == str(live.trial(3).path)


async def test_the_settings_of_the_run_are_copied(book, finished):
    finished.config.write_text('[train]\nmax_epochs = 2  # runbook\nnote = "\\u001b"\n')
    async with console(book, size=WIDE) as shown:
        await shown.app.main.run_action("copy_config")
        await shown.until(lambda: shown.app.clipboard)
        assert shown.app.clipboard == finished.config.read_text()
        assert "copied: output/dry/config.toml" in shown.notices()[0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"x" * (COPY_LIMIT + 1), "more than 49,152 bytes"),
        (b"a\x1b]52;c;AAAA\x07", "a terminal would obey"),
        (b"\xff\xfe", "not copied"),
        (None, "No such file"),
    ],
)
async def test_settings_that_no_terminal_should_take_are_not_copied(book, finished, content, said):
    if content is not None:
        finished.config.write_bytes(content)
    async with console(book, size=WIDE) as shown:
        await shown.app.main.run_action("copy_config")
        await shown.until(shown.notices)
        assert said in shown.notices()[0]
        assert shown.app.clipboard == ""


async def test_a_name_that_a_terminal_would_obey_is_not_copied(book, finished):
    evil = finished.path.rename(finished.path.with_name("dry\x1b]52;c;AAAA\x07"))
    async with console(book, evil, size=WIDE) as shown:
        await shown.press("C")
        assert "not copied" in shown.notices()[0]
        assert shown.app.clipboard == ""


# First steps.


@every_size
async def test_the_empty_table_says_what_to_do(book, size):
    async with console(book, size=size) as shown:
        said = " ".join(shown.said("trials").split())
        assert "no run yet: press d for the dry run (1 trial x 2 epochs)" in said
        assert "it has a synthetic panel; press y once its plan is shown" in said
        assert "? lists all keys, R all runs, q leaves" in said
        assert all("…" not in row for row in shown.drawn("trials"))


async def test_a_run_that_has_just_begun_says_what_comes_first(book, finished):
    import tui_run

    run = tui_run.new_run(book, book.stage("short"))
    lock = EngineLock(run.lock)
    try:
        async with console(book, size=WIDE) as shown:
            await shown.shows("no trial yet: checks and baselines come first")
    finally:
        lock.release()
