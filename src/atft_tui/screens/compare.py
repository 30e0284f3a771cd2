"""Trials beside each other: only what differs, and their curves over each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Grid
from textual.content import Content
from textual.widget import Widget

from atft_core.run.foreign import clean
from atft_core.run.state import State, Trial
from atft_core.run.wording import fixed, ratio
from atft_tui.bindings import bindings
from atft_tui.format import cut, figure, flat, line, pad
from atft_tui.pane import Pane, Row
from atft_tui.panes.curves import CurvesPane
from atft_tui.screens.live import LiveScreen
from atft_tui.screens.trial import TrialScreen
from atft_tui.trial_table import state_glyph, state_word
from atft_tui.view import View

_CELL = 12
_OWN = ("phases", "pid", "feed_reason")
"""What every worker has for itself: no difference between trials."""


class DifferencesPane(Pane):
    """A column per trial, a row per difference."""

    def captions(self, view: View) -> tuple[str, str]:
        """Whose."""
        return "Trials " + ", ".join(map(str, view.state.trials)), ""

    def rows(self, view: View, width: int, height: int) -> Sequence[Row]:
        """Results first, then the settings that differ."""
        trials = list(view.state.trials.values())
        if not trials:
            return [Row(line((" these trials are gone", "$text-muted")))]
        label = max(12, min(34, width - 2 - _CELL * len(trials)))
        head = "".join(f"{f'trial {trial.number}':>{_CELL}}" for trial in trials)
        rows = [line((f" {'':{label}}{head}", "$text-muted"))]
        rows += [_row(name, label, [cell(t) for t in trials]) for name, cell in _results(view)]
        different = _differing(trials)
        rows += [Content(""), line((" what differs", "$text-muted"))]
        rows += [_row(key, label, values) for key, values in different]
        if not different:
            rows.append(Content(" nothing: the same settings, other random numbers"))
        return [Row(content) for content in rows]


def _results(view: View) -> list[tuple[str, Callable[[Trial], str]]]:
    h, own = view.state.horizon, view.state.judged_by

    def metric(name: str) -> Callable[[Trial], str]:
        return lambda trial: ratio(trial.last(name, h))

    return [
        ("state", _state),
        ("epochs", lambda trial: str(len(trial.epochs))),
        (f"val {'RankIC' if own == 'rank_ic' else own}, h = {h}", metric(own)),
        ("its error", metric(f"{own}_se")),
        ("val IC", metric("ic")),
        ("sign ratio", metric("sign_ratio")),
        ("less the best baseline", metric("baseline_diff")),
        ("value", lambda trial: ratio(view.state.measured(trial.value))),
        ("s/epoch", lambda t: fixed(t.epochs[-1].seconds if t.epochs else None, 1)),
    ]


def _state(trial: Trial) -> str:
    return f"{state_glyph(trial)[0]} {state_word(trial)}"


def _differing(trials: Sequence[Trial]) -> list[tuple[str, list[str]]]:
    """Keys whose values are not the same everywhere: asked for, then what else workers found."""
    found: list[tuple[str, list[str]]] = []
    for sources in (
        [trial.params for trial in trials],
        [flat({k: v for k, v in trial.settings.items() if k not in _OWN}) for trial in trials],
    ):
        for key in sorted({key for source in sources for key in source}):
            values: list[Any] = [source.get(key) for source in sources]
            shown = [figure(value) for value in values]
            said = any(shown == told and f".{name}".endswith(f".{key}") for name, told in found)
            if len({str(value) for value in values}) > 1 and not said:
                found.append((key, shown))
    return found


def _row(name: str, label: int, values: Sequence[str]) -> Content:
    cells = "".join(f"{cut(value, _CELL - 1):>{_CELL}}" for value in values)
    return line((f" {pad(clean(name), label)}", "$text-muted"), cells)


class CompareScreen(LiveScreen[None]):
    """Some trials of the run, live."""

    SCOPE = "compare"
    HOME = "facts"
    BINDINGS: ClassVar[list[BindingType]] = bindings("compare")

    def __init__(self, numbers: Sequence[int]) -> None:
        super().__init__()
        self._numbers = tuple(numbers)

    def body(self) -> Iterable[Widget]:
        """Differences on the left, curves on the right."""
        with Grid(id="compare"):
            yield DifferencesPane(id="facts", focus=True)
            yield CurvesPane(id="curves")

    def show(self, view: View) -> None:
        """Only these trials of the view."""
        for pane in self.query(CurvesPane):  # none while the screen is being made or torn down
            pane.choose(self._numbers, "")
        super().show(replace(view, state=narrowed(view.state, self._numbers)))

    @on(Pane.Chosen)
    def _open(self, event: Pane.Chosen) -> None:
        """Enter on a curve."""
        if isinstance(event.pane, CurvesPane):
            self.app.push_screen(TrialScreen(int(event.key)))

    def action_close(self) -> None:
        """Out of the zoom, else back."""
        if self.zoomed:
            self.unzoom()
        else:
            self.dismiss(None)


def narrowed(state: State, numbers: Sequence[int]) -> State:
    """The state with some of its trials, in that order."""
    return replace(state, trials={n: state.trials[n] for n in numbers if n in state.trials})
