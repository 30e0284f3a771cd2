"""Sizes and colours are a person's choice, and tomorrow they are as they were left."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.color import Color
from textual.theme import BUILTIN_THEMES
from tui_console import MIDDLE, SMALL, WIDE, console

from atft_tui import preferences
from atft_tui.layout import LEAST, TALL, TRIALS, USUAL, Shape
from atft_tui.preferences import Preferences
from atft_tui.theme import THEMES

PANES = ("gpu", "verdict", "trials", "curves", "checklist", "log")
any_size = st.integers(-50, 500)


def sizes(shown):
    return {name: (shown.pane(name).size.width, shown.pane(name).size.height) for name in PANES}


@given(shape=st.builds(Shape, any_size, any_size, any_size, any_size), height=st.integers(24, 90))
def test_whatever_was_chosen_every_pane_keeps_its_lines(shape, height):
    fits = shape.fitted(height)
    assert min(fits.gpu, fits.verdict, fits.curves) >= LEAST
    assert height - fits.gpu - fits.verdict - fits.curves >= TRIALS
    assert 25 <= fits.left <= 75
    assert fits.fitted(height) == fits


async def test_keys_move_the_borders_and_the_next_console_has_them_there(book, live):
    async with console(book, live.path, size=MIDDLE) as shown:
        made = sizes(shown)
        await shown.press("greater_than_sign", "greater_than_sign", "plus")
        moved = sizes(shown)
        assert moved["trials"][0] > made["trials"][0]
        assert moved["log"][0] < made["log"][0]
        assert moved["curves"][1] == made["curves"][1] + 1
        assert moved["trials"][1] == made["trials"][1] - 1
    async with console(book, live.path, size=MIDDLE) as shown:
        assert sizes(shown) == moved
        await shown.press("0")
        assert sizes(shown) == made


async def test_a_border_is_dragged_and_stays_where_it_is_let_go(book, live):
    async with console(book, live.path, size=WIDE) as shown:
        body = shown.app.screen.query_one("#body").region
        edge = body.x + body.width * TALL.left // 100
        await shown.pilot.mouse_down(offset=(edge, body.y + 20))
        await shown.pilot.hover(offset=(edge - 20, body.y + 20))
        await shown.pilot.mouse_up(offset=(edge - 20, body.y + 20))
        assert shown.app.preferences.tall.left == TALL.left - 10
        lower = body.y + body.height - TALL.curves
        await shown.pilot.mouse_down(offset=(body.x + 10, lower))
        await shown.pilot.hover(offset=(body.x + 10, lower + 6))
        await shown.pilot.mouse_up(offset=(body.x + 10, lower + 6))
        assert shown.app.preferences.tall.curves == TALL.curves - 6
        assert shown.app.preferences.usual == USUAL, "another size of screen has its own"


async def test_a_click_inside_a_pane_moves_no_border(book, live):
    async with console(book, live.path, size=WIDE) as shown:
        made = sizes(shown)
        await shown.pilot.mouse_down(offset=(30, 26))
        await shown.pilot.hover(offset=(50, 20))
        await shown.pilot.mouse_up(offset=(50, 20))
        assert sizes(shown) == made


async def test_the_small_screen_has_its_own_layout(book, live):
    async with console(book, live.path, size=SMALL) as shown:
        made = sizes(shown)
        await shown.press("greater_than_sign", "plus")
        assert sizes(shown) == made
        await shown.pilot.resize_terminal(*MIDDLE)
        await shown.pilot.pause()
        assert shown.pane("curves").size.height == USUAL.curves - 2


async def test_colours_change_are_said_and_remembered(book, live):
    async with console(book, live.path) as shown:
        assert shown.app.theme == "atft"
        await shown.press("T")
        assert shown.app.theme == "atft-contrast"
        assert "colours: atft-contrast" in shown.notices()
    async with console(book, live.path) as shown:
        assert shown.app.theme == "atft-contrast"
        await shown.press("T", "T")
        assert shown.app.theme == "atft"


@pytest.mark.parametrize("theme", [*THEMES, BUILTIN_THEMES["textual-light"]], ids=lambda t: t.name)
async def test_the_first_frame_has_the_colours_that_were_chosen(book, live, theme):
    preferences.save(Preferences(theme=theme.name))
    async with console(book, live.path) as shown:
        assert shown.app.theme == theme.name
        background = Color.parse(
            theme.background or theme.to_color_system().generate()["background"]
        )
        assert shown.pane("trials").styles.background == background
        if theme in THEMES:
            border = Color.parse(theme.variables["border"])
            assert shown.pane("gpu").styles.border_top[1] == border


@pytest.mark.parametrize("damage", ["{", "[]", '{"theme": 7, "usual": {"left": "x", "gpu": 1e9}}',
                                    '{"theme": "gone", "tall": 3}'])  # fmt: skip
async def test_damaged_preferences_are_none(book, live, damage):
    preferences.store().parent.mkdir(parents=True, exist_ok=True)
    preferences.store().write_text(damage)
    async with console(book, live.path) as shown:
        assert shown.app.theme == "atft"
        assert (shown.app.preferences.usual, shown.app.preferences.tall) == (USUAL, TALL)


def luminance(colour):
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    """Of two colours, as WCAG 2 defines it."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_all_text_can_be_read(theme):
    least = 7.0 if theme.name == "atft-contrast" else 4.5
    texts = [theme.foreground, *(v for k, v in theme.variables.items() if k.startswith("text-"))]
    for text in texts:
        assert contrast(text, theme.background) >= least, text


async def test_a_picture_of_the_screen_is_written_here(book, live, home):
    async with console(book, live.path) as shown:
        await shown.press("P")
        (picture,) = home.glob("atft-*.svg")
        assert f"picture: {picture.name}" in shown.notices()
        assert "Checklist" in picture.read_text()


async def test_a_directory_that_takes_no_picture_is_named(book, live, home, monkeypatch):
    gone = home / "gone"
    gone.mkdir()
    async with console(book, live.path) as shown:
        monkeypatch.chdir(gone)
        gone.rmdir()
        await shown.press("P")
        assert any(said.startswith("no picture: ") for said in shown.notices())
