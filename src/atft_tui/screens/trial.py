"""One trial: how it goes, what it was given, what it reached, what it left behind."""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Grid
from textual.content import Content
from textual.widget import Widget

from atft_core.run.causes import cause_of, helps
from atft_core.run.foreign import clean
from atft_core.run.notes import Note
from atft_core.run.state import State, Trial
from atft_core.run.wording import duration, ratio, several, size
from atft_tui.bindings import bindings
from atft_tui.format import clock, figure, flat, line, table
from atft_tui.pane import Pane, Row
from atft_tui.panes.curves import CurvesPane
from atft_tui.panes.daily import DailyPane
from atft_tui.panes.epochs import EpochsPane
from atft_tui.panes.horizons import HorizonsPane
from atft_tui.panes.log import LogPane
from atft_tui.panes.params import ParamsPane
from atft_tui.panes.terms import TermsPane
from atft_tui.screens.entry import EntryLine
from atft_tui.screens.live import LiveScreen
from atft_tui.trial_files import TrialFiles
from atft_tui.trial_table import state_word
from atft_tui.view import TrialView, View

_PARTS = ("facts", "params", "terms", "horizons", "curves", "log", "daily", "epochs")
"""The panes by their keys, 1 to 8."""


class FactsPane(Pane):
    """How it went, what is left of it on disk, and what its worker observed."""

    def captions(self, view: View) -> tuple[str, str]:
        """Which trial."""
        return f"1 Trial {view.about.number}" if view.about else "1 Trial", ""

    def rows(self, view: View, width: int, height: int) -> list[Row]:
        """What went wrong comes before what was set."""
        trial, about = view.trial, view.about
        if trial is None or about is None:
            return [Row(line((" this run has no such trial", "$text-muted")))]
        observed = {key: value for key, value in trial.settings.items() if key != "phases"}
        rows = _block("", _summary(view.state, trial))
        rows += _told(trial, width, own_program=view.state.own_program)
        rows += _written(view.notes.of(trial.number), width)
        rows += _traceback(about.traceback, width)
        rows += _checkpoints(trial, view)
        rows += _block("observed in the worker", sorted(flat(observed).items()))
        return [Row(content) for content in rows]


def _summary(state: State, trial: Trial) -> list[tuple[str, Any]]:
    end = trial.ended or trial.heard
    took = duration(end - trial.started) if trial.started else "-"
    attempts = f"{trial.attempt}, {trial.crashes} lost" if trial.crashes else str(trial.attempt)
    pairs: list[tuple[str, Any]] = [
        ("state", state_word(trial)),
        ("value", ratio(state.measured(trial.value))),
        ("started", clock(trial.started) if trial.started else "-"),
        ("took", took),
        ("attempt", attempts),
    ]
    if trial.running:
        batch = f", batch {trial.batch}/{trial.batches}" if trial.batches else ""
        pairs.append(("now", f"epoch {trial.epoch}, {trial.phase or '?'}{batch}"))
        pairs += _phase(trial)
        pairs.append(("node", clean(trial.node, 24)) if trial.node else ("pid", trial.pid))
    if trial.hangs:
        pairs.append(("silent", f"{several(trial.hangs, 'time')} for too long, came back"))
    if trial.holdout:
        pairs += [(f"holdout {h}", ratio(m.get("rank_ic"))) for h, m in trial.holdout.items()
                  if isinstance(m, dict)]  # fmt: skip
    return pairs


def _told(trial: Trial, width: int, *, own_program: bool) -> list[Content]:
    """Why it ended, who gave it up, how its workers were lost."""
    style = "$text-error" if trial.state == "FAIL" else ""
    said = [("reason", trial.reason, style), ("note", trial.given_up, "$text-warning")]
    said += [("lost", mishap, "$text-warning") for mishap in trial.mishaps]
    causes = dict.fromkeys(map(cause_of, [trial.reason, *trial.mishaps]))
    said += [
        ("helps", f"{each}: {helps(each, own_program=own_program)}", "") for each in causes if each
    ]
    lines = []
    for name, text, colour in said:
        for i, piece in enumerate(textwrap.wrap(clean(text), max(20, width - 10))):
            lines.append(line((f" {name if i == 0 else '':7}  ", "$text-muted"), (piece, colour)))
    return lines


def _traceback(texts: Sequence[str], width: int) -> list[Content]:
    """As the worker's log has it; what is too long goes on below."""
    pieces = [piece for text in texts for piece in textwrap.wrap(text, max(20, width - 2))]
    return [Content(""), *(line((f" {piece}", "$text-error")) for piece in pieces)] if texts else []


def _checkpoints(trial: Trial, view: View) -> list[Content]:
    """What a resume, or a look at the holdout, would start from."""
    kept = view.about.checkpoints if view.about else ()
    wanted, horizon = view.state.objective, view.state.horizon
    values = [(row.objective(wanted, horizon), row.epoch) for row in trial.epochs]
    best = max((pair for pair in values if pair[0] is not None), default=(None, None))[1]
    lines = [
        Content(f" {each.epoch:>5}{size(each.size):>11}{duration(view.now - each.t):>8} ago"
                f"{'  best' if each.epoch == best else ''}")
        for each in kept
    ]  # fmt: skip
    head = f" checkpoints{'' if kept else ': none'}   best epoch {'-' if best is None else best}"
    return [Content(""), line((head, "$text-muted")), *lines]


