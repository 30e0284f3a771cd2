"""Where no screen can be drawn the console says so in a few lines, and what to do instead."""

import os
import subprocess

import pytest
from pty_console import console, terminal

from atft_core import __version__
from atft_tui.cli import main

STREAMS = {"stdin": "input", "stdout": "output", "stderr": "errors"}


def without(stream, *args):
    """The console with one of its streams not on a terminal; exit code, and what was said."""
    leader, follower = os.openpty()
    streams = dict.fromkeys(STREAMS, follower) | {"stderr": subprocess.PIPE}
    streams[stream] = subprocess.DEVNULL if stream == "stdin" else subprocess.PIPE
    environ = {**os.environ, "TERM": "xterm-256color"}
    try:
        done = subprocess.run(
            console(*args), **streams, env=environ, timeout=60, check=False, text=True
        )
    finally:
        os.close(follower)
        os.close(leader)
    return done.returncode, done.stderr


def assert_a_few_helpful_lines(said):
    assert "Traceback" not in said
    assert "\x1b" not in said
    assert len(said.strip().splitlines()) <= 3
    assert "atft status" in said
    assert "atft run STAGE" in said


@pytest.mark.parametrize("stream", ["stdin", "stdout"])
def test_a_stream_that_is_no_terminal_is_refused_with_the_way_without_a_screen(book, stream):
    code, said = without(stream)
    assert code == 2
    assert f"standard {STREAMS[stream]} is not a terminal" in said
    assert_a_few_helpful_lines(said)


def test_the_hint_names_the_run_that_was_asked_for(finished):
    code, said = without("stdin", "output/dry")
    assert code == 2
    assert "`atft status output/dry`" in said
    assert_a_few_helpful_lines(said)


@pytest.mark.parametrize("kind", ["dumb", ""])
def test_a_terminal_that_cannot_place_characters_is_refused(finished, kind):
    with terminal(console("output/dry"), (120, 34), environ={"TERM": kind}) as shown:
        assert shown.ends() == 2
        assert f"TERM={kind!r} cannot draw a screen" in shown.text
        assert_a_few_helpful_lines(shown.text)
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
