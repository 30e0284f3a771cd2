"""The console in a real terminal: its first picture, its last words, a line that drops."""

import base64
import json
import re
import signal

import pytest
from pty_console import console, terminal

from atft_tui import seen

LARGER = [pytest.param(size, marks=pytest.mark.slow) for size in ((120, 34), (200, 50))]


@pytest.mark.parametrize("size", [(80, 24), *LARGER], ids=lambda size: "x".join(map(str, size)))
def test_it_draws_a_run_and_leaves_with_the_way_back(book, live, size):
    with terminal(console("--runbook", book.path, "output/short"), size) as shown:
        shown.shows("RankIC", "Checklist", "output/short", ">> runs", "q leave")
        shown.press("q")
        assert shown.ends() == 0
        assert "The run goes on: output/short (RUNNING, trial 3 epoch 8)" in shown.text
        assert re.search(r"come back   \S*atft-tui\s+output/short", shown.text)
        assert re.search(r"look        \S*atft\s+status\s+output/short", shown.text)
        assert "Traceback" not in shown.text
        assert b"\x1b[?1049h" in shown.received
        assert b"\x1b[?1049l" in shown.received.partition(b"\x1b[?1049h")[2]
        assert not shown.screen.cursor.hidden


@pytest.mark.slow
def test_a_finished_run_is_said_to_be_finished(book, finished):
    with terminal(console("--runbook", book.path, finished.path)) as shown:
        shown.shows("FINISHED", "ok done")
        shown.press("q")
        assert shown.ends() == 0
        assert "The run output/dry is FINISHED." in shown.text


@pytest.mark.slow
def test_without_a_run_the_last_words_say_where_runs_are_listed(book):
    with terminal(console("--runbook", book.path)) as shown:
        shown.shows("press d for the dry run")
        shown.press("q")
        assert shown.ends() == 0
        assert "atft status" in shown.text


@pytest.mark.slow
def test_a_runbook_is_remembered_by_its_run(book, finished):
    with terminal(console("output/dry")) as shown:
        shown.shows("d dry run  ok 9/9", "s short sweep")


@pytest.mark.slow
def test_a_terminal_that_changes_its_size_is_drawn_anew(book, live):
    with terminal(console("--runbook", book.path, "output/short"), (79, 20)) as shown:
        shown.shows("79x20 is too small")
        shown.resize(120, 34)
        shown.shows("RankIC", "5 Curves", "6 Log")
        shown.fills(120)
        shown.resize(80, 24)
        shown.shows("RankIC", "4 Checklist", "q leave")
        shown.press("q")
        assert shown.ends() == 0


@pytest.mark.slow
def test_a_size_in_the_environment_does_not_hide_that_of_the_terminal(book, live):
    stale = {"COLUMNS": "80", "LINES": "24"}
    with terminal(console("--runbook", book.path), (120, 34), environ=stale) as shown:
        shown.shows("5 Curves", "6 Log")
        shown.resize(140, 40)
        shown.fills(140)
        shown.press("q")
        assert shown.ends() == 0


def test_ctrl_c_does_not_end_it_and_says_what_does(book, live):
    with terminal(console("--runbook", book.path, "output/short")) as shown:
        shown.shows("RankIC")
        shown.press("\x03")
        shown.shows("q leaves the console")
        assert shown.process.poll() is None


@pytest.mark.parametrize(
    "ignored", [pytest.param(False, marks=pytest.mark.slow), True], ids=["hangup", "hangup_ignored"]
)
def test_a_dropped_line_ends_it_and_what_was_seen_is_remembered(book, live, ignored):
    with terminal(console("--runbook", book.path, "output/short"), ignore_hangup=ignored) as shown:
        shown.shows("RankIC", ">> runs")
        code = shown.hang_up()
    assert code in (-signal.SIGHUP, 128 + signal.SIGHUP)
    if ignored:
        assert code == 128 + signal.SIGHUP
        known = json.loads(seen.store().read_text())
        assert str(live.path.resolve()) in known


def test_hostile_names_reach_the_terminal_without_their_sequences(book, live):
    title = "\x1b]0;owned\x07"
    clip = "\x1b]52;c;b3duZWQ=\x07"
    with live.log.open("a") as file:
        file.write(f"2026-01-02 03:04:05 before{title}{clip}\x1b[2J\x9b31m after\n")
    with terminal(console("--runbook", book.path, "output/short"), (120, 34)) as shown:
        shown.shows("before after")
        assert b"owned" not in shown.received
        assert b"b3duZWQ" not in shown.received
        assert b"]52;" not in shown.received
        shown.press("6")
        shown.shows("Epoch 4/10 trial 2")
        shown.press("Y")
        shown.until(lambda: b"\x07" in shown.received.partition(b"\x1b]52;c;")[2])
        copied = shown.received.partition(b"\x1b]52;c;")[2].partition(b"\x07")[0]
        assert base64.b64decode(copied).decode().endswith("2026-01-02 03:04:05 before after")
        assert b"\x1b" not in base64.b64decode(copied)
        shown.press("q")
        shown.ends()
