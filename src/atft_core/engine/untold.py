"""What a run is judged by and a first epoch did not tell: then a misspelt name is best known."""

from __future__ import annotations

from collections.abc import Iterator

from atft_core.run.epochs import EpochRow
from atft_core.run.judge.criteria import asked_metric
from atft_core.run.stages import Stage
from atft_core.run.state import State

_SHOWN = 12
"""Names that are listed of those that were told."""


def untold(state: State, stage: Stage | None, row: EpochRow) -> Iterator[str]:
    """A warning for each metric that is waited for; programs may tell some not every epoch."""
    waited: dict[tuple[str, int], str] = {(state.judged_by, state.horizon): "the study is about"}
    for criterion in stage.criteria if stage else ():
        if metric := asked_metric(criterion.name):
            at = (metric, criterion.horizon or state.horizon)
            waited.setdefault(at, f"criterion {criterion.name} asks for")
    for (name, horizon), why in waited.items():
        told = row.val.get(str(horizon), {})
        if name not in told:
            names = ", ".join(sorted(told)[:_SHOWN]) or "none"
            missing = f"no number was told for {name} at horizon {horizon}"
            yield f"{missing}, which {why}; there are {names}"
