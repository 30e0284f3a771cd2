"""One writer, many readers, and a kill or a full disk at any moment."""

import os
import resource

import pytest

from atft_core.run import events as ev
from atft_core.run.events import Stamped, encode
from atft_core.run.fold import fold
from atft_core.run.journal import Journal, Tail, cut_torn_line, read_events


@pytest.fixture
def path(tmp_path):
    return tmp_path / "events.jsonl"


def texts(events):
    return [stamped.event.text for stamped in events]


def test_a_reader_gets_each_complete_line_once(path):
    tail = Tail(path)
    assert list(tail.events()) == []
    with Journal(path) as journal:
        journal.append(ev.Alert(text="one"))
        assert texts(tail.events()) == ["one"]
        journal.append(ev.Alert(text="two"))
        journal.append(ev.Alert(text="three"))
    assert texts(tail.events()) == ["two", "three"]
    assert list(tail.events()) == []


def test_a_reader_waits_for_the_end_of_a_line(path):
    line = encode(Stamped(1, 1.0, ev.Alert(text="whole"))).encode()
    tail = Tail(path)
    for end in range(len(line) + 1):
        path.write_bytes(line[:end])
        assert list(tail.events()) == []
    path.write_bytes(line + b"\n")
    assert texts(tail.events()) == ["whole"]


@pytest.mark.parametrize("kept", [0, 1, 10, -1])
def test_the_writer_removes_the_line_that_a_kill_tore(path, kept):
    with Journal(path) as journal:
        first = journal.append(ev.Alert(text="first"))
    whole = path.read_bytes()
    path.write_bytes(whole + encode(Stamped(2, 1.0, ev.Alert(text="torn"))).encode()[:kept])
    with Journal(path) as journal:
        assert path.read_bytes() == whole
        second = journal.append(ev.Alert(text="second"))
    assert list(read_events(path)) == [first, second]
    assert second.seq == 2


def test_a_torn_line_longer_than_a_chunk_is_removed(path):
    path.write_bytes(b"kept\n" + b"x" * 200_000)
    cut_torn_line(path)
    assert path.read_bytes() == b"kept\n"
    path.write_bytes(b"x" * 200_000)
    cut_torn_line(path)
    assert path.read_bytes() == b""


def test_damaged_lines_and_unknown_kinds_are_skipped(path):
    good = encode(Stamped(1, 1.0, ev.Alert(text="good")))
    path.write_bytes(f'{{"kind":"born_later"}}\n{good}\nnoise\n'.encode() + b"\xff\xfe\n")
    assert texts(Tail(path).events()) == ["good"]


def test_only_a_newline_ends_a_line(path):
    path.write_text("a\x0cb\u2028c\x85d\re\nrest", encoding="utf-8", newline="")
    assert Tail(path).lines() == ["a\x0cb\u2028c\x85d\re"]


def test_a_shortened_or_replaced_file_is_read_from_its_start(path):
    path.write_text("a\nb\nc\n")
    tail = Tail(path)
    assert tail.lines() == ["a", "b", "c"]
    path.write_text("d\n")
    assert tail.lines() == ["d"]
    other = path.with_name("other")
    other.write_text("e\nf\ng\nh\n")
    other.replace(path)
    assert tail.lines() == ["e", "f", "g", "h"]


def test_numbers_go_on_where_an_earlier_writer_stopped(path):
    for expected in ((1, 2), (3, 4)):
        with Journal(path) as journal:
            assert tuple(journal.append(ev.Alert()).seq for _ in range(2)) == expected


@pytest.mark.parametrize("last", [b"noise\n", b'{"kind":"born_later"}\nnoise\n'])
def test_numbers_of_a_damaged_end_are_not_given_again(path, last):
    with Journal(path) as journal:
        journal.append(ev.Alert(text="first"))
    with path.open("ab") as file:
        file.write(last)
    bad = last.count(b"\n")
    tail = Tail(path)
    assert (texts(tail.events()), tail.unread) == (["first"], bad)
    with Journal(path) as journal:
        assert journal.append(ev.Alert(text="next")).seq == 2 + bad
    assert (texts(tail.events()), tail.unread) == (["next"], 0)
    assert fold(read_events(path)).lost == bad


def test_a_full_disk_leaves_no_half_line(path):
    with Journal(path) as journal:
        journal.append(ev.Alert(text="first"))
        before = path.read_bytes()
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 30, hard))
        try:
            with pytest.raises(OSError, match="No space left"):
                journal.append(ev.Alert(text="does not fit"))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert path.read_bytes() == before
        assert journal.append(ev.Alert(text="fits")).seq == 2
    assert texts(read_events(path)) == ["first", "fits"]


def test_a_line_whose_fsync_failed_keeps_its_number(path):
    reading, writing = os.pipe()  # takes a line, refuses to be synced
    with Journal(path) as journal:
        real = os.dup(journal._fd)
        os.dup2(writing, journal._fd)
        with pytest.raises(OSError):
            journal.append(ev.Alert(text="written, not synced"))
        os.dup2(real, journal._fd)
        assert journal.append(ev.Alert(text="next")).seq == 2
    for fd in (real, reading, writing):
        os.close(fd)
