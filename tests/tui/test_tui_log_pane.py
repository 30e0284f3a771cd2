"""The keys of the log pane, on the main screen and on a trial's."""

import time

import pytest
import tui_run
from textual.widgets import Input
from tui_console import SMALL, WIDE, console, every_size

from atft_tui.logs import window
from atft_tui.logs.window import PAGE


def stamped(run, lines, day="2026-01-02", mode="a"):
    """A line a second from midnight on."""
    with run.log.open(mode) as file:
        for n in range(lines):
            file.write(f"{day} {n // 3600:02}:{n // 60 % 60:02}:{n % 60:02} line {n}\n")


async def answer(shown, key, text):
    """Press a key that asks, and answer."""
    await shown.press(key)
    shown.app.screen.query_one("#answer", Input).value = text
    await shown.press("enter")


@every_size
async def test_a_long_log_is_read_back_to_its_first_line_and_followed_again(book, live, size):
    stamped(live, 5 * PAGE, mode="w")
    async with console(book, size=size) as shown:
        await shown.press("6")
        await shown.shows(f"line {5 * PAGE - 1}")
        pane = shown.pane("log")
        while not (pane.read.at_start and pane.scroll_offset.y == 0):
            top = pane.read.first + pane.scroll_offset.y
            await shown.press("pageup")
            await shown.until(lambda before=top: pane.read.first + pane.scroll_offset.y < before)
        await shown.shows("line 0 ")
        assert "scrolled up: G follows again" in shown.text
        await shown.press("G")
        await shown.shows(f"line {5 * PAGE - 1}")
        assert "follows" in shown.text


async def test_paging_down_reaches_the_end_and_follows(book, live):
    stamped(live, 3 * PAGE, mode="w")
    async with console(book, size=WIDE) as shown:
        await shown.press("6", "g")
        pane = shown.pane("log")
        await shown.shows("line 0 ")
        while not pane.following:
            await shown.press("pagedown")
        assert f"line {3 * PAGE - 1}" in shown.text
        tui_run.log(live, "the newest line")
        await shown.shows("the newest line")


async def test_a_paused_log_counts_and_goes_on_from_where_it_was(book, live):
    async with console(book, size=WIDE) as shown:
        await shown.shows("Epoch 7/10")
        await shown.press("6", "space")
        tui_run.log(live, *(f"while paused {n}" for n in range(7)))
        await shown.shows("paused, 7 new lines")
        assert "while paused" not in shown.text
        await shown.press("space")
        await shown.shows("while paused 6")
        assert "while paused 0" in shown.text
        assert "paused, " not in shown.text.replace("while paused", "")


async def test_a_time_is_jumped_to_and_a_bad_one_refused(book, live):
    stamped(live, 20_000, mode="w")
    async with console(book, size=WIDE) as shown:
        await shown.press("6")
        await shown.shows("line 19999")
        await answer(shown, "t", "quarter past")
        assert "a time is HH:MM[:SS]" in shown.text
        await shown.press("escape")
        await answer(shown, "t", "03:04:05")
        await shown.shows("line 11045")
        assert "03:04:05 line 11045" in shown.drawn("log")[1], "on top"
        assert "line 11044" not in shown.text
        await shown.press("up")
        assert "line 11044" in shown.drawn("log")[1]
        assert "awk '$0 >= \"YYYY-MM-DD 03:04:05\"'" in shown.drawn("command")[0]
        await answer(shown, "t", "2027-01-01 00:00")
        await shown.shows("line 19999")


@every_size
async def test_levels_filters_and_both(book, live, size):
    tui_run.log(live, "Warning: slow disk", "Error: no disk", "Warning: hot GPU")
    async with console(book, size=size) as shown:
        await shown.press("6", "l")
        await shown.shows("warnings and errors")
        await shown.until(lambda: len(shown.pane("log").text.splitlines()) == 3)
        await answer(shown, "slash", "disk !GPU")
        await shown.until(lambda: len(shown.pane("log").text.splitlines()) == 2)
        assert "/disk !GPU/" in shown.text
        await shown.press("l")
        await shown.shows("errors only")
        await shown.until(lambda: shown.pane("log").text.splitlines()[0].endswith("no disk"))
        await shown.press("l")
        await answer(shown, "slash", "")
        await shown.until(lambda: len(shown.pane("log").text.splitlines()) > 50)


