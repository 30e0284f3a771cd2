"""One trial: its parameters, what its worker really ran with, its epochs, its log."""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import accumulate
from typing import Any, ClassVar

from textual.binding import BindingType
from textual.containers import Grid
from textual.content import Content
from textual.widget import Widget

from atft_core.run.foreign import clean
from atft_core.run.notes import Note
from atft_core.run.state import EpochRow, Trial
from atft_core.run.wording import duration, finite, fixed, ratio
from atft_tui.bindings import bindings
from atft_tui.format import clock, figure, flat, line, table
from atft_tui.log_tail import LogTail
from atft_tui.pane import Pane, Row
from atft_tui.panes.curves import CurvesPane
from atft_tui.panes.log import LogPane
from atft_tui.screens.live import LiveScreen
from atft_tui.view import LogView, View

EpochColumn = tuple[str, int, Callable[[EpochRow], str]]
"""Head, width, cell."""
_METRICS = (("RankIC", "rank_ic"), ("+-", "rank_ic_se"), ("IC", "ic"), ("sign", "sign_ratio"))


def only(view: View) -> Trial | None:
    """The trial of a view that was narrowed to one."""
    return next(iter(view.state.trials.values()), None)


class FactsPane(Pane):
    """How it ended, what it was given, and what its worker observed."""

    def captions(self, view: View) -> tuple[str, str]:
        """Which trial."""
        trial = only(view)
        return (f"Trial {trial.number}" if trial else "Trial"), ""

    def rows(self, view: View, width: int, height: int) -> list[Row]:
        """Labels and values."""
        trial = only(view)
        if trial is None:
            return [Row(line((" this run has no such trial", "$text-muted")))]
        observed = {key: value for key, value in trial.settings.items() if key != "phases"}
        rows = _block("", _summary(trial))
        rows += _written(view.notes.of(trial.number), width)
        rows += _block("asked by the study", sorted(trial.params.items()))
        rows += _block("observed in the worker", sorted(flat(observed).items()))
        return [Row(content) for content in rows]


def _summary(trial: Trial) -> list[tuple[str, Any]]:
    end = trial.ended or trial.heard
    took = duration(end - trial.started) if trial.started else "-"
    attempts = f"{trial.attempt}, {trial.crashes} lost" if trial.crashes else str(trial.attempt)
    pairs: list[tuple[str, Any]] = [
        ("state", trial.state.lower()),
        ("value", ratio(trial.value)),
        ("started", clock(trial.started) if trial.started else "-"),
        ("took", took),
        ("attempt", attempts),
    ]
    if trial.running:
        batch = f", batch {trial.batch}/{trial.batches}" if trial.batches else ""
        pairs.append(("now", f"epoch {trial.epoch}, {trial.phase or '?'}{batch}"))
        pairs += _phase(trial)
        pairs.append(("pid", trial.pid))
    if trial.reason:
        pairs.append(("reason", trial.reason))
    if trial.holdout:
        pairs += [(f"holdout {h}", ratio(m.get("rank_ic"))) for h, m in trial.holdout.items()
                  if isinstance(m, dict)]  # fmt: skip
    return pairs


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


class EpochsPane(Pane):
    """One line per epoch, then the last one at every horizon."""

    def captions(self, view: View) -> tuple[str, str]:
        """Which horizon the table is about."""
        return f"Epochs, validation at horizon {view.state.horizon}", ""

    def rows(self, view: View, width: int, height: int) -> list[Row]:
        """The columns that fit."""
        trial = only(view)
        if trial is None or not trial.epochs:
            return [Row(line((" no epoch has ended yet", "$text-muted")))]
        columns = _fitting(view.state.horizon, width)
        head = "".join(f"{name:>{wide}}" for name, wide, _ in columns)
        rows = [Row(line((head, "$text-muted")))]
        for epoch in trial.epochs:
            cells = "".join(f"{cell(epoch):>{wide}}" for _, wide, cell in columns)
            rows.append(Row(Content(cells)))
        return [*rows, *(Row(content) for content in _horizons(trial.epochs[-1], width))]


