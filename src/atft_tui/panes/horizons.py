"""The newest validation at every horizon, each figure with its standard error and its t."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate

from atft_core.run.epochs import EpochRow
from atft_core.run.foreign import clean
from atft_core.run.wording import fixed, ratio
from atft_tui.charts.metrics import entry_lag
from atft_tui.format import line
from atft_tui.pane import Pane, Row
from atft_tui.view import View

Cell = Callable[[EpochRow, int], str]


def _ratio(key: str) -> Cell:
    return lambda row, h: ratio(row.metric(key, h))


def _fixed(key: str, decimals: int) -> Cell:
    return lambda row, h: fixed(row.metric(key, h), decimals)


def _t_of_ic(row: EpochRow, h: int) -> str:
    value, error = row.metric("ic", h), row.metric("ic_se", h)
    return fixed(value / error if value is not None and error else None, 1)


_SHARPE = "L/S"
_COLUMNS: tuple[tuple[str, int, Cell], ...] = (
    ("RankIC", 7, _ratio("rank_ic")),
    ("+-", 5, _ratio("rank_ic_se")),
    ("t", 5, _fixed("rank_ic_t", 1)),
    ("IC", 7, _ratio("ic")),
    ("+-", 5, _ratio("ic_se")),
    ("t", 5, _t_of_ic),
    ("sign", 6, _ratio("sign_ratio")),
    ("ICIR", 6, _fixed("icir", 2)),
    ("hit", 6, _ratio("hit_rate")),
    (_SHARPE, 6, _fixed("ls_sharpe_ann", 2)),
    ("turn", 6, _ratio("turnover")),
    ("days", 6, _fixed("days", 0)),
)
_AGAINST = 34
"""Cells of the comparison with the best baseline."""


class HorizonsPane(Pane):
    """A line per horizon; the objective's is marked."""

    def captions(self, view: View) -> tuple[str, str]:
        """What the Sharpe ratio is of, where there is one; of which epoch."""
        trial, title = view.trial, "4 Validation by horizon"
        if trial is None or not trial.epochs:
            return title, ""
        if any(name == _SHARPE for name, *_ in _fitting(self.scrollable_content_region.width)):
            title += f", {_SHARPE}: Sharpe p.a., {entry_lag(view.state)}"
        return title, f"epoch {trial.epochs[-1].epoch}"

    def rows(self, view: View, width: int, height: int) -> list[Row]:
        """The columns that fit; the comparison beside or below them."""
        trial = view.trial
        if trial is None or not trial.epochs:
            return [Row(line((" no epoch has ended yet", "$text-muted")))]
        row = trial.epochs[-1]
        horizons = sorted(int(h) for h in row.val if h.isdecimal())
        shown = _fitting(width)
        beside = 7 + sum(wide for _, wide, _ in shown) + _AGAINST <= width
        head = f" {'h':>4}  " + "".join(f"{name:>{wide}}" for name, wide, _ in shown)
        rows = [line((head + (_against_head() if beside else ""), "$text-muted"))]
        for h in horizons:
            cells = "".join(f"{cell(row, h):>{wide}}" for _, wide, cell in shown)
            style = "bold" if h == view.state.horizon else ""
            rows.append(line((f" {h:>4}  {cells}{_against(row, h) if beside else ''}", style)))
        if not beside:
            rows += [line("")] * (2 * len(horizons) + 3 <= height)
            rows += [line((f" {'h':>4}{_against_head()}", "$text-muted"))]
            rows += [line(f" {h:>4}{_against(row, h)}") for h in horizons]
        return [Row(content) for content in rows]


def _fitting(width: int) -> list[tuple[str, int, Cell]]:
    used = accumulate((wide for _, wide, _ in _COLUMNS), initial=7)
    return [each for each, end in zip(_COLUMNS, list(used)[1:], strict=True) if end <= width]


def _against_head() -> str:
    return f"  {'less best':>9}{'+-':>6}{'t':>5}  baseline"


def _against(row: EpochRow, h: int) -> str:
    """RankIC less the best baseline's, day by day."""
    difference, error = row.metric("baseline_diff", h), row.metric("baseline_diff_se", h)
    t = row.metric("baseline_diff_t", h)
    name = clean(str(row.val.get(str(h), {}).get("baseline") or "-"), 10)
    return f"  {ratio(difference):>9}{ratio(error):>6}{fixed(t, 1):>5}  {name}"