async def test_a_text_is_found_upwards_and_downwards(book, live):
    tui_run.log(live, "the Needle 1", *["hay"] * 200, "needle 2", *["hay"] * 3)
    async with console(book, size=WIDE) as shown:
        await shown.press("6")
        await shown.shows("needle 2")
        await answer(shown, "ampersand", "needle")
        assert "&needle" in shown.drawn("log")[-1]
        assert any("│>" in line and "needle 2" in line for line in shown.lines)
        await shown.press("N")
        await shown.shows("the Needle 1")
        await shown.press("N")
        assert "no match above in the lines that are loaded" in shown.notices()
        await shown.press("n")
        await shown.shows("needle 2")
        await answer(shown, "ampersand", "no such [thing")
        assert "no line that is loaded says no such [thing" in shown.notices()


async def test_the_sources_of_a_log_take_turns(book, live):
    with live.trial(3).log.open("w") as file:
        file.write(time.strftime("%Y-%m-%d %H:%M:%S") + " said by the worker\n")
    async with console(book, size=WIDE) as shown:
        await shown.press("6", "m")
        await shown.shows("said by the worker")
        assert "trial 3" in shown.drawn("log")[-1]
        assert "Epoch 7/10" not in shown.said("log")
        await shown.press("m")
        await shown.shows("trial 3 said by the worker")
        assert "run     Epoch 7/10" in shown.text
        assert "run + trial 3" in shown.drawn("log")[-1]
        await shown.press("m")
        await shown.until(lambda: "said by the worker" not in shown.text)


async def test_lines_are_copied_clean(book, live):
    tui_run.log(live, "red \x1b]52;c;b3duZWQ=\x07\x1b[31mline", "the last")
    async with console(book, size=WIDE) as shown:
        await shown.press("6")
        await shown.shows("the last")
        await shown.press("Y")
        lines = shown.app.clipboard.splitlines()
        assert lines[-1].endswith(" the last")
        assert lines[-2].endswith(" red line")
        assert len(lines) == shown.pane("log").scrollable_content_region.height
        assert f"copied {len(lines)} lines" in shown.notices()
        await answer(shown, "ampersand", "red")
        await shown.press("Y")
        assert shown.app.clipboard.endswith(" red line")
        assert len(shown.app.clipboard.splitlines()) == 1


async def test_a_filter_that_finds_nothing_looks_further_back_when_asked(book, live, monkeypatch):
    monkeypatch.setattr(window, "_SEARCH", 1 << 16)
    stamped(live, 10_000, mode="w")
    async with console(book, size=WIDE) as shown:
        await shown.press("6")
        await answer(shown, "slash", "line 77$")
        await shown.shows("no line matches since 2026-01-02 0")
        while "line 77" not in shown.drawn("log")[1]:
            reached = shown.pane("log").read.reached
            await shown.press("pageup")
            await shown.until(lambda before=reached: shown.pane("log").read.reached != before)
        assert "since" not in shown.said("log")


async def test_whoever_reads_the_log_of_a_trial_is_not_moved_to_the_next_one(book, live):
    stamp = time.strftime("%Y-%m-%d %H:%M:%S")
    live.trial(3).log.write_text(f"{stamp} by the worker of 3\n" * 100)
    async with console(book, size=WIDE) as shown:
        await shown.press("6", "m")
        await shown.shows("by the worker of 3")
        await shown.press("space")
        await shown.shows("paused, 0 new lines")
        tui_run.end_trial(live, 3, "COMPLETE", 0.052)
        tui_run.begin_trial(live, 4)
        await shown.until(lambda: shown.app.view.state.trials.get(4))
        await shown.pilot.pause()
        assert "by the worker of 3" in shown.text
        await shown.press("space")
        await shown.shows("worker of trial 4 starts")


@pytest.mark.parametrize("size", [WIDE, SMALL])
async def test_the_log_of_a_trial_has_the_same_keys(book, live, size):
    log = live.trial(1).log
    log.write_text("".join(f"2026-01-02 00:00:{n:02} worker line {n}\n" for n in range(60)))
    async with console(book, size=size) as shown:
        await shown.press("down", "enter")
        await shown.on("TrialScreen")
        await shown.press("6")
        await shown.shows("worker line 59")
        await answer(shown, "slash", "line .7")
        await shown.until(lambda: len(shown.pane("log").text.splitlines()) == 5)
        await shown.press("slash", "escape")
        assert shown.screen == "TrialScreen", "escape only left the line"
        await shown.press("m")
        await shown.shows("run + trial 1")
        await shown.press("escape", "right", "6")
        await shown.until(lambda: "trial 2" in shown.pane("log")._captions[1])
