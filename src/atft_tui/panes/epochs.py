"""The epochs of a trial, a line each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from textual.content import Content

from atft_core.run.epochs import EpochRow
from atft_core.run.foreign import clean
from atft_core.run.wording import finite, fixed, ratio
from atft_tui.format import line
from atft_tui.pane import Pane, Row, Table
from atft_tui.view import View

EpochColumn = tuple[str, int, Callable[[EpochRow], str]]
"""Head, width, cell."""


class EpochsPane(Pane):
    """The newest first."""

    def captions(self, view: View) -> tuple[str, str]:
        """Which horizon the table is about."""
        return f"8 Epochs, validation at horizon {view.state.horizon}", ""

    def rows(self, view: View, width: int, height: int) -> Sequence[Row]:
        """The columns that fit; of ten thousand epochs those in sight are made."""
        trial = view.trial
        if trial is None or not trial.epochs:
            return [Row(line((" no epoch has ended yet", "$text-muted")))]
        columns, epochs = (
            _fitting(view.state.horizon, width, view.state.judged_by),
            trial.epochs[::-1],
        )
        head = "".join(f"{name:>{wide}}" for name, wide, _ in columns)

        def make(place: int) -> Content:
            return Content("".join(f"{cell(epochs[place]):>{wide}}" for _, wide, cell in columns))

        keys = [str(epoch.epoch) for epoch in epochs]
        return Table([Row(line((head, "$text-muted")))], keys, make)


def _fitting(horizon: int, width: int, own: str) -> list[EpochColumn]:
    head = "RankIC" if own == "rank_ic" else clean(own, 6)

    def metric(key: str) -> Callable[[EpochRow], str]:
        return lambda row: ratio(row.metric(key, horizon))

    columns: list[EpochColumn] = [
        ("ep", 4, lambda row: str(row.epoch)),
        ("s", 7, lambda row: fixed(row.seconds, 1)),
        ("loss", 8, lambda row: fixed(finite(row.train.get("loss")), 3)),
        (head, 7, metric(own)),
        ("+-", 6, metric(f"{own}_se")),
        ("IC", 6, metric("ic")),
        ("sign", 6, metric("sign_ratio")),
        ("days", 6, lambda row: fixed(row.metric("days", horizon), 0)),
        ("batches", 11, lambda row: f"{row.batches}/{row.batches_available}"),
        ("wait s", 8, lambda row: fixed(finite(row.time.get("wait")), 1)),
        ("val s", 7, lambda row: fixed(finite(row.time.get("validate")), 1)),
        ("kwin/s", 8, lambda row: fixed(_thousands(row.rates.get("windows_per_s")), 1)),
        ("gpu p50", 9, lambda row: fixed(finite((row.gpu or {}).get("p50")), 0)),
    ]
    used = list(accumulate(wide for _, wide, _ in columns))
    return [column for column, end in zip(columns, used, strict=True) if end <= width]


def _thousands(value: Any) -> float | None:
    known = finite(value)
    return None if known is None else known / 1000