def _fitting(horizon: int, width: int) -> list[EpochColumn]:
    def metric(key: str) -> Callable[[EpochRow], str]:
        return lambda row: ratio(row.metric(key, horizon))

    columns: list[EpochColumn] = [
        ("ep", 4, lambda row: str(row.epoch)),
        ("s", 7, lambda row: fixed(row.seconds, 1)),
        ("loss", 8, lambda row: fixed(row.train.get("loss"), 3)),
        ("RankIC", 7, metric("rank_ic")),
        ("+-", 6, metric("rank_ic_se")),
        ("IC", 6, metric("ic")),
        ("sign", 6, metric("sign_ratio")),
        ("days", 6, lambda row: fixed(row.metric("days", horizon), 0)),
        ("batches", 11, lambda row: f"{row.batches}/{row.batches_available}"),
        ("wait s", 8, lambda row: fixed(row.time.get("wait"), 1)),
        ("val s", 7, lambda row: fixed(row.time.get("validate"), 1)),
        ("kwin/s", 8, lambda row: fixed(_thousands(row.rates.get("windows_per_s")), 1)),
        ("gpu p50", 9, lambda row: fixed((row.gpu or {}).get("p50"), 0)),
    ]
    used = list(accumulate(wide for _, wide, _ in columns))
    return [column for column, end in zip(columns, used, strict=True) if end <= width]


def _thousands(value: Any) -> float | None:
    known = finite(value)
    return None if known is None else known / 1000


def _horizons(row: EpochRow, width: int) -> list[Content]:
    """The last epoch at every horizon, and against the best baseline where that fits."""
    wide = width >= 60
    head = f"{'horizon':>11}" + "".join(f" {name:>6}" for name, _ in _METRICS)
    head += "   less best baseline" if wide else ""
    lines = [Content(""), line((head, "$text-muted"))]
    for horizon in sorted(row.val, key=lambda h: int(h) if h.isdigit() else 0):
        found = row.val[horizon]
        values = "".join(f" {ratio(found.get(key)):>6}" for _, key in _METRICS)
        baseline = clean(str(found.get("baseline") or "-"), 14)
        against = f"   {ratio(found.get('baseline_diff')):>6} ({baseline})" if wide else ""
        lines.append(Content(f"{clean(horizon, 4):>11}{values}{against}"))
    return lines


class TrialScreen(LiveScreen[None]):
    """A trial, live; left and right go to its neighbours."""

    SCOPE = "trial"
    HOME = "facts"
    BINDINGS: ClassVar[list[BindingType]] = bindings("trial")

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number
        self._log: LogTail | None = None

    def body(self) -> Iterable[Widget]:
        """Facts on the left; epochs, curves and log on the right."""
        with Grid(id="trial"):
            facts = FactsPane(id="facts", focus=True)
            yield facts
            yield EpochsPane(id="epochs", focus=True)
            yield CurvesPane(id="curves")
            yield LogPane(id="log")

    def on_mount(self) -> None:
        """Read the trial's own log now and then."""
        super().on_mount()
        self.set_interval(1.0, self._read)
        self.call_after_refresh(self._read)

    def show(self, view: View) -> None:
        """Only this trial of the view."""
        trial = view.state.trials.get(self.number)
        narrowed = replace(
            view,
            state=replace(view.state, trials={self.number: trial} if trial else {}),
            log=self._log.view if self._log else LogView(),
        )
        super().show(narrowed)

    async def _read(self) -> None:
        view = self.console.view
        if view is None or view.run is None:
            return
        if self._log is None:
            self._log = LogTail(view.run.trial(self.number).log)
        if await asyncio.to_thread(self._log.read):
            self.show(view)

    def action_step(self, step: int) -> None:
        """The next trial by number."""
        view = self.console.view
        numbers = sorted(view.state.trials) if view else []
        if self.number in numbers and view is not None:
            self.number = numbers[(numbers.index(self.number) + step) % len(numbers)]
            self._log = None
            self.show(view)
            self.call_after_refresh(self._read)

    def action_copy(self) -> None:
        """The path of the trial."""
        view = self.console.view
        if view is not None and view.run is not None:
            path = str(view.run.trial(self.number).path.absolute())
            self.copy(path, clean(path))

    def action_close(self) -> None:
        """Out of the zoom, else back."""
        if self.zoomed:
            self.unzoom()
        else:
            self.dismiss(None)
