"""The verdicts of a run so far: what limited it, from when to when. Equal neighbours are one.

Made by the fold, one epoch or one mishap at a time, so a night costs a few dozen lines.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from atft_core.run.events import Json
from atft_core.run.fits import made
from atft_core.run.verdict.limits import Split, evidence, limit
from atft_core.run.wording import several

KEPT = 200
"""Stretches that are remembered: the newest."""
_NOTE = 200
"""Characters of a reason that are remembered."""


@dataclass(slots=True)
class Stretch:
    """A time with one verdict: epochs that were limited alike, or a mishap."""

    word: str
    since: float
    until: float
    first: int | None = None
    """Trial of its first epoch, or the one that it is about; None: the whole run."""
    last: int | None = None
    """Trial of its newest epoch."""
    epochs: int = 0
    split: Split | None = None
    """Where the time of its epochs went."""
    note: str = ""
    seq: int = 0
    told: float = 0.0
    """The event that told of its first epoch, and when; none of a mishap."""

    @property
    def seconds(self) -> float:
        """How long it was so."""
        return max(0.0, self.until - self.since)

    @property
    def said(self) -> str:
        """The numbers, or what happened."""
        if self.split is None:
            return self.note
        return f"{several(self.epochs, 'epoch')}{self._whose}: {evidence(self.word, self.split)}"

    @property
    def _whose(self) -> str:
        if self.first is None:
            return ""
        several_trials = self.last not in (None, self.first)
        return (
            f", trials {self.first} to {self.last}" if several_trials else f", trial {self.first}"
        )


def add_epoch(history: list[Stretch], trial: int, t: float, seconds: float,
              split: Split | None, *, event: tuple[int, float] = (0, 0.0)) -> None:  # fmt: skip
    """An epoch ended at `t`, as an event says; one without times says nothing."""
    if split is None:
        return
    word = limit(split)
    newest = history[-1] if history else None
    if newest is None or newest.word != word or newest.split is None:
        since = max(t - seconds, newest.until) if newest else t - seconds
        seq, told = event
        made = Stretch(word, min(since, t), t, trial, trial, 1, split, seq=seq, told=told)
        _add(history, made)
        return
    newest.split.add(split)
    newest.epochs += 1
    newest.until, newest.last = max(newest.until, t), trial


def add_mishap(history: list[Stretch], mishap: Stretch) -> None:
    """Something that is no epoch; the same again right after it is one stretch."""
    mishap.note = mishap.note[:_NOTE]
    newest = history[-1] if history else None
    if newest and (newest.word, newest.first, newest.split) == (mishap.word, mishap.first, None):
        newest.until, newest.note = max(newest.until, mishap.until), mishap.note
        return
    _add(history, mishap)


def _add(history: list[Stretch], stretch: Stretch) -> None:
    history.append(stretch)
    if len(history) > KEPT:
        del history[: len(history) - KEPT]


def copied(history: list[Stretch]) -> list[Stretch]:
    """A copy that later events do not change: only the newest stretch ever grows."""
    if not history:
        return []
    *past, newest = history
    return [*past, replace(newest, split=newest.split and replace(newest.split))]


def to_rows(history: list[Stretch]) -> list[Json]:
    """As JSON."""
    return [asdict(stretch) for stretch in history]


def of_rows(rows: list[Json]) -> list[Stretch]:
    """What `to_rows` was given; ValueError for anything else."""
    return [made(Stretch, row, split=_split_of(row["split"])) for row in rows]


def _split_of(row: Json | None) -> Split | None:
    if not row:
        return None
    split = made(Split, row)
    times = (split.wait, split.compute, split.validate, split.rest)
    if min(times) < 0 or split.wait + split.compute <= 0:
        raise ValueError(f"epochs cannot have taken {times} seconds")
    return split


def told(stretch: Stretch) -> Json:
    """As `atft status --verdicts --json` prints it."""
    return {**asdict(stretch), "seconds": round(stretch.seconds, 3), "said": stretch.said}
