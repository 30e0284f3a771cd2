"""A log at its bound: a new line costs a window of lines, not all that are kept."""

import pytest
import tui_run
from textual.app import App
from textual.content import Content
from tui_console import MIDDLE, WIDE, console

from atft_core.run.status import load
from atft_tui import follow, followed
from atft_tui.logs.window import KEEP_LINES
from atft_tui.messages import Updated
from atft_tui.pane import Pane, Row
from atft_tui.view import Reading, View


class Counting(Pane):
    """A pane that counts the lines that it asks to draw again."""

    def __init__(self):
        super().__init__(id="lines")
        self.first, self.asked = 0, 0

    def rows(self, view, width, height):
        return [Row(Content(f"line {self.first + y}")) for y in range(1000)]

    def refresh_line(self, y):
        self.asked += 1
        super().refresh_line(y)


class Shell(App):
    """Nothing but the pane."""

    def compose(self):
        yield Counting()


@pytest.mark.parametrize("top", [0, 500, 994])
async def test_lines_out_of_sight_are_not_drawn_and_right_when_they_come_into_sight(book, top):
    app = Shell()
    async with app.run_test(size=(20, 6)) as pilot:
        pane = app.query_one(Counting)
        pane.show(View(0.0, book))
        pane.scroll_to(y=top, animate=False)
        await pilot.pause()
        pane.first, pane.asked = 7, 0
        pane.show(View(0.0, book))
        assert pane.asked == 6
        for y in (top, 0, 300, 994):
            pane.scroll_to(y=y, animate=False)
            await pilot.pause()
            lines = app.screen._compositor.render_strips()
            assert [strip.text.split()[1] for strip in lines] == [str(7 + y + i) for i in range(6)]


async def test_a_log_at_its_bound_still_shows_its_newest_lines_in_order(book, live):
    tui_run.log(live, *(f"number {i}" for i in range(KEEP_LINES)))
    async with console(book, size=MIDDLE) as shown:
        await shown.shows(f"number {KEEP_LINES - 1}")
        for i in range(KEEP_LINES, KEEP_LINES + 3):
            tui_run.log(live, f"number {i}")
            await shown.shows(f"number {i}")
        assert numbers(shown) == list(range(KEEP_LINES - 5, KEEP_LINES + 3))
        await shown.press("6", "g")
        await shown.shows("Run short (stage short)")


async def test_what_is_being_read_stays_where_it_is_while_lines_fall_off_the_top(book, live):
    tui_run.log(live, *(f"number {i}" for i in range(KEEP_LINES)))
    async with console(book, size=MIDDLE) as shown:
        await shown.shows(f"number {KEEP_LINES - 1}")
        await shown.press("6", "pageup", "pageup")
        read = numbers(shown)
        tui_run.log(live, *(f"number {i}" for i in range(KEEP_LINES, KEEP_LINES + 7)))
        await shown.shows("scrolled up, 7 new lines: G follows again")
        assert numbers(shown) == read


def numbers(shown):
    """The numbered lines of the log that are on the screen."""
    return [int(line.split("number ")[1].split()[0].strip("│")) for line in shown.drawn("log")
            if "number " in line]  # fmt: skip


async def test_a_wider_log_has_room_for_the_dates(book, live):
    async with console(book, size=WIDE) as shown:
        assert all(line[:5].strip().isdigit() for line in shown.said("log").splitlines()[2:])
        await shown.pilot.resize_terminal(*MIDDLE)
        await shown.pilot.pause()
        every = shown.pane("log").text.splitlines()
        assert all(line[3] == ":" for line in every), "the time only"
        await shown.press("6")
        assert all(line[5] == "-" for line in shown.pane("log").text.splitlines())
        assert len(shown.pane("log").text.splitlines()) == len(every)


def test_how_far_a_long_log_has_been_read_is_posted_until_there_is_a_picture(
    book, live, monkeypatch
):
    monkeypatch.setattr(followed, "_SLICE", 4096)
    monkeypatch.setattr(follow, "PATIENCE", 0.0)
    views = []
    follow.Follower(book, live.path, views.append).look()
    *before, picture = views
    shares = [view.reading.share for view in before]
    assert shares == sorted(shares) and 0.0 < shares[0] < shares[-1] <= 1.0
    assert all(view.reading.path == live.path and view.run is None for view in before)
    assert picture.reading is None and picture.state == load(live)


async def test_while_a_log_is_read_the_screen_says_so_and_claims_nothing_else(book, live):
    async with console(book, size=WIDE) as shown:
        await shown.until(lambda: shown.app.view.run)
        shown.app._follower.stop()
        reading = Reading(live.path, 0.43, 120 * 2**20)
        shown.app.post_message(Updated(View(0.0, book, reading=reading)))
        await shown.shows("reading the log, 43 % of 120.0 MiB")
        assert "reading 43 %" in shown.lines[0] and live.path.name in shown.lines[0]
        assert "nothing has been run yet" not in shown.text
        assert "no run yet" not in shown.text


def test_the_stages_follow_what_came_between_reading_a_log_and_looking_at_its_size(book, live):
    views = []
    follower = follow.Follower(book, live.path, views.append)
    follower.look()
    before = next(each for each in views[-1].stages if each.stage.key == "short").long
    tui_run.end_trial(live, 3, "COMPLETE", 0.04)
    follower._strip.scan(follower._followed)  # sees the file as it is, and what was read before
    follower._scanned = 0.0
    follower.look()  # reads on, after another look at the stages
    follower._scanned = 0.0
    follower.look()
    after = next(each for each in views[-1].stages if each.stage.key == "short").long
    assert "trial 4/5" in before
    assert after != before
