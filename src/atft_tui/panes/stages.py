"""The two lines at the top: which run this is, and how far each stage of the runbook is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rich.cells import cell_len
from textual.content import Content

from atft_core.run.foreign import clean
from atft_core.run.wording import duration
from atft_tui.format import GLYPHS, cut_left, line, shown_path
from atft_tui.pane import Pane, Row
from atft_tui.view import StageView, View, seconds_left

_STATUS_STYLE = {
    "RUNNING": "$text-accent", "PAUSED": "bold $text-error", "STOPPING": "$text-warning",
    "HUNG": "bold $text-error",
    "FINISHED": "$text-success", "STOPPED": "$text-warning", "FAILED": "bold $text-error",
    "DIED": "bold $text-error", "UNKNOWN": "$text-warning",
}  # fmt: skip
_LONG_FIRST = ("RUNNING", "FAIL", "UNKNOWN", "LOCKED", "PENDING", "PASS")
"""Whose long text gets the room first."""


class StagesPane(Pane):
    """Header and stage strip."""

    EARLY = True

    def rows(self, view: View, width: int, height: int) -> list[Row]:
        """The two lines."""
        return [Row(header(view, width)), Row(strip(view, width))]


def header(view: View, width: int) -> Content:
    """What is shown, on the left; whether it lives, on the right, where it is never cut."""
    status, style, since = "no run yet", "$text-muted", ""
    if view.reading:
        status = f"reading {view.reading.percent}"
    if view.status is not None:
        status = view.status.name
        style = _STATUS_STYLE.get(status, "")
        end = view.now if view.live else view.state.ended or view.state.t
        since = f" {duration(view.state.spent(end))}" if view.state.started else ""
        rest = seconds_left(view.state, view.now) if view.live and width < 100 else None
        since += f", left {duration(rest)}" if rest is not None else ""
    host = clean(view.state.host)
    readonly = " read-only" if view.locked else ""
    right = line(
        (status, style),
        since,
        (readonly, "$text-warning"),
        f"  {host} " if host and width >= 100 else " ",
    )
    room = width - cell_len(right.plain) - 2
    left = _left(view, room)
    gap = " " * max(1, width - cell_len(left.plain) - cell_len(right.plain))
    return left + gap + right


def _left(view: View, room: int) -> Content:
    run = view.reading.path if view.reading else view.run and view.run.path
    where = shown_path(run) if run else clean(f"runbook {view.runbook.name}")
    data = _data(view)
    used = len(" atft  ") + (cell_len(data) + 2 if data else 0)
    if room - used < 12:
        data, used = "", len(" atft  ")
    return line(
        (" atft", "bold $primary"), f"  {data}" if data else "", "  ",
        (cut_left(where, max(4, room - used)), "$text-muted"),
    )  # fmt: skip


def _data(view: View) -> str:
    facts = view.state.facts
    if not facts.get("path"):
        return ""
    if facts.get("command"):
        words = str(facts["command"])  # with placeholders: the study says more
        return clean(view.state.study_name if " " in words else Path(words).name, 60)
    path = Path(str(facts["path"]))
    name = path.parent.name if path.stem in ("panel", "data") and path.parent.name else path.stem
    return clean(f"{name} {facts.get('stocks', '?')}x{facts.get('days', '?')}")


def strip(view: View, width: int) -> Content:
    """All stages on one line; the one that matters most says most."""
    stages = list(view.stages)
    if not view.runbook.stages:
        return line((" a study of another program: it is watched and not touched", "$text-muted"))
    if not stages:
        return line((" reading the stages ...", "$text-muted"))
    chosen = [stage.short for stage in stages]
    if _needed(stages, chosen) > width:  # the key says which stage, where its title has no room
        stages = [replace(s, stage=replace(s.stage, title=s.stage.key)) for s in stages]
    order = sorted(range(len(stages)), key=lambda i: _LONG_FIRST.index(stages[i].word))
    for i in order:
        trial = [*chosen]
        trial[i] = stages[i].long or stages[i].short
        if _needed(stages, trial) <= width:
            chosen = trial
    spare = max(0, width - _needed(stages, chosen)) // len(stages)
    parts = [_one(stage, text) for stage, text in zip(stages, chosen, strict=True)]
    return Content(" ") + Content(" " * (3 + min(spare, 8))).join(parts)


def _one(stage: StageView, text: str) -> Content:
    glyph, style = GLYPHS[stage.word]
    return line(
        (stage.stage.hotkey, "bold $text-accent"), f" {clean(stage.stage.title, 30)}  ",
        (glyph, f"bold {style}"), " ", (text, style),
    )  # fmt: skip


def _needed(stages: list[StageView], texts: list[str]) -> int:
    widths = [cell_len(_one(stage, text).plain) for stage, text in zip(stages, texts, strict=True)]
    return 1 + sum(widths) + 3 * (len(stages) - 1)
