"""What the study asked of a trial, and the best trial's values where they differ."""

from __future__ import annotations

from atft_core.run.events import Json
from atft_core.run.foreign import clean
from atft_core.run.state import Trial
from atft_tui.format import cut, cut_left, figure, line, pad
from atft_tui.pane import Pane, Row
from atft_tui.view import View

_CELL = 11


class ParamsPane(Pane):
    """A line per parameter; first those that are not the best trial's."""

    def captions(self, view: View) -> tuple[str, str]:
        """How many differ."""
        best, ours = _other(view), view.trial.params if view.trial else {}
        if best is None:
            return "2 Parameters", ""
        differing = len(_differing(ours, best.params))
        return "2 Parameters", f"not as in the best trial: {differing}"

    def rows(self, view: View, width: int, height: int) -> list[Row]:
        """Name, value, the best trial's value."""
        ours = view.trial.params if view.trial else {}
        if not ours:
            return [Row(line((" the study asked for nothing", "$text-muted")))]
        best = _other(view)
        theirs = best.params if best else ours
        differing, label = _differing(ours, theirs), max(12, min(40, width - 2 - 2 * _CELL))
        lines = [_line("", "this", f"best, {best.number}", label)] if best else []
        lines += [_line(key, _cell(ours, key), _cell(theirs, key), label) for key in differing]
        lines += [_line(key, _cell(ours, key), "", label) for key in sorted({*ours} - {*differing})]
        return [Row(line((text[: label + 1], "$text-muted"), text[label + 1 :])) for text in lines]


def _other(view: View) -> Trial | None:
    """The best trial, when it is another one."""
    best = view.state.best
    return None if best is None or best is view.trial else best


def _differing(ours: Json, theirs: Json) -> list[str]:
    return [key for key in sorted({**ours, **theirs}) if ours.get(key) != theirs.get(key)]


def _line(name: str, this: str, best: str, label: int) -> str:
    shown = pad(cut_left(clean(name), label), label)
    return f" {shown}{cut(this, _CELL - 1):>{_CELL}}{cut(best, _CELL - 1):>{_CELL}}"


def _cell(params: Json, key: str) -> str:
    return figure(params.get(key))
