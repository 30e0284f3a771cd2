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
    """"main" on the main screen, "list" in panes, "trials", "log" in one, or a screen's own."""
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
    now: bool = False
    """Whether it is about the run as it is now: refused while a moment of the past is shown."""


STOP, STOP_NOW = "atft stop {run}", "atft stop {run} --now"
KEYS: tuple[Key, ...] = (
    Key("main", "x", "x", "stop", "stop", "stop after the running trial", STOP,
        now=True),
    Key("main", "X", "X", "stop_now", "", "stop now (asks first); resume continues it", STOP_NOW,
        now=True),
    Key("main", "r", "r", "resume", "", "resume a run that stopped or died", "atft resume {run}",
        now=True),
    Key("main", "slash", "/", "filter", "filter",
        "filter the trials, where they have the focus, or the log",
        "grep -E PATTERN {run}/logs/ml_training.log"),
    Key("main", "y", "y", "stacks", "", "where the run's processes are right now",
        "atft stacks {run}", now=True),
    Key("main", "e", "e", "settings", "", "every setting: requested, in the trial, in its worker",
        "atft settings {run} TRIAL", now=True),
    Key("main", "b", "b", "against", "", "this run beside another: before and after",
        "atft check {run} --against OTHER_RUN"),
    Key("main", "t", "t", "timeline", "", "the timeline; enter there: the screen as it was then",
        "atft timeline {run}"),
    Key("main", "left_square_bracket", "[", "moment(-1)", "", "step one moment back in time",
        "atft status {run} --at TIME"),
    Key("main", "right_square_bracket", "]", "moment(1)", "", "step one moment on, at last to now"),
    Key("main", "left_curly_bracket", "{", "moment(-10)", "", "step ten moments back"),
    Key("main", "right_curly_bracket", "}", "moment(10)", "", "step ten moments on"),
    Key("main", "1", "1", "zoom('gpu')", "", "zoom GPU and processes; again: back",
        "nvidia-smi dmon"),
    Key("main", "2", "2", "zoom('verdict')", "", "zoom the verdict: since when, timers, alerts",
        "atft status {run} --verdicts"),
    Key("main", "3", "3", "zoom('trials')", "", "zoom the trials", "atft status {run} --json"),
    Key("main", "4", "4", "zoom('checklist')", "", "zoom the checklist", "atft check {run}"),
    Key("main", "5", "5", "zoom('curves')", "", "zoom the curves",
        "jq .epochs {run}/trial_0/metrics.json"),
    Key("main", "6", "6", "zoom('log')", "", "zoom the log",
        "tail -f {run}/logs/ml_training.log"),
    Key("main", "R", "R", "runs", "", "all known runs: choose, note, archive, delete",
        "atft status"),
    Key("main", "i", "i", "note", "", "write a note on the trial (in the table) or on the run",
        "atft note {run} --trial TRIAL TEXT", now=True),
    Key("main", "number_sign", "#", "tags", "", "tag the trial (in the table) or the run",
        "atft tag {run} --trial TRIAL +TAG -TAG", now=True),
    Key("main", "C", "C", "copy", "", "copy the path of the run to the clipboard"),
    Key("main", "tab", "tab", "app.focus_next", "", "to the next pane; shift+tab: back"),
    Key("main", "less_than_sign", "<", "grow('left', -2)", "", "left column narrower"),
    Key("main", "greater_than_sign", ">", "grow('left', 2)", "",
        "left column wider; or drag a border"),
    Key("main", "plus", "+", "grow('curves', 1)", "", "curves and log higher"),
    Key("main", "minus", "-", "grow('curves', -1)", "", "curves and log lower"),
    Key("main", "0", "0", "reset_sizes", "", "the sizes of the panes as they were made"),
    Key("main", "T", "T", "app.next_theme", "",
        "other colours: calm, high contrast, for colour-blind eyes"),
    Key("main", "P", "P", "app.picture", "", "a picture of the screen (SVG) into this directory"),
    Key("main", "escape", "escape", "back", "", "back from a zoom, or from the past to now"),
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
        "atft enqueue {run} --like TRIAL --set KEY=VALUE", now=True),
    Key("trials", "p", "p", "screen.prune", "", "give a running trial up (asks first)",
        "atft prune {run} TRIAL", now=True),
    Key("checklist", "o", "o", "screen.override", "",
        "start the next stage although its gate is closed",
        "atft run STAGE --override-gate REASON", now=True),
    Key("log", "slash", "/", "filter", "",
        "filter lines: RE &ALSO_RE !NOT_RE",
        "tail -f {run}/logs/ml_training.log | grep -E RE | grep -vE RE"),
    Key("log", "l", "l", "level", "", "all lines; warnings and errors; errors only",
        "grep -E 'Warning|Error|FAIL' {run}/logs/ml_training.log"),
    Key("log", "m", "m", "source", "", "the run's log; the running trial's; both by time",
        "tail -f {run}/logs/ml_training.log {run}/trial_N/log.txt"),
    Key("log", "t", "t", "jump", "", "from a time on: HH:MM[:SS] or YYYY-MM-DD HH:MM",
        "awk '$0 >= \"YYYY-MM-DD HH:MM\"' {run}/logs/ml_training.log"),
    Key("log", "space", "space", "pause", "", "pause: nothing moves, new lines are counted"),
    Key("log", "ampersand", "&", "search", "", "find a text in the lines that are loaded"),
    Key("log", "n", "n", "find(1)", "", "the next match below"),
    Key("log", "N", "N", "find(-1)", "", "the next match above"),
    Key("log", "Y", "Y", "copy", "", "copy the found line, else those in sight"),
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
    Key("trial", "C", "C", "copy", "copy", "copy the path of the trial to the clipboard"),
    Key("runs", "escape,q,R", "escape", "close", "back", "back to the main screen"),
    Key("runs", "enter", "enter", "choose", "show", "show the run in the console",
        "atft-tui RUN_DIR"),
    Key("runs", "slash", "/", "filter", "filter",
        "choose by words, tag:x, state:failed; a path: look there, too", "atft status DIR"),
    Key("runs", "i", "i", "note", "note", "write a note on the run", "atft note RUN_DIR TEXT",
        now=True),
    Key("runs", "number_sign", "#", "tags", "tags", "tag the run", "atft tag RUN_DIR +TAG -TAG",
        now=True),
    Key("runs", "a", "a", "archive", "archive", "put the run away, or take it out again",
        "atft archive RUN_DIR", now=True),
    Key("runs", "A", "A", "all", "all", "archived runs, too", "atft status --all"),
    Key("runs", "D", "D", "delete", "delete", "delete the run (asks first)",
        "atft delete RUN_DIR", now=True),
    Key("columns", "escape,q,v", "escape", "close", "back", "back to the main screen"),
    Key("compare", "escape,q,c", "escape", "close", "back", "back to the main screen"),
    Key("compare", "5", "5", "zoom('curves')", "curves", "zoom the curves; again: back"),
    Key("timeline", "escape,q,t", "escape", "close", "back", "back to the main screen"),
    Key("stacks", "escape,q", "escape", "close", "back", "back to the main screen"),
    Key("stacks", "y", "y", "again", "again", "ask again"),
    Key("settings", "escape,q,e", "escape", "close", "back", "back to the main screen"),
    Key("settings", "left,h", "left h", "step(-1)", "before", "the trial before"),
    Key("settings", "right,l", "right l", "step(1)", "next", "the next trial"),
    Key("settings", "equals_sign", "=", "differences", "differences",
        "only what is not simply as requested; again: all",
        "atft settings {run} TRIAL --differences"),
    Key("settings", "slash", "/", "filter", "filter", "only rows that contain some words"),
    Key("help", "escape,q,question_mark", "escape", "close", "back", "back to the main screen"),
    Key("evidence", "escape,q", "escape", "close", "back", "back to the main screen"),
    Key("evidence", "left,h", "left h", "step(-1)", "before", "the criterion before"),
    Key("evidence", "right,l", "right l", "step(1)", "next", "the next criterion"),
    Key("evidence", "1,2,3,4,5,6,7,8,9", "1-9", "remedy({key})", "remedy",
        "try the remedy of this number; asks first", "atft run STAGE --set KEY=VALUE"),
    Key("evidence", "p", "p", "zoom('plot')", "plot", "zoom the plot; again: back"),
    Key("evidence", "e", "e", "zoom('events')", "events", "zoom the events; again: back"),
    Key("evidence", "d", "d", "days", "days", "the value by day, or the events again",
        "atft check {run} --criterion NAME", now=True),
    Key("contrast", "escape,q", "escape", "close", "back", "back to the main screen"),
    Key("confirm", "y", "y enter", "start", "start", "start what is shown", "atft run STAGE"),
    Key("confirm", "e", "e", "edit", "edit", "edit the settings: key=value key=value",
        "--set KEY=VALUE"),
    Key("confirm", "t", "t", "follow", "then", "the stage to start when this one opens its gate",
        "--then STAGE"),
    Key("confirm", "u", "u", "limit", "until", "stop by this time: 07:00", "--until TIME"),
    Key("confirm", "o", "o", "override", "override", "give a reason to start a locked stage",
        "--override-gate REASON"),
    Key("confirm", "n", "n", "renew", "resume or new",
        "continue the stopped run, or begin a new one", "atft resume RUN_DIR"),
    Key("confirm", "escape,q", "escape", "cancel", "cancel", "back; nothing is started"),
)  # fmt: skip

ABOUT_NOW = frozenset(key.action for key in KEYS if key.now)
"""Actions that make no sense in the past."""
PANES = ("main", "list", "trials", "checklist", "curves", "log")
"""Scopes whose keys are at hand on the main screen, by what has the focus."""
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
    names = {"/": "slash", "?": "question_mark", "!": "exclamation_mark", "+": "plus",
             "-": "minus", "<": "less_than_sign", ">": "greater_than_sign", "&": "ampersand",
             "[": "left_square_bracket", "]": "right_square_bracket", "{": "left_curly_bracket",
             "}": "right_curly_bracket", "#": "number_sign"}  # fmt: skip
    return names.get(character, character)


def refuse_taken_hotkeys(runbook: Runbook) -> None:
    """A stage must not sit on a key that does something else."""
    taken = {name: key for key in KEYS if key.scope in PANES
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
    """Textual's bindings of one scope; an action with `{key}` is told which key it was."""
    return [
        Binding(name, key.action.replace("{key}", name), key.label or key.help,
                show=bool(key.label))
        for key in KEYS if key.scope == scope
        for name in (key.keys.split(",") if "{key}" in key.action else [key.keys])
    ]  # fmt: skip


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
