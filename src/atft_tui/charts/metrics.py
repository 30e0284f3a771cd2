"""What is measured per epoch: name, unit, format and order of each metric."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

from atft_core.run.epochs import EpochRow
from atft_core.run.foreign import clean
from atft_core.run.state import State
from atft_core.run.wording import finite, fixed, ratio

Show = Callable[[float | None], str]


@dataclass(frozen=True)
class Metric:
    """A number of an epoch."""

    path: tuple[str, ...]
    """The part of the epoch's row, and the names on the way to the number in it."""
    name: str
    unit: str
    show: Show
    zero: bool = False
    """Whether its sign says something, so that the line of zero is drawn."""

    def read(self, row: EpochRow) -> float | None:
        """The number; None where it is undefined."""
        return _find(row, self.path)

    def error(self, row: EpochRow) -> float | None:
        """Its standard error, where one is known."""
        *way, name = self.path
        return _find(row, (*way, f"{name}_se"))


def _find(row: EpochRow, path: tuple[str, ...]) -> float | None:
    value: object = vars(row)
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return finite(value)


_whole, _tenths, _hundredths = (partial(fixed, decimals=decimals) for decimals in (0, 1, 2))


def _loss(value: float | None) -> str:
    return fixed(value, 4) if value is None or abs(value) < 1000 else f"{value:.4g}"


def _power(value: float | None) -> str:
    return fixed(value, 0) if value is None else f"{value:.2e}"


_VALIDATION: dict[str, tuple[str, Show, bool]] = {
    "rank_ic": ("RankIC", ratio, True),
    "ic": ("IC", ratio, True),
    "rank_ic_t": ("t of RankIC", _hundredths, True),
    "baseline_diff": ("RankIC less the best baseline", ratio, True),
    "baseline_diff_t": ("t of that difference", _hundredths, True),
    "blend_rank_ic": ("RankIC blended with LightGBM", ratio, True),
    "sign_ratio": ("sign ratio", ratio, True),
    "icir": ("ICIR", ratio, True),
    "rank_icir": ("RankICIR", ratio, True),
    "hit_rate": ("hit rate", ratio, False),
    "turnover": ("turnover", ratio, False),
    "ls_sharpe_daily": ("long-short Sharpe, period", ratio, True),
    "ls_sharpe_ann": ("long-short Sharpe, year", _hundredths, True),
    "days": ("days", _whole, False),
    "invalid_days": ("invalid days", _whole, False),
}
_EARNED = ("ls_sharpe_daily", "ls_sharpe_ann")
"""What depends on when one could have bought."""
_MACHINE: dict[tuple[str, ...], tuple[str, str, Show]] = {
    ("rates", "learning_rate"): ("learning rate", "", _power),
    ("seconds",): ("epoch time", "s", _tenths),
    ("gpu", "p10"): ("GPU duty p10", "%", _whole),
    ("gpu", "p50"): ("GPU duty p50", "%", _whole),
    ("gpu", "p90"): ("GPU duty p90", "%", _whole),
    ("gpu", "power"): ("GPU power", "W", _whole),
    ("gpu", "n"): ("GPU samples", "", _whole),
    ("rates", "windows_per_s"): ("training speed", "windows/s", _whole),
    ("rates", "gflop_per_s"): ("computing speed", "GFLOP/s", _whole),
    ("rates", "gb_per_s"): ("feeding speed", "GB/s", _hundredths),
    ("batches",): ("batches", "", _whole),
}
_CLOCK = {"train_start", "train_end"}
"""Times of day among the seconds."""


def judged_by(state: State) -> Metric:
    """What trials are judged by. Somebody else's study knows of no horizons."""
    found = _validation(str(state.horizon), state.judged_by)
    return replace(found, name=clean(state.judged_by, 24)) if state.watched else found


def loss(term: str = "loss") -> Metric:
    """What is trained on, or a part of it."""
    name = "train loss" if term == "loss" else f"loss term {clean(term, 20)}"
    return Metric(("train", term), name, "", _loss)


def entry_lag(state: State) -> str:
    """Days between the features of a prediction and the close at which its return begins.

    At 0 a Sharpe ratio buys at the very close that the features know.
    """
    found = state.facts.get("entry_lag")
    return f"entry lag {found if isinstance(found, int) else '?'}"


def metrics(
    rows: Iterable[EpochRow], horizon: int, lag: str = "", objective: str = "rank_ic"
) -> list[Metric]:
    """All that these epochs have, and the objective and the loss whatever they have.

    The objective and IC come first, then the loss and its terms, the machine, and the rest. `lag`
    is said with what would be earned by it.
    """
    first = (_validation(str(horizon), objective), loss())
    found: dict[tuple[str, ...], Metric] = {m.path: m for m in first}
    for row in rows:
        paths: list[tuple[str, ...]] = [("seconds",), ("batches",)]
        paths += [("train", name) for name in row.train]
        paths += [("gpu", name) for name in row.gpu or ()]
        paths += [("rates", name) for name in row.rates]
        paths += [("time", name) for name in row.time if name not in _CLOCK]
        found |= {path: _MAKE.get(path[0], _machine)(path) for path in paths if path not in found}
        found |= {
            ("val", h, name): _validation(h, name, lag)
            for h, values in row.val.items()
            for name in values
            if not name.endswith("_se") and name != "baseline"
        }
    return sorted(found.values(), key=lambda metric: (
        metric.path != first[0].path, _place(metric.path, horizon)
    ))  # fmt: skip


def _validation(horizon: str, name: str, lag: str = "") -> Metric:
    about, show, signed = _VALIDATION.get(name, (clean(name, 24), ratio, True))
    about += f", {lag}" if lag and name in _EARNED else ""
    title = f"val {about}, horizon {clean(horizon, 6)}"
    return Metric(("val", horizon, name), title, "", show, signed)


def _train(path: tuple[str, ...]) -> Metric:
    term = path[1]
    if not term.startswith("grad_"):
        return loss(term)
    return Metric(path, f"gradient of {clean(term.removeprefix('grad_'), 20)}", "", _power)


def _machine(path: tuple[str, ...]) -> Metric:
    unknown = " ".join((path[0], clean(path[-1], 24))), "", _hundredths
    return Metric(path, *_MACHINE.get(path, unknown))


def _time(path: tuple[str, ...]) -> Metric:
    return Metric(path, f"time in {clean(path[1], 20)}", "s", _hundredths)


_MAKE: dict[str, Callable[[tuple[str, ...]], Metric]] = {
    "train": _train, "time": _time,
}  # fmt: skip


def _place(path: tuple[str, ...], horizon: int) -> tuple[int, int, int, tuple[str, ...]]:
    """Group, place in it, then the objective's horizon before the others."""
    part, name = path[0], path[-1]
    if part == "val":
        h = int(path[1]) if path[1].isdecimal() else 0
        place = list(_VALIDATION).index(name) if name in _VALIDATION else len(_VALIDATION)
        return (0 if place < 2 else 5), place, (-1 if h == horizon else h), path
    if part == "train":
        return (4 if name.startswith("grad_") else 1), name != "loss", 0, path
    known = list(_MACHINE)
    return (2, known.index(path), 0, path) if path in _MACHINE else (3, part != "time", 0, path)
