"""Logs of any size: their ends, their beginnings, a time in the middle, several as one."""

import os
import time

import pytest

from atft_tui.logs.file import MAX_READ, LogFile
from atft_tui.logs.filters import parse_filter
from atft_tui.logs.line import MAX_LINE, Level, Piece, level_of, parse
from atft_tui.logs.moment import Moment, parse_moment
from atft_tui.logs.window import KEEP_LINES, PAGE, Choice, LogWindow


def stamp(second):
    """A second of a day, as a log says it."""
    return f"2026-03-04 {second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"


def write(path, seconds, mode="w", text="line"):
    """A line for each of these seconds."""
    with path.open(mode) as file:
        file.writelines(f"{stamp(n)} {text} {n}\n" for n in seconds)


def opened(*paths):
    """A window on some logs."""
    window = LogWindow()
    window.open([(path.stem, path) for path in paths])
    return window


def numbers(window):
    """What the lines end with."""
    return [int(line.text.split()[-1]) for line in window.view.lines if line.said]


# One file.


def test_a_window_begins_at_the_end_and_reaches_every_line_by_paging_up(home):
    path = home / "log"
    write(path, range(3 * KEEP_LINES))
    window = opened(path)
    assert numbers(window) == list(range(3 * KEEP_LINES - PAGE, 3 * KEEP_LINES))
    seen = set(numbers(window))
    while not window.view.at_start:
        first = window.view.first
        window.older()
        assert numbers(window) == list(range(numbers(window)[0], numbers(window)[-1] + 1))
        assert window.view.first == first - PAGE, "a line keeps its number"
        assert len(window.view.lines) <= KEEP_LINES
        seen |= set(numbers(window))
    assert seen == set(range(3 * KEEP_LINES))
    while not window.view.at_end:
        window.newer()
        assert numbers(window) == list(range(numbers(window)[0], numbers(window)[-1] + 1))
    assert numbers(window)[-1] == 3 * KEEP_LINES - 1


def test_following_appends_whole_lines_only_and_forgets_the_oldest(home):
    path = home / "log"
    write(path, range(KEEP_LINES))
    window = opened(path)
    with path.open("a") as file:
        file.write(f"{stamp(9)} half")
    window.follow()
    assert numbers(window)[-1] == KEEP_LINES - 1
    with path.open("a") as file:
        file.write(" a line 77\n")
    window.follow()
    assert numbers(window)[-1] == 77
    write(path, range(KEEP_LINES), "a")
    window.follow()
    assert numbers(window) == list(range(KEEP_LINES))
    window.older()
    assert numbers(window)[PAGE - 1 : PAGE + 1] == [77, 0], "what was forgotten can be read again"


def test_of_a_burst_the_end_is_shown_and_the_rest_can_be_read(home):
    path = home / "log"
    write(path, range(10))
    window = opened(path)
    made = window.view.made
    write(path, range(10, 60_000), "a")
    assert path.stat().st_size > MAX_READ
    window.follow()
    assert (window.view.made, numbers(window)[-1]) == (made + 1, 59_999)
    window.older()
    assert numbers(window) == list(range(60_000 - 2 * PAGE, 60_000))


def replaced(path):
    path.rename(path.with_suffix(".1"))
    write(path, [1, 2, 3])


def shortened(path):
    write(path, [1, 2, 3])


def rewritten(path):
    write(path, range(1, 900), text="another")


@pytest.mark.parametrize(
    ("change", "said"),
    [(replaced, "replaced"), (shortened, "shortened"), (rewritten, "written anew")],
)
def test_a_file_that_becomes_another_is_said_in_one_line_and_gone_on_with(home, change, said):
    path = home / "log"
    write(path, range(100, 200))
    window = opened(path)
    change(path)
    window.follow()
    window.follow()
    notes = [line for line in window.view.lines if line.life < 0]
    assert [note.text for note in notes] == [f"--- {said}: log, on with the new one ---"]
    assert numbers(window)[:101] == [*range(100, 200), 1]
    write(path, [4321], "a")
    window.follow()
    assert numbers(window)[-1] == 4321
    window.older()
    assert window.view.at_start
    assert numbers(window)[0] == 100, "what is gone from the disk is still shown"


