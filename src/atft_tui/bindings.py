"""Every key of the console in one table: it feeds the bindings, the footer, `?` and the README."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from textual.binding import Binding, BindingType

from atft_core import launch
from atft_core.errors import UsageError
from atft_core.run.runbook import Runbook


@dataclass(frozen=True)
class Key:
    """One key (or several that do the same) in one place."""

    scope: str
    """"main" on the main screen, "list" in panes, "trials" or "curves" there, or a screen's own."""
    keys: str
    """As Textual names them, separated by commas."""
    shown: str
    """As a person names it."""
    action: str
    label: str
    """One word for the footer; empty: not there."""
    help: str
    twin: str = ""
    """The command line that does the same; {run} is the run directory."""


STOP, STOP_NOW = "atft stop {run}", "atft stop {run} --now"
KEYS: tuple[Key, ...] = (
    Key("main", "x", "x", "stop", "stop", "stop after the running trial", STOP),
    Key("main", "X", "X", "stop_now", "", "stop now (asks first); resume continues it", STOP_NOW),
    Key("main", "r", "r", "resume", "", "resume a run that stopped or died", "atft resume {run}"),
    Key("main", "slash", "/", "filter", "filter",
        "filter the trials, or the log by a regular expression (! first: exclude)",
        "grep -E PATTERN {run}/logs/ml_training.log"),
    Key("main", "y", "y", "stacks", "", "where the run's processes are right now",
        "atft stacks {run}"),
    Key("main", "1", "1", "zoom('gpu')", "", "zoom GPU and processes; again: back",
        "nvidia-smi dmon"),
    Key("main", "2", "2", "zoom('verdict')", "", "zoom the verdict: alerts, timers, preflight",
        "atft status {run}"),
    Key("main", "3", "3", "zoom('trials')", "", "zoom the trials", "atft status {run} --json"),
    Key("main", "4", "4", "zoom('checklist')", "", "zoom the checklist", "atft check {run}"),
    Key("main", "5", "5", "zoom('curves')", "", "zoom the curves",
        "jq .epochs {run}/trial_0/metrics.json"),
    Key("main", "6", "6", "zoom('log')", "", "zoom the log",
        "tail -f {run}/logs/ml_training.log"),
    Key("main", "tab", "tab", "app.focus_next", "", "to the next pane; shift+tab: back"),
    Key("main", "escape", "escape", "back", "", "back from a zoom"),
    Key("main", "ctrl+l", "ctrl+l", "app.redraw", "", "draw everything again"),
    Key("main", "question_mark", "?", "help", "help", "this page", "atft --help"),
    Key("main", "q", "q", "leave", "leave", "leave the console; the run goes on",
        "atft-tui {run}"),
    Key("list", "up,k", "up k", "cursor(-1)", "", "one line up"),
    Key("list", "down,j", "down j", "cursor(1)", "", "one line down"),
    Key("list", "pageup", "pgup", "page(-1)", "", "one page up"),
    Key("list", "pagedown", "pgdn", "page(1)", "", "one page down"),
    Key("list", "home,g", "home g", "edge(-1)", "", "to the first line"),
    Key("list", "end,G", "end G", "edge(1)", "", "to the last line; the log follows again"),
    Key("list", "enter", "enter", "choose", "", "look at the trial or the criterion",
        "atft status {run} --json"),
    Key("trials", "o", "o", "sort(1)", "", "sort by the next column"),
    Key("trials", "O", "O", "turn", "", "sort the other way round"),
    Key("trials", "v", "v", "screen.columns", "", "choose the columns"),
    Key("trials", "space", "space", "mark", "", "mark a trial: its curve is drawn"),
    Key("trials", "c", "c", "screen.compare", "", "compare the marked trials"),
    Key("trials", "n", "n", "screen.enqueue", "", "one more trial, with edited parameters",
        "atft enqueue {run} --like TRIAL --set KEY=VALUE"),
    Key("trials", "p", "p", "screen.prune", "", "give a running trial up (asks first)",
        "atft prune {run} TRIAL"),
    Key("curves", "m", "m", "metric(1)", "", "the next metric"),
    Key("curves", "M", "M", "metric(-1)", "", "the metric before"),
    Key("curves", "l", "l", "scale", "", "logarithms, or the values themselves"),
    Key("curves", "left", "left", "epoch(-1)", "", "the values one epoch before",
        "jq .epochs {run}/trial_0/metrics.json"),
    Key("curves", "right", "right", "epoch(1)", "", "one epoch after; at the newest they follow"),
    Key("curves", "pageup", "pgup", "page(-1)", "", "a tenth of the epochs before; pgdn: after"),
    Key("curves", "home", "home", "edge(-1)", "", "to the first epoch; end: to the newest"),
    Key("trial", "escape,q", "escape", "close", "back", "back to the main screen"),
    Key("trial", "left,h", "left h", "step(-1)", "before", "the trial before"),
    Key("trial", "right,l", "right l", "step(1)", "next", "the next trial"),
    Key("trial", "tab", "tab", "part(1)", "part", "the next part; where room is short: in full"),
    Key("trial", "shift+tab", "shift+tab", "part(-1)", "", "the part before"),
    Key("trial", "1", "1", "zoom('facts')", "", "zoom how it went; again: back"),
    Key("trial", "2", "2", "zoom('params')", "", "zoom the parameters, beside the best trial's",
        "cat {run}/trial_0/params.json"),
    Key("trial", "3", "3", "zoom('terms')", "", "zoom the loss by term",
        "jq '.epochs[-1].train' {run}/trial_0/metrics.json"),
    Key("trial", "4", "4", "zoom('horizons')", "", "zoom the validation by horizon",
        "jq .val {run}/trial_0/metrics.json"),
    Key("trial", "5", "5", "zoom('curves')", "", "zoom the curves",
        "jq .epochs {run}/trial_0/metrics.json"),
    Key("trial", "6", "6", "zoom('log')", "", "zoom the trial's log",
        "tail -f {run}/trial_0/log.txt"),
    Key("trial", "7", "7", "zoom('daily')", "", "zoom the validation by day",
        "column -ts, {run}/trial_0/daily_ic.csv"),
    Key("trial", "8", "8", "zoom('epochs')", "", "zoom the epochs",
        "jq .epochs {run}/trial_0/metrics.json"),
    Key("columns", "escape,q,v", "escape", "close", "back", "back to the main screen"),
    Key("compare", "escape,q,c", "escape", "close", "back", "back to the main screen"),
    Key("compare", "5", "5", "zoom('curves')", "curves", "zoom the curves; again: back"),
    Key("stacks", "escape,q", "escape", "close", "back", "back to the main screen"),
    Key("stacks", "y", "y", "again", "again", "ask again"),
    Key("help", "escape,q,question_mark", "escape", "close", "back", "back to the main screen"),
    Key("evidence", "escape,q", "escape", "close", "back", "back to the main screen"),
    Key("evidence", "left,h", "left h", "step(-1)", "before", "the criterion before"),
    Key("evidence", "right,l", "right l", "step(1)", "next", "the next criterion"),
    Key("confirm", "y", "y enter", "start", "start", "start what is shown", "atft run STAGE"),
    Key("confirm", "e", "e", "edit", "edit", "edit the settings: key=value key=value",
        "--set KEY=VALUE"),
    Key("confirm", "o", "o", "override", "override", "give a reason to start a locked stage",
        "--override-gate REASON"),
    Key("confirm", "n", "n", "renew", "resume or new",
        "continue the stopped run, or begin a new one", "atft resume RUN_DIR"),
    Key("confirm", "escape,q", "escape", "cancel", "cancel", "back; nothing is started"),
)  # fmt: skip

