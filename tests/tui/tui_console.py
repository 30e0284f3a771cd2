"""A console without a terminal: started on a run directory, read as a person reads it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual import events
from textual.pilot import Pilot

from atft_core.run.runbook import Runbook
from atft_tui.app import ConsoleApp
from atft_tui.pane import Pane

SIZES = [(200, 50), (120, 34), (80, 24)]
WIDE, MIDDLE, SMALL = SIZES
every_size = pytest.mark.parametrize(
    "size",
    [WIDE, pytest.param(MIDDLE, marks=pytest.mark.slow), SMALL],
    ids=lambda size: "x".join(map(str, size)),
)
CHARACTERS = {
    "slash": "/", "question_mark": "?", "exclamation_mark": "!", "space": " ",
    "less_than_sign": "<", "greater_than_sign": ">", "plus": "+", "minus": "-",
}  # fmt: skip


class Console:
    """The app under test and what it shows."""

    def __init__(self, app: ConsoleApp, pilot: Pilot[None]) -> None:
        self.app, self.pilot = app, pilot

    @property
    def lines(self) -> list[str]:
        """The cells of the screen, row by row, as they are drawn."""
        strips = self.app.screen._compositor.render_strips()
        return ["".join(segment.text for segment in strip) for strip in strips]

    @property
    def text(self) -> str:
        """The whole screen."""
        return "\n".join(self.lines)

    @property
    def screen(self) -> str:
        """Which screen is on top."""
        return type(self.app.screen).__name__

    def pane(self, name: str) -> Pane:
        """A pane of the topmost screen."""
        return self.app.screen.query_one(f"#{name}", Pane)

    def said(self, name: str) -> str:
        """All lines of a pane and its captions, those outside its window too."""
        pane = self.pane(name)
        return "\n".join([*pane._captions, pane.text])

    def drawn(self, name: str) -> list[str]:
        """The lines of a pane that are on the screen, cut where the screen cuts them."""
        x, y, width, height = self.pane(name).region
        return [line[x : x + width] for line in self.lines[y : y + height]]

    async def until(self, condition: Callable[[], object], seconds: float = 30) -> None:
        """Wait for something that will come; give up late."""
        give_up = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < give_up, f"never happened:\n{self.text}"
            await self.pilot.pause(0.02)
        await self.pilot.pause()

    async def shows(self, text: str, seconds: float = 30) -> None:
        """Wait until the screen shows a text."""
        await self.until(lambda: text in self.text, seconds)

    async def on(self, screen: str) -> None:
        """Wait for a screen to be on top."""
        await self.until(lambda: self.screen == screen)

    async def press(self, *keys: str) -> None:
        """Press keys as `pilot.press` does, which waits several times for each of them."""
        driver = self.app._driver
        assert driver is not None
        for key in keys:
            event = events.Key(key, key if len(key) == 1 else CHARACTERS.get(key))
            event.set_sender(self.app)
            driver.send_message(event)
            await self.pilot.pause(0.01)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        """Type a text, character by character."""
        names = {character: name for name, character in CHARACTERS.items()}
        await self.press(*(names.get(character, character) for character in text))

    def notices(self) -> list[str]:
        """What was said in passing."""
        return [notice.message for notice in self.app._notifications]


@asynccontextmanager
async def console(
    runbook: Runbook,
    directory: Path | None = None,
    size: tuple[int, int] = WIDE,
    options: Sequence[str] = (),
) -> AsyncIterator[Console]:
    """A running console that has drawn its first view and the machine."""
    app = ConsoleApp(runbook, directory, options)
    async with app.run_test(size=size, notifications=True) as pilot:
        shown = Console(app, pilot)
        await shown.until(lambda: app.view is not None and app.view.stages)
        await shown.until(lambda: app.screen.query("#gpu") and shown.pane("gpu").machine)
        await pilot.pause()
        yield shown