def test_a_file_that_comes_later_or_goes_for_a_while_is_no_error(home):
    path = home / "log"
    window = opened(path)
    assert window.view.lines == ()
    write(path, [1])
    window.follow()
    path.unlink()
    window.follow()
    assert numbers(window) == [1]
    write(path, [2, 3])
    window.follow()
    assert numbers(window) == [1, 2, 3]


def test_lines_that_come_while_one_reads_are_counted(home):
    path = home / "log"
    write(path, range(50))
    window = opened(path)
    window.hold()
    write(path, range(50, 57), "a")
    assert (window.view.waiting, window.view.at_end) == (7, False)
    assert numbers(window)[-1] == 49
    window.follow()
    assert numbers(window)[-1] == 56
    window.hold()
    assert (window.view.waiting, window.view.at_end) == (0, True)


def test_the_end_of_ten_gigabytes_is_read_at_once_and_a_time_in_them_is_found(home):
    path = home / "log"
    with path.open("wb") as file:
        file.truncate(10 << 30)
        file.seek(0, os.SEEK_END)
        file.write(b"\n")
    write(path, range(20_000), "a")
    began = time.process_time()
    window = opened(path)
    window.to_moment(Moment("", "01:02:03"))
    view = window.view
    assert view.lines[view.top - view.first].said == "2026-03-04 01:02:03"
    window.to_start()
    assert window.view.at_start
    assert time.process_time() - began < 5, "that is a page here and there"


@pytest.mark.parametrize("second", [0, 1, 4999, 5000, 12_345, 19_998])
def test_a_time_is_found_wherever_it_is(home, second):
    path = home / "log"
    with path.open("w") as file:
        for n in range(0, 20_000, 2):
            file.write(f"{stamp(n)} line {n}\n  a line without a time\n")
    file = LogFile(path, "log")
    place = file.find(stamp(second))
    even = second + second % 2
    assert file.after(place, 1).lines[0].text == f"line {even}"
    assert file.find("2026-03-05 00:00:00") == path.stat().st_size
    assert file.find("2025") == 0


def test_a_line_without_end_is_read_in_parts_and_cut(home):
    path = home / "log"
    path.write_bytes(b"first\n" + b"x" * (3 * MAX_READ) + b"\nlast\n")
    window = opened(path)
    while not window.view.at_start:
        window.older()
    lines = [line.text for line in window.view.lines]
    assert (lines[0], lines[-1]) == ("first", "last")
    assert all(len(line) < MAX_LINE + 40 for line in lines)
    assert any(line.endswith("bytes not shown") for line in lines)
    window.to_start()
    while not window.view.at_end:
        window.newer()
    assert window.view.lines[-1].text == "last"


# Several.


def test_two_logs_are_one_by_their_times_however_it_is_read(home):
    one, other = home / "one", home / "other"
    write(one, range(0, 9000, 3))
    write(other, sorted({*range(0, 9000)} - {*range(0, 9000, 3)}))
    window = opened(one, other)
    for move, edge in ((window.older, "at_start"), (window.newer, "at_end")):
        while not getattr(window.view, edge):
            move()
            found = numbers(window)
            assert found == list(range(found[0], found[-1] + 1))
    assert numbers(window)[-1] == 8999
    write(one, [9002], "a")
    write(other, [9001], "a")
    window.follow()
    assert numbers(window)[-2:] == [9001, 9002]
    assert {line.tag for line in window.view.lines} == {"one", "other"}


def test_two_logs_of_which_one_has_long_lines_are_one_by_their_times(home):
    one, other = home / "one", home / "other"
    write(one, range(0, 6000, 2), text="x" * 3500)
    write(other, range(1, 6000, 2))
    window = opened(one, other)
    for move, edge in ((window.older, "at_start"), (window.newer, "at_end")):
        while not getattr(window.view, edge):
            move()
            found = numbers(window)
            assert found == list(range(found[0], found[-1] + 1))


