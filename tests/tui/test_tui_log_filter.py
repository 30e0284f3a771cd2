"""The expressions that a log is filtered by, and the process that matches them."""

import re
import threading
import time

import psutil
import pytest

from atft_tui.logs.filters import MAX_TEXT, parse_filter
from atft_tui.logs.matcher import Matcher, MatchError
from atft_tui.logs.reader import LogReader
from atft_tui.logs.window import Choice

FOR_EVER = "(a|aa)+$"
VICTIM = "a" * 60 + "!"


@pytest.mark.parametrize(
    ("text", "include", "exclude"),
    [
        ("Epoch", ("Epoch",), ()),
        ("!GPU|Val", (), ("GPU|Val",)),
        ("Epoch !GPU", ("Epoch",), ("GPU",)),
        ("trial 3 &Epoch [12] !GPU !Val M", ("trial 3", "Epoch [12]"), ("GPU", "Val M")),
        ("a!b a&b", ("a!b a&b",), ()),
        ("  x  ", ("x",), ()),
        ("x ! &", ("x",), ()),
    ],
)
def test_a_filter_is_what_must_match_and_what_must_not(text, include, exclude):
    found = parse_filter(text)
    assert (found.include, found.exclude) == (include, exclude)


@pytest.mark.parametrize("text", ["", " ", "!", "& !"])
def test_nothing_typed_is_no_filter(text):
    assert parse_filter(text) is None


@pytest.mark.parametrize("text", ["[", "x !(", "a{2,1}", "x" * (MAX_TEXT + 1), "a{99999999999999}"])
def test_a_bad_expression_is_refused(text):
    with pytest.raises(ValueError, match=r"bad expression|longer than"):
        parse_filter(text)


def test_the_command_says_the_same():
    command = parse_filter("it's !GPU").command("LOG")
    assert command == "tail -f LOG | grep -E 'it'\"'\"'s' | grep -vE GPU"


def test_lines_are_matched_in_another_process_which_ends_with_the_matcher():
    matcher = Matcher(parse_filter("Epoch &3 !GPU"))
    assert psutil.Process().children() == [], "none before the first line"
    assert matcher.kept(["Epoch 3", "Epoch 3 GPU", "Epoch", "\u2028 3 Epoch \x1b", ""]) == [
        True, False, False, True, False,
    ]  # fmt: skip
    assert matcher.kept([]) == []
    assert matcher.kept(["Epoch 3"] * 10_000) == [True] * 10_000
    [process] = psutil.Process().children()
    matcher.close()
    assert not process.is_running()


def test_an_expression_that_takes_for_ever_ends_its_process_and_nothing_waits_meanwhile():
    matcher = Matcher(parse_filter(FOR_EVER))
    raised = []

    def match():
        with pytest.raises(MatchError) as error:
            matcher.kept([VICTIM])
        raised.append(str(error.value))

    thread = threading.Thread(target=match)
    thread.start()
    turns = 0
    while thread.is_alive():
        time.sleep(0.001)
        turns += 1
    assert raised == ["the filter takes too long: removed"]
    assert turns > 100, "the interpreter was free"
    assert psutil.Process().children() == []


def test_a_matching_process_that_is_killed_is_named():
    matcher = Matcher(parse_filter("x"))
    matcher.kept(["x"])
    [process] = psutil.Process().children()
    process.kill()
    with pytest.raises(MatchError, match=re.escape("ended (exit code -9): filter removed")):
        matcher.kept(["x"])


def test_a_reader_removes_a_filter_that_takes_too_long_and_goes_on(home):
    path = home / "log"
    path.write_text(f"{VICTIM}\n")
    views, complaints = [], []
    reader = LogReader(views.append, complaints.append)
    reader.period = 0.01
    reader.watch([("run", path)])
    reader.choose(Choice(parse_filter(FOR_EVER)))
    reader.start()
    until(lambda: complaints)
    with path.open("a") as file:
        file.write("after\n")
    until(lambda: views and [line.text for line in views[-1].lines] == [VICTIM, "after"])
    reader.stop()
    reader.join(10)
    assert complaints == ["the filter takes too long: removed"]
    assert views[-1].choice == Choice()


def test_a_log_that_may_not_be_read_is_said(home):
    folder = home / "log"
    folder.mkdir()
    views = []
    reader = LogReader(views.append, print)
    reader.watch([("run", folder)])
    reader.start()
    until(lambda: views and views[-1].trouble)
    reader.stop()
    reader.join(10)
    assert "Is a directory" in views[-1].trouble


def until(condition):
    """Wait for something that will come; give up late."""
    give_up = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.01)
