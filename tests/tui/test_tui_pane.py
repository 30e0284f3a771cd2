"""The widget under every pane: it repaints only what changed, and its cursor stays where it was."""

import pytest
from textual.app import App
from textual.content import Content
from textual.geometry import Region

from atft_tui.pane import Pane, Row
from atft_tui.view import View


class Lines(Pane):
    """A pane that shows given lines, and notes which of them are drawn."""

    def __init__(self):
        super().__init__(id="lines", focus=True)
        self.given, self.drawn, self.chosen = [], [], []

    def rows(self, view, width, height):
        return self.given

    def render_line(self, y):
        self.drawn.append(y)
        return super().render_line(y)

    def on_pane_chosen(self, event):
        self.chosen.append(event.key)


class Shell(App):
    """Nothing but the pane."""

    def __init__(self, lines):
        super().__init__()
        self.lines = lines

    def compose(self):
        yield self.lines


def plain(*texts):
    return [Row(Content(text)) for text in texts]


def keyed(*keys):
    return [Row(Content(f" row {key}"), key) for key in keys]


@pytest.fixture
async def shown(book):
    """A pane of 20 x 6 cells, and a function that draws lines in it."""
    lines = Lines()
    async with Shell(lines).run_test(size=(20, 6)) as pilot:

        async def draw(rows):
            await pilot.pause()
            lines.given, lines.drawn = rows, []
            lines.show(View(0.0, book))
            await pilot.pause()
            return set(lines.drawn)

        lines.pilot, lines.show_rows = pilot, draw
        yield lines


async def test_only_lines_that_changed_are_drawn_again(shown):
    await shown.show_rows(plain("a", "b", "c", "d"))
    assert await shown.show_rows(plain("a", "b", "C", "d")) == {2}
    assert await shown.show_rows(plain("a", "b", "C", "d")) == set()
    assert await shown.show_rows(plain("A", "b", "C", "D")) == {0, 3}


async def test_a_changed_colour_is_a_changed_line(shown):
    await shown.show_rows([Row(Content.styled("a", "$text-error")), *plain("b")])
    assert await shown.show_rows([Row(Content.styled("a", "$text-success")), *plain("b")]) == {0}


async def test_a_line_more_draws_the_pane_again(shown):
    await shown.show_rows(plain("a", "b"))
    assert {0, 1, 2} <= await shown.show_rows(plain("a", "b", "c"))


async def test_moving_the_cursor_draws_two_lines(shown):
    await shown.show_rows(keyed("a", "b", "c"))
    shown.focus()
    await shown.pilot.pause()
    shown.drawn = []
    await shown.pilot.press("down")
    assert set(shown.drawn) == {0, 1}


async def test_the_cursor_stays_on_its_row_when_rows_move(shown):
    await shown.show_rows(keyed("a", "b", "c"))
    shown.focus()
    await shown.pilot.press("down")
    assert shown.cursor == "b"
    await shown.show_rows(keyed("x", "c", "a", "b"))
    assert shown.cursor == "b"
    await shown.show_rows(keyed("x", "c"))
    assert shown.cursor == "x", "its row is gone: the first one takes over"


async def test_the_cursor_is_kept_in_sight(shown):
    await shown.show_rows(keyed(*map(str, range(30))))
    shown.focus()
    for key, row in (("end", 29), ("home", 0), ("pagedown", 5), ("G", 29), ("k", 28), ("g", 0)):
        await shown.pilot.press(key)
        assert shown.cursor == str(row)
        top = shown.scroll_offset.y
        assert top <= row < top + 6
        assert shown.render_line(row - top).text.startswith(f">row {row}")


async def test_rows_that_cannot_be_chosen_are_passed_over(shown):
    await shown.show_rows([*plain("head"), *keyed("a"), *plain("between"), *keyed("b")])
    shown.focus()
    assert shown.cursor == "a"
    await shown.pilot.press("down")
    assert shown.cursor == "b"
    await shown.pilot.press("enter")
    await shown.pilot.pause()
    assert shown.chosen == ["b"]


async def test_without_rows_to_choose_the_keys_scroll(shown):
    await shown.show_rows(plain(*map(str, range(30))))
    shown.focus()
    await shown.pilot.press("down", "down")
    assert shown.scroll_offset.y == 2
    await shown.pilot.press("enter")
    assert shown.chosen == []


async def test_a_first_click_moves_the_cursor_and_a_second_one_opens(shown):
    await shown.show_rows(keyed("a", "b", "c"))
    await shown.pilot.click(shown, offset=(3, 2))
    assert (shown.cursor, shown.chosen) == ("c", [])
    await shown.pilot.click(shown, offset=(3, 2))
    await shown.pilot.pause()
    assert shown.chosen == ["c"]
    await shown.pilot.click(shown, offset=(3, 5))
    assert shown.cursor == "c", "below the last row is nothing"


async def test_a_line_is_never_wrapped_and_says_that_it_goes_on(shown):
    await shown.show_rows(plain("0123456789" * 5, "漢" * 30, "short"))
    texts = [shown.render_line(y).text for y in range(6)]
    assert texts[0] == "0123456789012345678…"
    assert texts[1].rstrip(" ").endswith("…")
    assert texts[2] == "short".ljust(20)
    assert texts[3:] == [" " * 20] * 3
    assert {shown.render_line(y).cell_length for y in range(6)} == {20}


async def test_captions_are_plain_text(shown):
    shown.captions = lambda view: ("[red]title[/]", "[/]")
    shown.styles.border = ("round", "red")
    await shown.pilot.pause()
    await shown.show_rows(plain("a"))
    top = "".join(segment.text for segment in shown.render_lines(Region(0, 0, 20, 1))[0])
    assert "[red]title[/]" in top
