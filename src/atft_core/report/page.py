"""The page: one file that needs nothing else, on a phone, in the dark and on paper."""

from __future__ import annotations

import time
from importlib.resources import files
from typing import Any

from atft_core import __version__
from atft_core.errors import UsageError
from atft_core.report.evidence import Evidence
from atft_core.run.foreign import clean
from atft_core.run.wording import MISSING, duration, fixed

_LONG = 100_000
"""Characters of a text that are shown."""


def page(found: Evidence, cost_bps: float) -> str:
    """The HTML; UsageError where the extra is not installed."""
    try:
        import jinja2
        import matplotlib as mpl
    except ImportError as error:
        raise UsageError(
            f"A report needs {error.name}, which is not installed.",
            hint="pip install 'atft[report]'",
        ) from error
    from atft_core.report.sections import sections  # draws, so it comes after the check

    del mpl
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["clean"] = _clean
    template = environment.from_string((files(__package__) / "page.html.j2").read_text("utf-8"))
    return template.render(
        title=f"{found.state.study_name} ({found.run.path.name})",
        tiles=_tiles(found),
        verdict=found.verdict.value if found.verdict else "",
        state=found.status.name,
        why=found.status.reason,
        sections=sections(found, cost_bps),
        made=time.strftime("%Y-%m-%d %H:%M"),
        version=__version__,
    )


def _clean(text: Any) -> str:
    """What others wrote, without what a browser or a reader could trip over."""
    return "\n".join(clean(line, _LONG) for line in str(text).split("\n"))


def _tiles(found: Evidence) -> list[tuple[str, str, str]]:
    """What a reader wants first: name, value, and what stands under it."""
    state, trial = found.state, found.trial
    value, under = MISSING, "no trial is complete"
    if trial is not None and trial.epochs:
        name = state.judged_by
        value = fixed(trial.last(name, found.horizon), 4)
        error, days = trial.last(f"{name}_se", found.horizon), trial.last("days", found.horizon)
        known = f"+-{fixed(error, 4)} on {int(days or 0)} days" if days else f"trial {trial.number}"
        under = f"{known}, h={found.horizon}"
    ended = [each for each in state.trials.values() if each.ended]
    took = (state.ended or state.t) - state.started if state.started else None
    best = state.best.number if state.best else MISSING
    met = sum(result.verdict.value == "PASS" for result in found.results)
    return [
        (f"{found.judged}, validation", value, under),
        ("trials", f"{len(ended)}/{state.n_trials}", f"best: {best}"),
        *([("criteria", f"{met}/{len(found.results)}", found.stage.title)] if found.stage else []),
        ("took", duration(took), f"{state.engines} engine{'s' * (state.engines > 1)}"),
    ]  # fmt: skip
