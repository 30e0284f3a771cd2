"""The trial table: what runs first, then the best, each with its error and its reason."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from textual.binding import BindingType
from textual.content import Content
from textual.message import Message

from atft_core.run.foreign import clean
from atft_core.run.judge.measure_model import luck, tried
from atft_core.run.state import State, Trial
from atft_core.run.wording import ratio, scale
from atft_tui.bindings import bindings
from atft_tui.format import cut, line
from atft_tui.pane import Pane, Row, Table
from atft_tui.trial_table import (
    USUAL,
    Choice,
    Column,
    columns,
    in_order,
    next_order,
    state_glyph,
    state_word,
)
from atft_tui.view import View

MARKS = 5
"""Trials that can be told apart when they are compared."""
_QUIET = ("+-", "~")
_REASON = 12
"""Cells from which a reason is worth showing."""


class TrialsPane(Pane):
    """One row per trial; enter opens it."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("trials")

    class Marked(Message):
        """Other trials are marked than before."""

    def __init__(self, id: str | None = None, *, focus: bool = False) -> None:
        super().__init__(id=id, focus=focus)
        self.choice: Choice = USUAL
        self.marked: list[int] = []
        """In the order in which they were marked."""
        self._of: Path | None = None
        """The run whose trials are marked."""
        self._shown: list[Column] = []
        self._wanted = 0
        """Columns that there would be with more room."""

    def captions(self, view: View) -> tuple[str, str]:
        """What is chosen, and how much of the best value luck alone explains."""
        choice, counts = self.choice, len(view.state.trials)
        parts = ["3 Trials"]
        if choice.filter is not None:
            parts.append(f"/{clean(choice.filter.text, 30)}/ {self._count} of {counts}")
        if choice.order:
            parts.append(f"by {self._head(choice.order)} {'up' if choice.ascending else 'down'}")
        if self.marked:
            parts.append(f"marked {', '.join(map(str, self.marked))}")
        if self._wanted > len(self._shown):
            parts.append(f"{len(self._shown)} of {self._wanted} columns")
        return "  ".join(parts), noise_floor(view.state)

    @property
    def _count(self) -> int:
        return len(self._rows.keys) if isinstance(self._rows, Table) else 0

    def _head(self, name: str) -> str:
        return next((column.head for column in self._shown if column.name == name), name)

    def rows(self, view: View, width: int, height: int) -> Sequence[Row]:
        """A header, then the trials in order."""
        state = view.state
        known = columns(state, view.notes)
        self._shown = fitting(known, self.choice, width)
        self._wanted = sum(column.name not in self.choice.hidden for column in known)
        head = " " + "".join(f" {c.head:>{c.width}}" for c in self._shown)
        head = head.replace("     state", " state    ", 1)
        room = width - len(head) - 2
        if room >= _REASON:
            head += "  reason"
        header = Row(line((head, "$text-muted")))
        if not state.trials:
            return [header, *(Row(line((f"  {t}", "$text-muted"))) for t in _why_none(view, width))]
        trials = in_order(state, self.choice, known)
        if not trials:
            return [header, Row(line(("  no trial matches", "$text-muted")))]
        shown, marked = self._shown, frozenset(self.marked)
        keys = [str(trial.number) for trial in trials]
        return Table([header], keys, lambda i: _line(trials[i], shown, marked, room))

    def show(self, view: View) -> None:
        """Of another run other trials have these numbers."""
        before, self._of = self._of, view.run.path if view.run else None
        if before != self._of and self.marked:
            self.marked = []
            self.post_message(self.Marked())
        super().show(view)

    # Keys.

    def choose(self, choice: Choice) -> None:
        """Show the table another way."""
        self.choice = choice
        self.draw()

    def action_sort(self, step: int) -> None:
        """By the next column."""
        names = [column.name for column in self._shown]
        self.choose(next_order(self.choice, names, step))

    def action_turn(self) -> None:
        """The other way round."""
        self.choose(replace(self.choice, ascending=not self.choice.ascending))

    def action_mark(self) -> None:
        """Mark the trial for a comparison, or take the mark away; the oldest makes room."""
        if not self.cursor:
            return
        number = int(self.cursor)
        if number in self.marked:
            self.marked.remove(number)
        else:
            self.marked = [*self.marked, number][-MARKS:]
        self.draw()
        self.post_message(self.Marked())
        self._move(1)


def _why_none(view: View, width: int) -> list[str]:
    """Why there is no trial, and what to do about it."""
    if view.run is not None:
        return ["no trial yet" + (": checks and baselines come first" if view.live else "")]
    first = view.runbook.stages[0]
    amount = scale(first.n_trials, first.max_epochs)
    said = (
        f"no run yet: press {first.hotkey} for the {clean(first.title, 30)} ({amount})",
        "it has a synthetic panel; press y once its plan is shown"
        if view.runbook.demo
        else "it needs a panel of daily prices: there, e sets data.path=FILE",
        "? lists all keys, R all runs, q leaves",
    )
    return [piece for text in said for piece in textwrap.wrap(text, max(20, width - 4))]


def noise_floor(state: State) -> str:
    """What the best of as many trials that know nothing would be expected to reach."""
    if state.walks:
        return "folds: each on its own days"
    best, count = state.best, len(tried(state))
    error = best.last("rank_ic_se", state.horizon) if best else None
    if error is None or error <= 0 or count < 2:
        return ""
    return f"luck: best of {count} reaches {ratio(luck(state, error))}"


def fitting(known: Sequence[Column], choice: Choice, width: int) -> list[Column]:
    """The columns that fit, from the indispensable ones to the parameters."""
    shown: list[Column] = []
    used = 1
    for column in known:
        if column.name in choice.hidden:
            continue
        if used + column.width + 1 > width:
            break
        shown.append(column)
        used += column.width + 1
    return shown


def _line(trial: Trial, shown: Sequence[Column], marked: frozenset[int], room: int) -> Content:
    glyph, style = state_glyph(trial)
    dim = "$text-muted" if trial.state in ("PRUNED", "FAIL") else ""
    parts: list[str | tuple[str, str]] = [" "]
    for column in shown:
        if column.name == "state":
            parts += [" ", (glyph, f"bold {style}"), (f" {state_word(trial):6}", dim or style)]
        elif column.name == "number":
            mark = "*" if trial.number in marked else " "
            parts += [(mark, "bold $text-accent"), (f"{trial.number:>{column.width}}", dim)]
        else:
            cell = column.cell(trial).rjust(column.width)
            parts.append((f" {cell}", "$text-muted" if column.head in _QUIET else dim))
    if room >= _REASON and trial.reason and trial.state != "COMPLETE":
        parts.append((f"  {cut(clean(trial.reason), room)}", "$text-muted"))
    return line(*parts)
