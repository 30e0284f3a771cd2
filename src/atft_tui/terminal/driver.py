"""Textual's driver for Linux, with output by cells through a thread of its own.

Uses two private parts of Textual, whose version is therefore pinned: the updates that its
compositor makes, and `App._display`, which hands them over.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.color import ColorSystem
from rich.console import RenderableType
from textual import constants, events, messages
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message
from textual.screen import Screen

from atft_tui.terminal.charset import says_no_unicode
from atft_tui.terminal.image import Image, Palette, paint
from atft_tui.terminal.writer import TerminalWriter

FRAME_SECONDS = 1 / 20
"""Between two frames that no key asked for."""
SLOW_FRAME_SECONDS = 1.0
"""The same on a line that every byte is dear on."""


@dataclass(frozen=True)
class Output:
    """What was asked for on the command line."""

    slow: bool = False
    """16 colours, one frame a second."""
    ascii: bool = False


USUAL = Output()


class CellApp(App[None]):
    """An app whose screen is sent by cells, wherever it runs in a real terminal."""

    def __init__(self, output: Output) -> None:
        """In a browser (textual-serve) and in tests Textual chooses its own driver."""
        super().__init__(driver_class=None if constants.DRIVER else ConsoleDriver)
        self.output = output

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        driver = self._driver
        if not isinstance(driver, ConsoleDriver) or self._closed:
            super()._display(screen, renderable)
        elif isinstance(renderable, LayoutUpdate | ChopsUpdate) and not self._batch_count:
            driver.draw(renderable)
            self.post_display_hook()


def palette(app: CellApp, environ: Mapping[str, str]) -> Palette:
    """What the terminal can show, and what it was asked to."""
    known = app.console._color_system or ColorSystem.STANDARD
    colours = ColorSystem.STANDARD if app.output.slow else known
    return Palette(
        None if environ.get("NO_COLOR") else colours,
        app.output.ascii or says_no_unicode(environ),
    )


class ConsoleDriver(LinuxDriver):
    """Keeps an image of the screen and has it sent."""

    def __init__(self, app: CellApp, **options: Any) -> None:
        super().__init__(app, **options)
        slow = app.output.slow
        fd = sys.__stderr__.fileno() if sys.__stderr__ else 2
        self._writer = TerminalWriter(fd, SLOW_FRAME_SECONDS if slow else FRAME_SECONDS)
        self._image = Image(0, 0)
        self._palette = palette(app, os.environ)

    def draw(self, update: LayoutUpdate | ChopsUpdate) -> None:
        """Bring the screen up to date with what the compositor found changed."""
        if isinstance(update, LayoutUpdate):
            width, height = update.region.size
            if (self._image.width, self._image.height) != (width, height):
                self._image = Image(width, height)
        paint(self._image, update, self._palette)
        self._writer.synchronised = self._app._sync_available
        self._writer.frame(self._image.copy())

    def redraw(self) -> None:
        """Send everything again: another program may have written on this terminal."""
        self._writer.forget()
        self._writer.frame(self._image.copy())

    # The parts of a driver.

    def write(self, data: str) -> None:
        """Send a control sequence."""
        self._writer.control(data)

    def process_message(self, message: Message) -> None:
        """A person at the keyboard does not wait for the next frame."""
        if isinstance(message, events.Key | events.MouseDown | events.MouseScrollUp
                      | events.MouseScrollDown | events.Paste):  # fmt: skip
            self._writer.hurry()
        if isinstance(message, messages.InBandWindowResize | events.Resize):
            self._writer.forget()
        super().process_message(message)

    def start_application_mode(self) -> None:
        """Also after a suspension, when the terminal shows something else."""
        if not self._writer.is_alive():
            self._writer.start()
        self._writer.open()
        self._writer.hurry()  # somebody waits for the first frame
        super().start_application_mode()  # type: ignore[no-untyped-call]

    def stop_application_mode(self) -> None:
        """No frame may follow the sequence that brings the shell's screen back."""
        self._writer.shut()
        super().stop_application_mode()

    def close(self) -> None:
        """End the threads; the base class has a writer of its own, which was never used."""
        super().close()
        self._writer.stop()
