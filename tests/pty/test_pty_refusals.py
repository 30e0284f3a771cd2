"""Where no screen can be drawn the console says so in a few lines, and what to do instead."""

import os
import subprocess

import pytest
from pty_console import console, terminal

from atft_core import __version__
from atft_tui.cli import main

STREAMS = {"stdin": "input", "stdout": "output", "stderr": "errors"}


def without(stream, *args):
    """The console with one of its streams not on a terminal: code, complaint, what was printed."""
    leader, follower = os.openpty()
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    streams = dict.fromkeys(STREAMS, follower) | {"stdin": subprocess.DEVNULL} | pipes
    if stream != "stdin":
        streams["stdin"] = follower
    environ = {**os.environ, "TERM": "xterm-256color"}
    try:
        done = subprocess.run(
            console(*args), **streams, env=environ, timeout=60, check=False, text=True
        )
    finally:
        os.close(follower)
        os.close(leader)
    return done.returncode, done.stderr, done.stdout


@pytest.mark.parametrize("stream", ["stdin", "stdout"])
def test_without_a_terminal_there_is_one_plain_status(book, finished, stream):
    code, said, printed = without(stream, "output/dry")
    assert code == 0
    assert said.splitlines() == [
        f"No screen, since standard {STREAMS[stream]} is not a terminal. "
        "Instead: atft status output/dry"
    ]
    assert "dry: FINISHED" in printed
    assert "\x1b" not in said + printed


def test_without_a_terminal_and_a_directory_the_runs_are_listed(book, finished):
    code, said, printed = without("stdin")
    assert code == 0
    assert "Instead: atft status" in said
    assert "output/dry" in printed


@pytest.mark.parametrize("kind", ["dumb", ""])
def test_a_terminal_that_cannot_place_characters_gets_one_plain_status(finished, kind):
    with terminal(console("output/dry"), (120, 34), environ={"TERM": kind}) as shown:
        assert shown.ends() == 0
        assert f"TERM={kind!r} cannot draw a screen. Instead: atft status" in shown.text
        assert "dry: FINISHED" in shown.text
        assert b"\x1b" not in shown.received


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["nowhere"], "There is no directory nowhere."),
        (["empty"], "empty holds no run"),
        (["--demo", "--runbook", "runbook.toml"], "--demo brings its own runbook"),
        (["--demo", "--data-path", "panel.parquet"], "--demo brings its own runbook"),
        (["--demo", "--config", "mine.toml"], "--demo brings its own runbook"),
        (["--demo", "output/dry"], "--demo brings its own runbook"),
        (["--no-such-option"], "--no-such-option"),
        (["one", "two"], "unrecognized arguments: two"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_shown_is_refused_as_wrong_usage(finished, home, args, said, capsys):
    (home / "empty").mkdir()
    with pytest.raises(SystemExit) as ended:
        main(args)
    assert ended.value.code == 2
    complaint = capsys.readouterr().err
    assert said in complaint
    assert "Traceback" not in complaint
    assert not (home / "output" / "demo_panel.parquet").exists()


def test_a_stage_on_a_key_of_the_console_is_refused(book):
    path = book.path
    path.write_text(path.read_text().replace('hotkey = "s"', 'hotkey = "x"'))
    with terminal(console("--runbook", path), (120, 34)) as shown:
        assert shown.ends() == 2
        said = "".join(shown.text.split())  # wherever the long path made it wrap
        assert "hotkey'x'ofstage'short'isakeyoftheconsole" in said
        assert "stopaftertherunningtrial" in said
        assert b"\x1b[?1049h" not in shown.received


def test_a_runbook_that_is_not_there_is_named(book):
    with terminal(console("--runbook", "nowhere.toml")) as shown:
        assert shown.ends() == 2
        assert "nowhere.toml" in shown.text
        assert "Traceback" not in shown.text


def test_the_version_is_told_without_a_terminal(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"atft {__version__}\n"


def test_help_names_the_options_and_the_way_without_a_screen(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    for word in ("--runbook", "--config", "--data-path", "--demo", "--no-mouse", "atft status"):
        assert word in said
