"""The trial table: what runs first, then the best, each with its error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from textual.content import Content

from atft_core.run.foreign import clean
from atft_core.run.measure_model import luck, tried
from atft_core.run.state import State, Trial
from atft_core.run.wording import fixed, ratio
from atft_tui.format import GLYPHS, cut, figure, line
from atft_tui.pane import Pane, Row, Table
from atft_tui.view import View

_STATES = {
    "COMPLETE": ("PASS", "done"), "PRUNED": ("LOCKED", "pruned"), "FAIL": ("FAIL", "failed"),
    "RUNNING": ("RUNNING", "runs"), "WAITING": ("PENDING", "waits"), "ASKED": ("PENDING", "asked"),
}  # fmt: skip
_ORDER = ("RUNNING", "WAITING", "ASKED", "COMPLETE", "PRUNED", "FAIL")
_SHORT = {
    "learning_rate": "lr", "hidden": "hidden", "block_days": "days", "dropout": "drop",
    "sparsity": "sparse",
    "rank_ic": "w.rank", "cs_ic": "w.cs", "sharpe": "w.shrp", "spearman": "w.spear",
    "huber": "w.hub", "weight_decay": "decay", "lookback": "back",
}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """A right-aligned column."""

    head: str
    width: int
    cell: Callable[[Trial], str]


class TrialsPane(Pane):
    """One row per trial; enter opens it."""

    def captions(self, view: View) -> tuple[str, str]:
        """How much of the best value luck alone explains belongs below the table."""
        return "3 Trials", noise_floor(view.state)

    def rows(self, view: View, width: int, height: int) -> Sequence[Row]:
        """A header, then the trials in order."""
        state = view.state
        columns = fitting(state, width)
        head = " " + "".join(f" {c.head:>{c.width}}" for c in columns)
        head = head.replace(" state", "state ", 1)
        header = Row(line((head, "$text-muted")))
        if not state.trials:
            return [header, Row(line(("  no trial yet", "$text-muted")))]
        trials = in_order(state)
        keys = [str(trial.number) for trial in trials]
        return Table([header], keys, lambda place: _line(trials[place], columns))


def noise_floor(state: State) -> str:
    """What the best of as many trials that know nothing would be expected to reach."""
    if state.walks:
        return "folds: each on its own days"
    best, count = state.best, len(tried(state))
    error = best.last("rank_ic_se", state.horizon) if best else None
    if error is None or error <= 0 or count < 2:
        return ""
    return f"luck: best of {count} is {ratio(luck(state, error))}"


def in_order(state: State) -> list[Trial]:
    """Running trials first, then complete ones by value, then what was given up."""

    def place(trial: Trial) -> tuple[int, float, int]:
        rank = _ORDER.index(trial.state) if trial.state in _ORDER else 0
        value = -(trial.value or 0.0) if trial.state == "COMPLETE" else 0.0
        return rank, value, trial.number

    return sorted(state.trials.values(), key=place)


def fitting(state: State, width: int) -> list[Column]:
    """The columns that fit, from the indispensable ones to the parameters."""
    columns: list[Column] = []
    used = 1
    for column in [*_fixed(state), *_params(state)]:
        if used + column.width + 1 > width:
            break
        columns.append(column)
        used += column.width + 1
    return columns


def _fixed(state: State) -> list[Column]:
    h = state.horizon

    def metric(name: str) -> Callable[[Trial], str]:
        return lambda trial: ratio(trial.last(name, h))

    return [
        Column("#", 3, lambda trial: str(trial.number)),
        Column("state", 9, _state),
        Column("ep", 5, lambda trial: _epochs(trial, state.max_epochs)),
        Column("RankIC", 6, metric("rank_ic")),
        Column("+-", 5, metric("rank_ic_se")),
        Column("s/ep", 6, lambda t: fixed(t.epochs[-1].seconds if t.epochs else None, 1)),
        Column("IC", 6, metric("ic")),
        Column("+-", 5, metric("ic_se")),
        Column("value", 6, lambda trial: ratio(trial.value)),
        Column("t", 5, lambda trial: fixed(trial.last("rank_ic_t", h), 1)),
        Column("sign", 6, metric("sign_ratio")),
    ]


def _params(state: State) -> list[Column]:
    """What differs between the trials first: that is what the study is about."""
    names = {name for trial in state.trials.values() for name in trial.params}
    known = list(_SHORT)

    def place(name: str) -> tuple[bool, int, str]:
        alike = len({str(trial.params.get(name)) for trial in state.trials.values()}) == 1
        last = name.rpartition(".")[2]
        return alike, known.index(last) if last in known else len(known), name

    return [_param(name) for name in sorted(names, key=place)]


def _param(name: str) -> Column:
    last = name.rpartition(".")[2]
    head = clean(_SHORT.get(last, last), 7)
    return Column(head, max(6, len(head)), lambda trial: cut(figure(_of(trial, name)), 7))


def _of(trial: Trial, name: str) -> float | str | None:
    value = trial.params.get(name)
    return f"{value:.2g}" if isinstance(value, float) else value


def _state(trial: Trial) -> str:
    word, said = _STATES.get(trial.state, ("UNKNOWN", clean(trial.state, 6).lower()))
    return f"{GLYPHS[word][0]} {said}".ljust(9)


def _epochs(trial: Trial, planned: int) -> str:
    done = str(len(trial.epochs))
    of_all = f"{done}/{planned}"
    return of_all if trial.running and len(of_all) <= 5 else done


def _line(trial: Trial, columns: list[Column]) -> Content:
    style = GLYPHS[_STATES.get(trial.state, ("UNKNOWN", ""))[0]][1]
    dim = "$text-muted" if trial.state in ("PRUNED", "FAIL") else ""
    parts: list[str | tuple[str, str]] = [" "]
    for column in columns:
        cell = column.cell(trial).rjust(column.width)
        if column.head == "state":
            parts += [" ", (cell[:2], f"bold {style}"), (cell[2:], dim or style)]
        else:
            parts.append((f" {cell}", "$text-muted" if column.head == "+-" else dim))
    return line(*parts)
