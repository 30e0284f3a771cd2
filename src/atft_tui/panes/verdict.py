"""The verdict: what limits the run, and what to do. Zoomed: the evidence for it."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import nlargest

from textual.content import Content

from atft_core.run.alerts import newest_standing
from atft_core.run.epochs import EpochRow
from atft_core.run.events import Decision, Json
from atft_core.run.foreign import clean
from atft_core.run.state import Alert, State
from atft_core.run.verdict.history import Stretch
from atft_core.run.wording import duration, fixed, size
from atft_tui.format import clock, cut, line, wrapped
from atft_tui.pane import Pane, Row
from atft_tui.view import View

_WORD_STYLE = {
    "compute-bound": "$text-success", "unknown": "$text-muted", "preflight": "$text-muted",
    "HUNG": "$text-error", "PAUSED": "$text-error",
    "DIED": "$text-error", "FAILED": "$text-error", "CRASHED": "$text-error",
    "contended": "$text-error", "FINISHED": "$text-success",
}  # fmt: skip
_TIMES = {
    "wait": "wait", "forward": "forward", "backward": "backward", "optim": "optimiser",
    "validate": "validate", "other": "other",
}  # fmt: skip


_LEVEL_STYLE = {"info": "$text-muted", "error": "$text-error"}
_ALERTS = 50
"""Which are listed: the newest."""
_EPOCHS = 12
"""Whose times are listed: the newest."""
_STRETCHES = 40
"""Verdicts that are listed: the newest."""


class VerdictPane(Pane):
    """A word, its evidence, one thing to do."""

    EARLY = True

    def captions(self, view: View) -> tuple[str, str]:
        """The newest alert belongs where the eye is."""
        alert = newest_standing(view.state)
        return "2 Verdict", cut(clean(alert.text), 50) if alert else ""

    def rows(self, view: View, width: int, height: int) -> list[Row]:
        """As much as there is room for."""
        lines = summary(view, width, height)
        lines += conclusion(view.state, width, height - len(lines))
        if height > 8:
            lines += details(view.state, width)
        return [Row(content) for content in lines]


def summary(view: View, width: int, height: int) -> list[Content]:
    """The word, its evidence and one thing to do, in as many lines as there are."""
    if view.trouble:
        return [line((f" {text}", "$text-error")) for text in wrapped(view.trouble, width - 1)]
    if view.reading:
        log = f"reading the log, {view.reading.percent} of {size(view.reading.size)}"
        return [line((f" {cut(log, width - 1)}", "$text-muted"))]
    found = view.diagnosis
    if found is None:
        first = view.stages[0].stage if view.stages else None
        todo = f": press {first.hotkey} for the {clean(first.title, 30)}" if first else ""
        return [line((" nothing has been run yet", "$text-muted"), todo)]
    word = clean(found.word)
    style = f"bold {_WORD_STYLE.get(found.word, '$text-warning')}"
    action = "" if found.action == "nothing to do" else f"  -> {clean(found.action)}"
    said = f"{word}  {clean(found.text)}{action}"
    if height == 1:
        return [line(" ", (word, style), said[len(word) :])]
    pieces = wrapped(said, width - 2, 0 if height > 4 else height)
    return [
        line(" ", (word, style), pieces[0][len(word) :]),
        *(Content(f" {p}") for p in pieces[1:]),
    ]


def conclusion(state: State, width: int, room: int) -> list[Content]:
    """What all trials say together, once a run has ended, in as many lines as there are."""
    if room <= 0:
        return []
    for name, found in (("walk-forward", state.walk), ("luck", state.significance)):
        if found:
            said = f"{name}  {clean(str(found.get('said', '')), 600)}"
            first, *rest = wrapped(said, width - 2, room)
            head = line(" ", (name, "bold"), first[len(name) :])
            return [head, *(Content(f" {part}") for part in rest)]
    return []


def details(state: State, width: int) -> list[Content]:
    """The alerts, what it was before, where the time of each epoch went, preflight and rules."""
    lines = []
    if state.alerts:
        lines += [Content(""), _heading(_told(state))]
        lines += [row for each in state.alerts[: -_ALERTS - 1 : -1] for row in _alert(each, width)]
    lines += [Content(""), *_history(state, width), Content(""), *_times(state)]
    if state.preflight:
        lines += [Content(""), _heading("preflight")]
        lines += _checks(state.preflight, width)
    if state.decisions:
        lines += [Content(""), _heading("decisions")]
        lines += [_decision(t, each) for t, each in reversed(state.decisions)]
    return lines


def _history(state: State, width: int) -> list[Content]:
    """The verdicts so far, newest first."""
    shown = state.verdicts[: -_STRETCHES - 1 : -1]
    if not shown:
        return []
    more = len(state.verdicts) - len(shown)
    hint = f", the {len(shown)} newest (all: atft status --verdicts)" if more else ""
    head = line((f" {'since':8} {'for':>7}  {'verdict':16}  numbers{hint}", "$text-muted"))
    return [head, *(_stretch(each, width) for each in shown)]


def _stretch(each: Stretch, width: int) -> Content:
    word, said = clean(each.word, 16), cut(clean(each.said), max(0, width - 36))
    return line(
        (f" {clock(each.since)} {duration(each.seconds):>7}  ", "$text-muted"),
        (f"{word:16}", _WORD_STYLE.get(each.word, "$text-warning")), f"  {said}",
    )  # fmt: skip


def _told(state: State) -> str:
    """How many alerts there were, where not all are listed."""
    count = len(state.alerts)
    return "alerts" if count <= _ALERTS else f"alerts, the newest {_ALERTS} of {count}"


def _alert(alert: Alert, width: int) -> list[Content]:
    """In full, for a reason is often long: its beginning alone helps nobody."""
    when, word = f" {clock(alert.since)} ", clean(alert.level, 8)
    style = _LEVEL_STYLE.get(alert.level, "$text-warning")
    margin = len(when) + 8
    first, *rest = wrapped(clean(alert.text), width - margin) or [""]
    head = line((when, "$text-muted"), (f"{word:8}", style), first)
    return [head, *(Content(" " * margin + part) for part in rest)]


def _decision(t: float, decision: Decision) -> Content:
    rule = clean(decision.rule, 14)
    return line((f" {clock(t)} ", "$text-muted"), f"{rule:14} {clean(decision.said)}")


def _heading(text: str) -> Content:
    return line((f" {text}", "bold $text-muted"))


def _times(state: State) -> list[Content]:
    newest = nlargest(_EPOCHS, state.trials.values(), key=lambda trial: trial.heard)
    pairs = ((row, trial.number) for trial in newest for row in trial.epochs[-_EPOCHS:])
    rows = nlargest(_EPOCHS, pairs, key=lambda pair: pair[0].t)
    if not rows:
        return []
    head = f" {'trial':>5} {'epoch':>5} {'seconds':>8}" + "".join(f"{name:>9}" for name in _TIMES)
    return [line((head, "$text-muted")), *(_timed(row, number) for row, number in rows)]


def _timed(row: EpochRow, number: int) -> Content:
    parts = "".join(f"{fixed(row.time.get(part), 1):>9}" for part in _TIMES.values())
    return Content(f" {number:5} {row.epoch:5} {row.seconds:8.1f}{parts}")


def _checks(checks: Sequence[Json], width: int) -> list[Content]:
    """What was found, and beside it the figure."""
    names = [clean(str(check.get("name")), 40) for check in checks]
    column = max(map(len, names))
    lines = []
    for check, name in zip(checks, names, strict=True):
        glyph = ("ok", "$text-success") if check.get("ok") else ("XX", "$text-error")
        text = f" {name:{column}}  {clean(str(check.get('detail', '')))}"
        lines.append(line(" ", glyph, cut(text, width - 4)))
    return lines