def test_a_page_that_begins_within_a_traceback_has_times_all_the_same(home):
    path = home / "log"
    with path.open("w") as file:
        file.writelines(f"{stamp(n)} line {n}\n  more\n  and more\n" for n in range(1000))
    lines = opened(path).view.lines
    assert not lines[0].said
    stamps = [line.stamp for line in lines]
    assert all(stamps)
    assert stamps == sorted(stamps)


def test_a_traceback_that_comes_bit_by_bit_is_still_one(home):
    path = home / "log"
    write(path, [7])
    window = opened(path)
    for text in (
        "Traceback (most recent call last):\n",
        "  File x\n",
        "    y = 1\n",
        "ValueError\n",
    ):
        with path.open("a") as file:
            file.write(text)
        window.follow()
    assert [line.level for line in window.view.lines] == [0, 2, 2, 2, 2]
    assert {line.stamp for line in window.view.lines} == {stamp(7)}


def test_a_traceback_stays_together_between_lines_of_another_log(home):
    one, other = home / "one", home / "other"
    write(one, range(0, 100, 2))
    write(other, [50])
    with other.open("a") as file:
        file.write("Traceback (most recent call last):\n  File x\nValueError: y\n")
    write(other, [90], "a")
    texts = [line.text for line in opened(one, other).view.lines]
    at = texts.index("line 50", texts.index("line 50") + 1)
    assert texts[at + 1 : at + 5] == [
        "Traceback (most recent call last):", "  File x", "ValueError: y", "line 52",
    ]  # fmt: skip


# What is shown.


def test_a_filter_reads_back_until_it_has_a_page(home):
    path = home / "log"
    write(path, range(30_000))
    window = opened(path)
    window.choose(Choice(parse_filter(r"line \d+7$ !97$")))
    found = numbers(window)
    window.close()
    assert PAGE <= len(found) < KEEP_LINES
    assert found[-3:] == [29_967, 29_977, 29_987]


def test_a_choice_keeps_the_time_that_is_read(home):
    path = home / "log"
    write(path, range(30_000))
    window = opened(path)
    window.choose(Choice(level=Level.WARNING), stamp(9000))
    assert window.view.lines == ()
    window.choose(Choice(), stamp(9000))
    view = window.view
    assert view.lines[view.top - view.first].text == "line 9000"


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("Epoch 1/2 trial 0 train loss +0.1", Level.PLAIN),
        ("Trial 3 FAIL (the loss is not finite)", Level.ERROR),
        ("Trial 3 worker lost: SIGKILL", Level.ERROR),
        ("ERROR root: no", Level.ERROR),
        ("torch.OutOfMemoryError: CUDA", Level.ERROR),
        ("Warning: a disk is nearly full", Level.WARNING),
        ("Data warning: gaps", Level.WARNING),
        ("WARNING:root:slow", Level.WARNING),
        ("x.py:3: UserWarning: y", Level.WARNING),
        ("Error: the study cannot be opened", Level.ERROR),
    ],
)
def test_the_level_of_a_line_is_in_its_words(text, level):
    assert level_of(text) is level


def test_the_lines_of_a_traceback_are_errors_too():
    texts = ["2026-01-02 03:04:05,678 INFO x", "Traceback:", "  File x", "    y = 1", "next"]
    lines = parse([Piece(0, 1, text.encode()) for text in texts])
    assert [line.level for line in lines] == [0, 2, 2, 2, 0]
    assert lines[0].said == "2026-01-02 03:04:05,678"
    assert {line.stamp for line in lines} == {"2026-01-02 03:04:05.678"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("03:04", "2026-03-04 03:04"),
        ("3:04:05", "2026-03-04 03:04:05"),
        ("12:00", "2026-03-03 12:00"),
        ("2025-01-02 03:04", "2025-01-02 03:04"),
    ],
)
def test_a_time_without_a_day_is_the_last_one(text, found):
    assert parse_moment(text).stamp("2026-03-04 11:00:00") == found


@pytest.mark.parametrize("text", ["", "25:00", "1", "12:60", "2026-13-01 10:00", "noon"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValueError, match=r"a time is|month must be"):
        parse_moment(text)