def _written(note: Note, width: int) -> list[Content]:
    """Tags and note, and who wrote it."""
    if not note.line:
        return []
    by = f" by {note.user}, {clock(note.t)}" if note.user else ""
    pieces = textwrap.wrap(clean(note.line), max(20, width - 2))
    return [Content(""), line((f" note{by}", "$text-muted")), *(Content(f" {p}") for p in pieces)]


def _phase(trial: Trial) -> list[tuple[str, Any]]:
    """Which phase of the training this is, when there are several."""
    phases = [each for each in trial.settings.get("phases", []) if isinstance(each, dict)]
    for n, each in enumerate(phases, start=1):
        first, last = each.get("first"), each.get("last")
        if not isinstance(first, int) or not isinstance(last, int):
            continue  # not one of ours
        if len(phases) > 1 and first <= trial.epoch <= last:
            return [("phase", f"{n} of {len(phases)}, {each.get('name')}")]
    return []


def _block(title: str, pairs: list[tuple[str, Any]]) -> list[Content]:
    if not pairs:
        return []
    head = [Content(""), line((f" {title}", "$text-muted"))] if title else []
    cells = [(clean(key, 28), figure(value)) for key, value in pairs]
    return [*head, *(Content(f" {text.rstrip()}") for text in table(cells))]


class TrialScreen(LiveScreen[None]):
    """A trial, live; left and right go to its neighbours."""

    SCOPE = "trial"
    HOME = "facts"
    BINDINGS: ClassVar[list[BindingType]] = bindings("trial")

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number
        self._files: TrialFiles | None = None

    def body(self) -> Iterable[Widget]:
        """Facts and parameters on the left; what was measured on the right."""
        with Grid(id="trial"):
            yield FactsPane(id="facts", focus=True)
            yield CurvesPane(id="curves")
            yield TermsPane(id="terms", focus=True)
            yield HorizonsPane(id="horizons", focus=True)
            yield ParamsPane(id="params", focus=True)
            yield EpochsPane(id="epochs", focus=True)
            yield DailyPane(id="daily", focus=True)
            yield LogPane(id="log", title="6 Log", source="trial")
        yield EntryLine(id="entry")

    def on_mount(self) -> None:
        """Read the trial's own files now and then."""
        super().on_mount()
        self.set_interval(1.0, self._read)
        self.call_after_refresh(self._read)

    def show(self, view: View) -> None:
        """The trial in the view, its curves beside the best one's; its files are those of now."""
        ours = self._files is not None and self._files.run == view.run and not view.past
        known = self._files.view if self._files and ours else None
        best = view.state.best
        drawn, said = [self.number], f"trial {self.number}"
        if best is not None and best.number != self.number:
            drawn, said = [*drawn, best.number], f"{said} beside the best, trial {best.number}"
        for pane in self.query(CurvesPane):  # none while the screen is being made or torn down
            pane.choose(drawn, said)
        super().show(replace(view, about=known or TrialView(self.number)))

    async def _read(self) -> None:
        view = self.console.view
        if view is None or view.run is None:
            return
        if self._files is None or self._files.run != view.run:
            self._files = TrialFiles(view.run, self.number, view.state.horizon)
        files, trial = self._files, view.state.trials.get(self.number)
        broken = trial is not None and (trial.state == "FAIL" or trial.crashes > 0)
        if await asyncio.to_thread(files.read, broken=broken):
            self.show(self.console.view or view)

    def action_step(self, step: int) -> None:
        """The next trial by number."""
        view = self.console.view
        numbers = sorted(view.state.trials) if view else []
        if self.number in numbers and view is not None:
            self._turn_to(numbers[(numbers.index(self.number) + step) % len(numbers)])

    def _turn_to(self, number: int) -> None:
        self.number, self._files = number, None
        if self.console.view is not None:
            self.show(self.console.view)
        self.call_after_refresh(self._read)

    @on(Pane.Chosen)
    def _open(self, event: Pane.Chosen) -> None:
        """Enter on the best trial's curve."""
        if isinstance(event.pane, CurvesPane):
            self._turn_to(int(event.key))

    def action_part(self, step: int) -> None:
        """The next part; where there is no room for all of them, one after the other in full."""
        if not self.zoomed and not self.has_class("-compact"):
            move = self.focus_next if step > 0 else self.focus_previous
            move()
            return
        parts = ("", *_PARTS)
        part = parts[(parts.index(self.zoomed) + step) % len(parts)]
        self.action_zoom(part or self.zoomed)

    def action_copy(self) -> None:
        """The path of the trial."""
        view = self.console.view
        if view is not None and view.run is not None:
            path = str(view.run.trial(self.number).path.absolute())
            self.copy(path, clean(path))

    def action_close(self) -> None:
        """Out of the line that is typed in, else out of the zoom, else back."""
        entry = self.query_one(EntryLine)
        if entry.display:
            entry.close()
        elif self.zoomed:
            self.unzoom()
        else:
            self.dismiss(None)
