"""What all screens share: they draw the newest view, and say so when the terminal is too small."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar, TypeVar, cast

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.await_complete import AwaitComplete
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from atft_core.run.foreign import clean
from atft_core.run.wording import duration
from atft_tui.bindings import Key, footer
from atft_tui.format import clock, cut, day, line, pad
from atft_tui.pane import Pane, Row
from atft_tui.screens.entry import EntryLine, Prompt
from atft_tui.view import View

if TYPE_CHECKING:
    from atft_tui.app import ConsoleApp

MIN_WIDTH, MIN_HEIGHT = 80, 24
WIDE_WIDTH, WIDE_HEIGHT, TALL_HEIGHT = 100, 30, 44
"""From here on all panes fit beside each other; from TALL_HEIGHT with more lines each."""
_WHAT = 20
"""Cells from which the line about the past also has room for what happened."""
_ALWAYS = ("leave", "close", "cancel")
"""Actions that stay allowed where nothing can be read."""

ResultT = TypeVar("ResultT")


class Footer(Pane):
    """The keys of a screen, from the one table."""

    EARLY = True

    def __init__(self, scope: str, extra: list[Key]) -> None:
        super().__init__(id="footer")
        self._scope, self._extra = scope, extra
        self.without: set[str] = set()
        """Actions that would do nothing now."""

    def rows(self, view: View, width: int, height: int) -> list[Row]:
        """One line; on a narrow screen the gaps shrink."""
        pairs = footer(self._scope, self._extra, self.without)
        used = sum(len(key) + 1 + len(word) for key, word in pairs)
        gap = "  " if used + 3 * len(pairs) > width else "   "
        parts = [line((key, "bold $text-accent"), f" {word}") for key, word in pairs]
        return [Row(Content(" ") + Content(gap).join(parts))]


class PastLine(Pane):
    """That the screen does not show the present; nobody must be able to overlook it."""

    def __init__(self, *, steps: bool) -> None:
        """`steps`: the keys that move through time work here."""
        super().__init__(id="past")
        self._steps = steps

    def rows(self, view: View, width: int, height: int) -> list[Row]:
        """Which moment, how far back, how to leave."""
        if view.folded < 1.0:
            return [Row(line((f" rewinding ... {100 * view.folded:.0f} %", "bold reverse")))]
        if view.past is None:
            return [Row(Content(""))]
        past = view.past
        t, back = past.moment.t, duration(past.end - past.moment.t)
        said = f" rewound to {day(t)} {clock(t)}, {back} before the end"
        what = f" of the log - {past.moment.about}: {past.moment.text}"
        keys = "  [ ] move, escape: now " if self._steps else " "
        room = width - cell_len(said) - cell_len(keys)
        said += cut(what, room) if room > _WHAT else ""
        text = pad(said, max(0, width - cell_len(keys))) + keys
        return [Row(line((text, "bold reverse $text-warning")))]


class LiveScreen(Screen[ResultT]):
    """A screen of panes."""

    SCOPE: ClassVar[str] = ""
    HOME: ClassVar[str] = ""
    """The pane that has the focus at first and after a zoom."""

    @property
    def console(self) -> ConsoleApp:
        """The app, by its real type."""
        return cast("ConsoleApp", self.app)

    def body(self) -> Iterable[Widget]:
        """The widgets between top and footer."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        """Body, footer, and the line for a terminal in which neither would fit."""
        yield PastLine(steps=self.SCOPE == "main")
        yield from self.body()
        yield Footer(self.SCOPE, self.extra_keys())
        yield Static(id="too-small", markup=False)

    def extra_keys(self) -> list[Key]:
        """Keys that are not in the table, because a runbook names them."""
        return []

    def dismiss(self, result: ResultT | None = None) -> AwaitComplete:
        """A key that came twice must not take the screen below as well."""
        return super().dismiss(result) if self.is_current else AwaitComplete()

    def on_mount(self) -> None:
        """Start with what is known."""
        if self.console.view is not None:
            self.show(self.console.view)

    def show(self, view: View) -> None:
        """Draw a view in all panes; a moment of the past is marked as one."""
        past = view.past is not None or view.folded < 1.0
        self.set_class(past, "-past")
        for pane in self.query(Pane):
            pane.show(view)

    @property
    def too_small(self) -> bool:
        """Whether the terminal is below the smallest layout."""
        return self.size.width < MIN_WIDTH or self.size.height < MIN_HEIGHT

    def on_resize(self, event: events.Resize) -> None:
        """Choose the layout by size."""
        width, height = event.size
        small = width < MIN_WIDTH or height < MIN_HEIGHT
        compact = width < WIDE_WIDTH or height < WIDE_HEIGHT
        self.set_class(small, "-small")
        self.set_class(compact, "-compact")
        self.set_class(height >= TALL_HEIGHT and not compact, "-tall")
        if small:
            self.query_one("#too-small", Static).update(
                f"{width}x{height} is too small: atft-tui needs {MIN_WIDTH}x{MIN_HEIGHT}."
                " (q leaves)"
            )

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Nothing is started or stopped by a person who cannot see it."""
        return not self.too_small or action in _ALWAYS

    # What panes want.

    def ask_for(self, label: str, hint: str, apply: Callable[[str], None], value: str = "") -> None:
        """Let somebody type an answer."""
        self.query_one(EntryLine).ask(Prompt(label, hint, apply, value))

    def looked(self, twin: str) -> None:
        """Say which command shows the same."""
        self.console.note(twin)

    # Commands and the clipboard.

    def _act(self, words: list[str]) -> None:
        """Run an `atft` command; what it complains about is said."""

        async def act() -> None:
            outcome = await self.console.run_command(words)
            self.after(words)
            if not outcome.ok:
                said = "\n".join(outcome.complaint)
                self.app.notify(said, severity="error", timeout=15, markup=False)

        self.run_worker(act())

    def after(self, words: Sequence[str]) -> None:
        """A command has ended."""

    def copy(self, text: str, what: str) -> None:
        """Put a text into the clipboard of the terminal, through the line (OSC 52)."""
        if any(clean(part, len(part)) != part for part in text.split("\n")):
            said = f"{what} holds characters that a terminal would obey: not copied"
            self.app.notify(said, severity="warning", markup=False)
            return
        self.app.copy_to_clipboard(text)
        self.app.notify(f"copied: {what}", markup=False)

    # Zoom.

    @property
    def zoomed(self) -> str:
        """The pane that fills the screen."""
        return next((pane.id or "" for pane in self.query(".zoom")), "")

    def action_zoom(self, name: str) -> None:
        """One pane fills the screen; the same key again, or escape, returns."""
        leave = self.zoomed == name
        self.unzoom()
        if leave:
            return
        pane = self.query_one(f"#{name}", Pane)
        pane.add_class("zoom")
        if pane.parent is not None:
            cast("Widget", pane.parent).add_class("zoomed")
        pane.can_focus = True
        pane.focus()

    def unzoom(self) -> None:
        """All panes again."""
        for pane in self.query(".zoom").results(Pane):
            pane.remove_class("zoom")
            cast("Widget", pane.parent).remove_class("zoomed")
            pane.can_focus = pane.chosen_focus
        self.query_one(f"#{self.HOME}").focus()
