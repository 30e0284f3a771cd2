"""All known runs: choose the one to look at, note, tag, archive and delete."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.message import Message
from textual.widget import Widget

from atft_core.run.directory import RunDirectory
from atft_core.run.foreign import clean
from atft_core.run.wording import size
from atft_tui import places
from atft_tui.bindings import bindings
from atft_tui.format import relative, shown_path
from atft_tui.pane import Pane
from atft_tui.panes.runs import AboutPane, RunsPane
from atft_tui.run_list import HOW, Line, Listing, Memory, RunLister, opened_by, parse
from atft_tui.screens.entry import EntryLine, Prompt
from atft_tui.screens.live import LiveScreen
from atft_tui.screens.noting import note_prompt, tags_prompt
from atft_tui.screens.question import QuestionScreen


class Found(Message):
    """The list has grown or changed."""

    def __init__(self, listing: Listing) -> None:
        super().__init__()
        self.listing = listing


class Placed(Message):
    """A path that was typed has been looked at."""

    def __init__(self, typed: str, place: Path | None, complaint: str = "") -> None:
        super().__init__()
        self.typed, self.place, self.complaint = typed, place, complaint


class RunsScreen(LiveScreen[Path | None]):
    """Answers with the run that was chosen, or None."""

    SCOPE = "runs"
    HOME = "runs"
    BINDINGS: ClassVar[list[BindingType]] = bindings("runs")

    def __init__(
        self, find: Callable[[], Sequence[RunDirectory]], memory: Memory, asked: str = ""
    ) -> None:
        """`find` says which runs there are, from a thread; `memory` is kept for the next time."""
        super().__init__()
        self._asked = asked
        self._lister = RunLister(find, memory, lambda listing: self.post_message(Found(listing)))

    def body(self) -> Iterable[Widget]:
        """The table and the line to type in."""
        yield RunsPane(id="runs", asked=self._asked)
        yield AboutPane(id="about")
        yield EntryLine(id="entry")

    def on_mount(self) -> None:
        """Read while the table is on the screen."""
        super().on_mount()
        self.query_one(RunsPane).focus()
        self._lister.start()

    def on_unmount(self) -> None:
        """Nobody looks any more."""
        self._lister.stop()

    @on(Found)
    def _take(self, message: Found) -> None:
        """Draw it."""
        self.query_one(RunsPane).take(message.listing)

    @on(RunsPane.Moved)
    def _tell(self) -> None:
        about = self.query_one(AboutPane)
        if about.chosen != self._chosen:
            about.chosen = self._chosen
            about.draw()

    @property
    def _chosen(self) -> Line | None:
        return self.query_one(RunsPane).chosen

    def _changeable(self) -> Line | None:
        """The run under the cursor; None, and a word, where it is not this person's to change."""
        each = self._chosen
        if each is not None and each.found.locked:
            said = f"{shown_path(each.found.run.path)} is read-only: {clean(each.found.locked)}"
            self.app.notify(said, severity="warning", markup=False)
            return None
        return each

    # Keys.

    @on(Pane.Chosen)
    def _show(self, event: Pane.Chosen) -> None:
        if not self._asked:
            self.console.note(f"atft-tui {shlex.quote(shown_path(Path(event.key)))}")
        self.dismiss(Path(event.key))

    def action_choose(self) -> None:
        """Show the run in the console; also from the footer."""
        self.query_one(RunsPane).action_choose()

    def action_filter(self) -> None:
        """Choose some of the runs, or name another directory."""
        pane = self.query_one(RunsPane)
        known = pane.filter.text if pane.filter else ""
        self.query_one(EntryLine).ask(Prompt("runs /", HOW, self._filter, known))

    def _filter(self, text: str) -> str | None:
        if places.is_path(text.strip()):
            # Not one of Textual's: a disk that does not answer must not keep anybody from leaving.
            look = threading.Thread(target=self._look_at, args=(text,), daemon=True)
            look.start()
            return "looking ..."
        pane = self.query_one(RunsPane)
        pane.choose(parse(text), archived=pane.archived)
        return None

    def _look_at(self, typed: str) -> None:
        """In a thread: whether there is such a directory; it is remembered."""
        try:
            place = places.typed_place(typed.strip())
            places.remember(place)
        except (ValueError, OSError) as error:
            self.post_message(Placed(typed, None, str(error)))
        else:
            self.post_message(Placed(typed, place))

    @on(Placed)
    def _list(self, message: Placed) -> None:
        """List its runs, too."""
        wanted = self.query_one(EntryLine).answered(message.typed, message.complaint)
        if message.place is None or not wanted:
            return
        pane = self.query_one(RunsPane)
        pane.choose(None, archived=pane.archived)
        self._lister.look_again()
        self.console.note(f"atft status {shlex.quote(shown_path(message.place))}")

    def action_all(self) -> None:
        """Archived runs, too."""
        pane = self.query_one(RunsPane)
        pane.choose(pane.filter, archived=not pane.archived)

    def action_note(self) -> None:
        """Write a note on the run."""
        if each := self._changeable():
            found = each.found
            self.query_one(EntryLine).ask(note_prompt(found.run.path, None, found.note, self._act))

    def action_tags(self) -> None:
        """Change the tags of the run."""
        if each := self._changeable():
            found = each.found
            self.query_one(EntryLine).ask(tags_prompt(found.run.path, None, found.note, self._act))

    def action_archive(self) -> None:
        """Put the run away, or take it out again."""
        if each := self._changeable():
            undo = ["--undo"] if each.found.archived else []
            self._act(["archive", str(relative(each.found.run.path)), *undo])

    def action_delete(self) -> None:
        """Delete the run, after a question that says what is lost."""
        each = self._changeable()
        if each is None:
            return
        run = each.found.run.path
        if each.found.status.live:
            self.app.notify(f"{shown_path(run)} is running: stop it first (x)",
                            severity="warning", markup=False)  # fmt: skip
            return
        words = ["delete", str(relative(run)), "--yes"]
        self.app.push_screen(
            QuestionScreen(f"Delete {shown_path(run)}?", self._lost(each)),
            lambda yes: self._act(words) if yes else None,
        )

    def _lost(self, each: Line) -> str:
        """What goes with a run."""
        opened = opened_by(each, self.query_one(RunsPane).listing.lines)
        paths = ", ".join(shown_path(other.found.run.path) for other in opened)
        gates = f" Its evidence opened {paths}." if opened else ""
        noted = f" Note: {each.found.note.line}." if each.found.note.line else ""
        used = size(each.disk) if each.disk is not None else "of a size not counted yet"
        return f"{used} on the disk, with all trials and checkpoints.{gates}{noted} No way back."

    def after(self, words: Sequence[str]) -> None:
        """A command has changed something: look now."""
        self._lister.look_again()

    def action_close(self) -> None:
        """Out of the line that is typed in, else back."""
        entry = self.query_one(EntryLine)
        if entry.display:
            entry.close()
        else:
            self.dismiss(None)
