"""The loss of the newest epoch, term by term: its weight, its value, how it moved, its pull."""

from __future__ import annotations

from atft_core.run.epochs import EpochRow
from atft_core.run.foreign import clean
from atft_core.run.state import Trial
from atft_core.run.wording import finite, fixed
from atft_tui.format import cut, line, pad
from atft_tui.pane import Pane, Row
from atft_tui.view import View

_COLUMNS = (("weight", 7), ("value", 9), ("moved", 9), ("in all", 9), ("pull", 10))
"""Since the epoch before, since the first one; the norm of the term's gradient."""
_LABEL = 12
_PULL = "grad_"


class TermsPane(Pane):
    """The loss, then its terms."""

    def captions(self, view: View) -> tuple[str, str]:
        """Of which epoch."""
        trial = view.trial
        newest = trial.epochs[-1].epoch if trial and trial.epochs else None
        return "3 Loss by term", f"epoch {newest}" if newest is not None else ""

    def rows(self, view: View, width: int, height: int) -> list[Row]:
        """The columns that fit."""
        trial = view.trial
        if trial is None or not trial.epochs:
            return [Row(line((" no epoch has ended yet", "$text-muted")))]
        room = (width - _LABEL - 1) // 9
        shown = _COLUMNS if room >= 5 else _COLUMNS[1 : 1 + max(2, room)]
        first = _COLUMNS.index(shown[0])
        head = "".join(f"{name:>{wide}}" for name, wide in shown)
        rows = [Row(line((f" {'':{_LABEL}}{head}", "$text-muted")))]
        for name in _terms(trial.epochs[-1]):
            cells = _cells(trial, name)[first : first + len(shown)]
            text = "".join(f"{cell:>{wide}}" for cell, (_, wide) in zip(cells, shown, strict=True))
            style = "bold" if name == "loss" else ""
            rows.append(Row(line((f" {pad(clean(name), _LABEL)}", "$text-muted"), (text, style))))
        return rows


def _terms(row: EpochRow) -> list[str]:
    """The loss first."""
    known = [name for name in row.train if not name.startswith(_PULL)]
    return sorted(known, key=lambda name: name != "loss")


def _cells(trial: Trial, name: str) -> list[str]:
    """The cells of all columns."""
    weights = trial.settings.get("loss")
    weight = finite(weights.get(name)) if isinstance(weights, dict) else None
    rows = trial.epochs
    value, pull = _value(rows[-1], name), _value(rows[-1], f"{_PULL}{name}")
    before = _value(rows[-2], name) if len(rows) > 1 else None
    first = _value(rows[0], name) if len(rows) > 1 else None
    return [
        "" if name == "loss" else fixed(weight, 2),
        cut(fixed(value, 4), 8),
        _way(before, value),
        _way(first, value),
        "" if name == "loss" else "-" if pull is None else f"{pull:.2e}",
    ]


def _value(row: EpochRow, name: str) -> float | None:
    return finite(row.train.get(name))


def _way(start: float | None, end: float | None) -> str:
    """The difference, with its sign."""
    if start is None or end is None:
        return "-"
    return cut(f"{end - start:+.4f}", 8)
