"""The values below a chart: each drawn trial at one epoch, with its error and its extremes."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from atft_core.run.state import Trial
from atft_core.run.wording import MISSING
from atft_tui.charts.curve import Curve
from atft_tui.charts.metrics import Metric
from atft_tui.format import line, pad
from atft_tui.pane import Row
from atft_tui.trial_table import state_glyph, state_word

COLOURS = ("$text-primary", "$text-warning", "$text-success", "$text-secondary", "$text-error")
"""Of the lines, by place: as many as can be told apart."""
_COLUMNS = (("value", 10), ("+-", 9), ("moved", 10), ("lowest", 10), ("at", 5), ("highest", 10),
            ("at", 5))  # fmt: skip


def table(
    trials: Sequence[Trial], curves: Sequence[Curve], metric: Metric, epoch: int | None
) -> list[Row]:
    """A head and a line per trial; epoch None: each at its newest."""
    head = f" {_where(epoch):<17}" + "".join(f"{name:>{wide}}" for name, wide in _COLUMNS)
    rows = [Row(line((head, "$text-muted")))]
    for trial, curve, colour in zip(trials, curves, COLOURS, strict=False):
        glyph, style = state_glyph(trial)
        cells = zip(_cells(curve, metric, _place(curve, epoch)), _COLUMNS, strict=True)
        content = line(
            "  ", (f"{trial.number:<4}", colour), " ", (glyph, style),
            f" {pad(state_word(trial), 8)}",
            "".join(f"{cell:>{wide}}" for cell, (_, wide) in cells),
        )  # fmt: skip
        rows.append(Row(content, str(trial.number)))
    return rows


def one_line(
    trials: Sequence[Trial], curves: Sequence[Curve], metric: Metric, epoch: int | None, cursor: str
) -> Row:
    """All values behind each other, that of the trial of the cursor first."""
    parts: list[str | tuple[str, str]] = [(f" {_where(epoch)}", "$text-muted")]
    lines = sorted(zip(trials, curves, COLOURS, strict=False),
                   key=lambda line: str(line[0].number) != cursor)  # fmt: skip
    for trial, curve, colour in lines:
        name, place = str(trial.number), _place(curve, epoch)
        value, error = (None, None) if place is None else (curve.values[place], curve.errors[place])
        around = "" if error is None else f" +- {metric.show(error)}"
        parts += ["  >" if name == cursor else "   ", (name, colour),
                  f" {metric.show(value)}{around}"]  # fmt: skip
    return Row(Content.assemble(*parts))


def _where(epoch: int | None) -> str:
    return "newest epoch" if epoch is None else f"epoch {epoch}"


def _place(curve: Curve, epoch: int | None) -> int | None:
    if epoch is not None:
        return curve.place(epoch)
    return len(curve.epochs) - 1 if curve.epochs else None


def _cells(curve: Curve, metric: Metric, place: int | None) -> list[str]:
    """Value, error, the way from the epoch before, and both extremes with their epochs."""
    value = error = moved = None
    if place is not None:
        value, error = curve.values[place], curve.errors[place]
        before = curve.values[place - 1] if place else None
        moved = None if value is None or before is None else value - before
    cells = [metric.show(value), metric.show(error), signed(moved, metric)]
    for extreme in (curve.lowest, curve.highest):
        cells += [metric.show(extreme[0]), str(extreme[1])] if extreme else [MISSING] * 2
    return cells


def signed(moved: float | None, metric: Metric) -> str:
    """A difference, with its sign."""
    return ("" if moved is None or moved < 0 else "+") + metric.show(moved)
