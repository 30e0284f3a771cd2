"""Keys that come twice, or faster than a screen is made: nothing is taken that was not meant."""

import pytest
from textual import events
from tui_console import SMALL, console


async def burst(shown, *keys):
    """Keys in one piece, as a slow line delivers them."""
    for key in keys:
        event = events.Key(key, key if len(key) == 1 else None)
        event.set_sender(shown.app)
        shown.app._driver.send_message(event)
    await shown.pilot.pause(0.3)
    await shown.pilot.pause()


@pytest.mark.parametrize("opening", ["t", "R", "b", "question_mark", "v"])
@pytest.mark.parametrize("leaving", ["enter", "escape", "q"])
async def test_a_key_that_comes_four_times_leaves_the_main_screen(book, live, opening, leaving):
    async with console(book, live.path, size=SMALL) as shown:
        await shown.press(opening)
        await shown.pilot.pause(0.2)
        await burst(shown, *[leaving] * (1 if leaving == "q" else 4))
        await shown.until(lambda: shown.app.main in shown.app.screen_stack)
        assert shown.app.is_running
        while shown.app.screen is not shown.app.main:
            await shown.press("escape")
        assert "Checklist" in shown.text or "4 " in shown.text


async def test_two_answers_to_a_question_are_one(book, live):
    async with console(book, live.path, size=SMALL) as shown:
        await shown.press("X")
        await shown.on("QuestionScreen")
        await burst(shown, "n", "n", "n")
        assert shown.screen == "ConsoleScreen"


@pytest.mark.parametrize("keys", [["pagedown"], ["pageup"], ["t", "enter", "enter", "enter"],
                                  ["enter"] * 4, ["escape"] * 3])  # fmt: skip
async def test_the_palette_bears_keys_that_come_before_its_list(book, live, keys):
    async with console(book, live.path, size=SMALL) as shown:
        await burst(shown, "ctrl+p", *keys)
        assert shown.app.is_running
        assert shown.app.main in shown.app.screen_stack


@pytest.mark.parametrize("second", ["e", "t", "u", "o", "y"])
async def test_a_start_screen_bears_keys_that_come_before_it_is_made(book, live, second):
    async with console(book, live.path, size=SMALL) as shown:
        await burst(shown, "d", second)
        assert shown.app.is_running
        assert shown.screen == "ConfirmScreen"
        await shown.app.workers.wait_for_complete()
