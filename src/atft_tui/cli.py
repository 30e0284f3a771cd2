"""The command `atft-tui`."""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from atft_core import __version__
from atft_core.errors import AtftError, UsageError
from atft_core.launch import watching
from atft_core.run.collecting import collecting_later
from atft_core.run.directory import RunDirectory, find_runs
from atft_core.run.files import read_json
from atft_core.run.foreign import clean
from atft_core.run.runbook import Runbook, load
from atft_core.run.shipped import shipped, typed
from atft_tui import demo, plain
from atft_tui.farewell import watched
from atft_tui.terminal import attached

_EPILOG = """\
examples:
  atft-tui                               the shipped runbook, in this directory
  atft-tui output/hpo_short              one run, live or finished
  atft-tui --data-path panel.parquet     the panel that starts will use
  atft-tui --watch study.db              any Optuna study, read-only
  atft-tui --serve                       in a browser on this machine
  atft-tui --demo                        a small synthetic panel, no GPU needed
without a screen: atft status, atft check, atft run (see atft --help)
"""


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser(
        prog="atft-tui",
        description="The console: watch runs, start stages, read the evidence.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("dir", nargs="?", type=Path, metavar="DIR", help="a run, or where runs are")
    made.add_argument("--runbook", type=Path, metavar="F", help="stages to use")
    made.add_argument("--config", type=Path, metavar="F", help="configuration for starts")
    made.add_argument("--data-path", type=Path, metavar="F", help="panel for starts")
    made.add_argument(
        "--watch", metavar="STUDY", help="any Optuna study, read-only: study.db, a URL, or a file "
        "of mode 0600 with one",
    )  # fmt: skip
    made.add_argument("--study", default="", metavar="NAME", help="which one there, with --watch")
    made.add_argument("--demo", action="store_true", help="use the synthetic panel")
    made.add_argument(
        "--no-mouse", action="store_true", help="leave the mouse to the terminal (select, copy)"
    )
    made.add_argument(
        "--ascii", action="store_true", help="lines and curves in plain ASCII characters"
    )
    made.add_argument(
        "--low-bandwidth", action="store_true", help="16 colours and one frame a second"
    )
    made.add_argument(
        "--serve", nargs="?", type=int, const=8000, metavar="PORT",
        help="in a browser on this machine, instead of here (default port: 8000)",
    )  # fmt: skip
    made.add_argument("--version", action="version", version=f"atft {__version__}")
    return made


def main(argv: Sequence[str] | None = None) -> None:
    """Run the console; expected errors are a few lines."""
    args = parser().parse_args(argv)
    try:
        code = _main(args)
    except AtftError as error:
        told = "\n".join(clean(line) for line in f"atft-tui: {error}".split("\n"))
        sys.stderr.write(f"{told}\n")
        code = error.exit_code
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def _main(args: argparse.Namespace) -> int:
    _check_directory(args.dir)
    if args.demo and (args.dir or args.runbook or args.config or args.data_path):
        raise UsageError(
            "--demo brings its own runbook, panel and runs.", hint="Leave the others out."
        )
    if args.watch and (args.dir or args.runbook or args.demo or args.serve is not None):
        raise UsageError("--watch shows one study and nothing else.", hint="Leave the others out.")
    if args.serve is not None:
        return _serve(args)
    refusal = "" if _in_browser() else attached.why_not(os.environ)
    if refusal and args.watch:
        with watching(args.watch, args.study) as directory:
            return plain.status(directory, refusal)
    if refusal:
        return plain.dry_run_of_demo(refusal) if args.demo else plain.status(args.dir, refusal)
    if not args.watch:
        return _run(load(_runbook_path(args)), args)
    with watching(args.watch, args.study) as directory:
        args.dir = directory
        again = ["--watch", args.watch, *(["--study", args.study] if args.study else [])]
        return _run(replace(load(shipped("runbook.toml")), stages=()), args, again)


def _check_directory(directory: Path | None) -> None:
    if directory is None:
        return
    if not directory.is_dir():
        raise UsageError(f"There is no directory {directory}.", hint="`atft status` lists runs.")
    if not (directory / "run.json").exists() and not find_runs(directory):
        raise UsageError(
            f"{directory} holds no run (no run.json in it or below it).",
            hint="Without a directory the console shows the stages and can start one.",
        )


def _runbook_path(args: argparse.Namespace) -> Path:
    """The one that was named, else that of the run, else the shipped one."""
    if args.demo:
        return demo.runbook()
    if args.runbook:
        return Path(args.runbook)
    if args.dir and (args.dir / "run.json").exists():
        named = RunDirectory(args.dir).facts().get("runbook")
        if named and Path(named).is_file():
            return Path(named)
    return shipped("runbook.toml")


def _options(runbook: Runbook, args: argparse.Namespace) -> list[str]:
    """What every `atft run` from here gets; beside a run that is named, what that run was given.

    Evidence counts for the same settings and panel only: a next stage that is started with others
    would find its gate locked.
    """
    named = {
        "--runbook": None if runbook.path == shipped("runbook.toml") else typed(runbook.path),
        "--config": args.config,
        "--data-path": demo.ensure_panel() if args.demo else args.data_path,
    }
    words = [word for option, path in named.items() if path for word in (option, str(path))]
    own = args.config or args.data_path or args.demo
    return words if own or not args.dir else words + _given_to(RunDirectory(args.dir))


def _given_to(run: RunDirectory) -> list[str]:
    """The settings and the panel in the command that started a run; nothing without one."""
    facts = read_json(run.run_json)
    if not isinstance(facts, dict):
        return []
    typed = [str(word) for word in facts.get("argv", [])]
    split = [part for word in typed for part in _option_and_value(word)]
    cwd, found, plugins = Path(str(facts.get("cwd", ""))), [], []
    for option, value in pairwise(split):
        if option == "--plugin":  # named, not allowed: whoever made this run may be anybody
            plugins.append(str(cwd / value))
        elif option in _PATHS:
            there = (cwd / value).exists()  # else the name of a preset
            found += [option, str(cwd / value) if there else value]
        elif option == "--set":
            found += [option, value]
    return found + (["--set", f"plugins.files={json.dumps(plugins)}"] if plugins else [])


_PATHS = ("--config", "--data-path", "--plugin")
"""Options of a start that name files."""


def _option_and_value(word: str) -> list[str]:
    """`--config=FILE` as two words."""
    option, equals, value = word.partition("=")
    return [option, value] if equals and option in _PATHS else [word]


def _in_browser() -> bool:
    """Whether this is the console of a visitor: Textual is told so by a variable."""
    return bool(os.environ.get("TEXTUAL_DRIVER"))


def _serve(args: argparse.Namespace) -> int:
    try:
        from atft_tui.serve import serve
    except ModuleNotFoundError as error:
        raise UsageError(
            f"--serve needs textual-serve ({error}).", hint="pip install 'atft[serve]'"
        ) from error

    named = {"--runbook": args.runbook, "--config": args.config, "--data-path": args.data_path}
    words = [sys.executable, "-m", "atft_tui", *(["--demo"] if args.demo else [])]
    words += [word for option, path in named.items() if path for word in (option, str(path))]
    serve([*words, *([str(args.dir)] if args.dir else [])], args.serve)
    return 0


def _run(runbook: Runbook, args: argparse.Namespace, again: Sequence[str] = ()) -> int:
    """`again`: how to come back, where that is not by the run's directory."""
    with collecting_later():
        from atft_tui.app import ConsoleApp
        from atft_tui.bindings import refuse_taken_hotkeys
        from atft_tui.terminal.driver import Output
    gc.freeze()  # what was imported stays
    sys.setswitchinterval(0.001)  # else a key waits 5 ms each time that another thread is at work

    refuse_taken_hotkeys(runbook)
    if not _in_browser():  # a browser's size comes by these variables
        attached.forget_stale_size(os.environ)
    output = Output(slow=args.low_bandwidth, ascii=args.ascii)
    app = ConsoleApp(runbook, args.dir, _options(runbook, args), output)
    attached.exit_on_hangup(app.remember)
    app.run(mouse=not args.no_mouse)
    said = watched(again) if again else app.farewell()
    sys.stdout.write("\n".join(said) + "\n")
    return app.return_code or 0
