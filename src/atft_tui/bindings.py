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
    """"main" on the main screen, "list" in panes, "trials" in the table, or a screen's own."""
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
    Key("main", "e", "e", "settings", "", "every setting: requested, in the trial, in its worker",
        "atft settings {run} TRIAL"),
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
        "atft note {run} --trial TRIAL TEXT"),
    Key("main", "number_sign", "#", "tags", "", "tag the trial (in the table) or the run",
        "atft tag {run} --trial TRIAL +TAG -TAG"),
    Key("main", "C", "C", "copy", "", "copy the path of the run to the clipboard"),
    Key("main", "tab", "tab", "app.focus_next", "", "to the next pane; shift+tab: back"),
    Key("main", "escape", "escape", "back", "", "back from a zoom"),
    Key("main", "less_than_sign", "<", "grow('left', -2)", "", "left column narrower"),
    Key("main", "greater_than_sign", ">", "grow('left', 2)", "",
        "left column wider; or drag a border"),
    Key("main", "plus", "+", "grow('curves', 1)", "", "curves and log higher"),
    Key("main", "minus", "-", "grow('curves', -1)", "", "curves and log lower"),
    Key("main", "0", "0", "reset_sizes", "", "the sizes of the panes as they were made"),
    Key("main", "T", "T", "app.next_theme", "",
        "other colours: calm, high contrast, for colour-blind eyes"),
    Key("main", "P", "P", "app.picture", "", "a picture of the screen (SVG) into this directory"),
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
    Key("trial", "escape,q", "escape", "close", "back", "back to the main screen"),
    Key("trial", "left,h", "left h", "step(-1)", "before", "the trial before"),
    Key("trial", "right,l", "right l", "step(1)", "next", "the next trial"),
    Key("trial", "5", "5", "zoom('curves')", "curves", "zoom the curves; again: back"),
    Key("trial", "6", "6", "zoom('log')", "log", "zoom the trial's log; again: back"),
    Key("trial", "C", "C", "copy", "copy", "copy the path of the trial to the clipboard"),
    Key("runs", "escape,q,R", "escape", "close", "back", "back to the main screen"),
    Key("runs", "enter", "enter", "choose", "show", "show the run in the console",
        "atft-tui RUN_DIR"),
    Key("runs", "slash", "/", "filter", "filter",
        "choose by words, tag:x, state:failed; a path: look there, too", "atft status DIR"),
    Key("runs", "i", "i", "note", "note", "write a note on the run", "atft note RUN_DIR TEXT"),
    Key("runs", "number_sign", "#", "tags", "tags", "tag the run", "atft tag RUN_DIR +TAG -TAG"),
    Key("runs", "a", "a", "archive", "archive", "put the run away, or take it out again",
        "atft archive RUN_DIR"),
    Key("runs", "A", "A", "all", "all", "archived runs, too", "atft status --all"),
    Key("runs", "D", "D", "delete", "delete", "delete the run (asks first)",
        "atft delete RUN_DIR"),
    Key("columns", "escape,q,v", "escape", "close", "back", "back to the main screen"),
    Key("compare", "escape,q,c", "escape", "close", "back", "back to the main screen"),
    Key("compare", "5", "5", "zoom('curves')", "curves", "zoom the curves; again: back"),
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
             "-": "minus", "<": "less_than_sign", ">": "greater_than_sign",
             "#": "number_sign"}  # fmt: skip
    return names.get(character, character)


def refuse_taken_hotkeys(runbook: Runbook) -> None:
    """A stage must not sit on a key that does something else."""
    taken = {name: key for key in KEYS if key.scope in ("main", "list", "trials")
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
    return pairs