FOOTER_MORE = (("enter", "look"), ("1-6", "zoom"))
"""What the footer says about keys that come in groups."""


def stage_keys(runbook: Runbook) -> list[Key]:
    """The keys that start the stages of a runbook."""
    return [
        Key(
            "main",
            key_name(stage.hotkey),
            stage.hotkey,
            f"start({stage.key!r})",
            stage.key,
            f"start: {stage.title} ({stage.n_trials} x {stage.max_epochs} epochs); asks first",
            launch.shown("run", stage.key),
        )
        for stage in runbook.stages
    ]


def key_name(character: str) -> str:
    """Textual's name of a printable key."""
    names = {"/": "slash", "?": "question_mark", "!": "exclamation_mark", "+": "plus"}
    return names.get(character, character)


def refuse_taken_hotkeys(runbook: Runbook) -> None:
    """A stage must not sit on a key that does something else."""
    taken = {name: key for key in KEYS if key.scope in ("main", "list", "trials", "curves")
             for name in key.keys.split(",")}  # fmt: skip
    for stage in runbook.stages:
        other = taken.get(key_name(stage.hotkey))
        if other:
            raise UsageError(
                f"{runbook.path}: hotkey {stage.hotkey!r} of stage {stage.key!r} is a key of the "
                f"console ({other.help}).",
                hint="Give the stage another letter.",
            )


def bindings(scope: str) -> list[BindingType]:
    """Textual's bindings of one scope."""
    return [
        Binding(key.keys, key.action, key.label or key.help, show=bool(key.label))
        for key in KEYS
        if key.scope == scope
    ]


def footer(
    scope: str, extra: Sequence[Key] = (), without: Collection[str] = ()
) -> list[tuple[str, str]]:
    """(key, word) pairs of a footer; `without` names actions that would do nothing now."""
    keys = [*extra, *(key for key in KEYS if key.scope == scope and key.label)]
    own = [key for key in keys if key.action not in without]
    pairs = [(key.shown, key.label) for key in own]
    if scope == "main":
        stages = len(extra)
        return [*pairs[: stages + 1], FOOTER_MORE[0], *pairs[stages + 1 : -2], FOOTER_MORE[1],
                *pairs[-2:]]  # fmt: skip
    return [*pairs, ("1-8", "zoom")] if scope == "trial" else pairs
