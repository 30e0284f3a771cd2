"""RankIC and loss by epoch, one line per trial."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual.content import Content

from atft_core.run.state import State, Trial
from atft_core.run.wording import finite, ratio
from atft_tui.canvas import Series, chart
from atft_tui.format import line
from atft_tui.pane import Pane, Row
from atft_tui.view import View

_COLOURS = ("$text-primary", "$text-warning", "$text-success", "$text-secondary", "$text-error")
_SHOWN = 5
"""Lines that can still be told apart."""


class CurvesPane(Pane):
    """Two charts beside each other, or one above the other when zoomed."""

    def __init__(self, id: str | None = None, title: str = "Curves by epoch") -> None:
        super().__init__(id=id)
        self._title = title
        self.chosen: tuple[int, ...] = ()
        """Trials that are drawn; none: the best and the newest."""

    def captions(self, view: View) -> tuple[str, str]:
        """Which of many trials are drawn."""
        if self.chosen:
            return self._title, f"marked: {', '.join(map(str, self.chosen))}"
        drawn, known = len(chosen(view.state)), len(view.state.trials)
        some = f"best and newest {drawn} of {known} trials" if drawn < known else ""
        return self._title, some

    def rows(self, view: View, width: int, height: int) -> list[Row]:
        """Both charts in the room there is."""
        trials = chosen(view.state, self.chosen)
        h = view.state.horizon
        rank_ic = [_series(t, i, _rank_ic(t, h)) for i, t in enumerate(trials)]
        loss = [_series(t, i, _loss(t)) for i, t in enumerate(trials)]
        titles = (f"val RankIC, horizon {h}", "train loss")
        if height >= 24:
            half = height // 2
            lines = [
                *titled(titles[0], chart(rank_ic, width - 2, half - 1, ratio, zero=True), width),
                *titled(titles[1], chart(loss, width - 2, half - 1, _plain), width),
            ]
        else:
            half = (width - 3) // 2
            left = titled(titles[0], chart(rank_ic, half - 1, height - 1, ratio, zero=True), half)
            right = titled(titles[1], chart(loss, half - 1, height - 1, _plain), half)
            lines = beside(left, right, half)
        return [Row(Content(" ") + content) for content in lines]


def chosen(state: State, numbers: Sequence[int] = ()) -> list[Trial]:
    """The trials of these numbers, else the best and those at work; colour follows place."""
    if numbers:
        return [state.trials[n] for n in numbers if n in state.trials]
    with_epochs = [trial for trial in state.trials.values() if trial.epochs]
    ranked = sorted(
        with_epochs,
        key=lambda t: (t.running, t.last("rank_ic", state.horizon) or -1.0),
        reverse=True,
    )
    return sorted(ranked[:_SHOWN], key=lambda trial: trial.number)


def _series(trial: Trial, place: int, points: list[tuple[float, float | None]]) -> Series:
    return Series(str(trial.number), tuple(points), _COLOURS[place % len(_COLOURS)])


def _rank_ic(trial: Trial, horizon: int) -> list[tuple[float, float | None]]:
    return [(float(row.epoch), row.metric("rank_ic", horizon)) for row in trial.epochs]


def _loss(trial: Trial) -> list[tuple[float, float | None]]:
    return [(float(row.epoch), finite(row.train.get("loss"))) for row in trial.epochs]


def _plain(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.4g}"


def titled(title: str, lines: list[Content], width: int) -> list[Content]:
    """A chart under its title."""
    return [line((title[:width], "$text-muted")), *lines]


def beside(left: list[Content], right: list[Content], half: int) -> list[Content]:
    """Two charts next to each other."""
    height = max(len(left), len(right))
    left = left + [Content("")] * (height - len(left))
    right = right + [Content("")] * (height - len(right))
    return [
        a + " " * max(1, half + 1 - cell_len(a.plain)) + b for a, b in zip(left, right, strict=True)
    ]
