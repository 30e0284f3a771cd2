"""Notes and tags: the newest note wins, tags are a set, and no damage hides the rest."""

import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import run_builders

from atft_core.errors import RunDirectoryError, UsageError
from atft_core.run.notes import (
    MAX_NOTE,
    MAX_TAGS,
    NO_NOTES,
    read_notes,
    write_archived,
    write_note,
    write_tags,
)


@pytest.fixture
def run(tmp_path):
    return run_builders.written(run_builders.dry_run(), tmp_path / "dry")


def as_nobody(code: str) -> str:
    """What another user's process prints, which has loaded its code before it became theirs."""
    loads = (
        "import os; from pathlib import Path; from atft_core.run.directory import RunDirectory\n"
        "from atft_core.run.notes import read_notes, write_note\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
    )
    script = loads + code
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_nothing_is_written_about_a_new_run(run):
    assert read_notes(run) == NO_NOTES


def test_the_newest_note_wins_and_says_who_wrote_it(run):
    write_note(run, "first")
    write_note(run, "  second, with Ümlaut ")
    found = read_notes(run).run
    assert found.text == "second, with Ümlaut"
    assert found.user
    assert found.t > 1e9
    assert len(run.notes.read_text().splitlines()) == 2, "nothing is overwritten"


def test_an_empty_note_takes_the_note_away_and_leaves_the_tags(run):
    write_note(run, "first")
    write_tags(run, ["keep"])
    write_note(run, "")
    assert read_notes(run).run.line == "#keep"


def test_tags_are_a_set(run):
    write_tags(run, ["b", "a"])
    write_tags(run, ["b", "c.1"], ["a", "never-there"])
    assert read_notes(run).run.tags == ("b", "c.1")
    assert read_notes(run).run.line == "#b #c.1"


def test_trials_have_notes_of_their_own(run):
    write_note(run, "about the run")
    write_note(run, "about it", trial=0)
    write_tags(run, ["x"], trial=3)
    notes = read_notes(run)
    assert (notes.of(None).text, notes.of(0).text, notes.of(3).tags) == (
        "about the run", "about it", ("x",),
    )  # fmt: skip
    assert notes.of(7).line == ""


def test_a_run_is_archived_until_it_is_taken_out(run):
    write_archived(run, archived=True)
    write_note(run, "x")
    assert read_notes(run).archived
    write_archived(run, archived=False)
    assert not read_notes(run).archived


@pytest.mark.parametrize(
    "text", ["two\nlines", "\x1b]52;c;AAAA\x07", "a\x9bb", "\u202eevil", "x" * (MAX_NOTE + 1)]
)
def test_a_note_that_is_no_plain_line_is_refused(run, text):
    with pytest.raises(UsageError):
        write_note(run, text)
    assert not run.notes.exists()


@pytest.mark.parametrize("tag", ["", "two words", "-x", "+x", "a/b", "x" * 25, "\x1b[31m", "a,b"])
def test_what_is_no_tag_is_refused(run, tag):
    with pytest.raises(UsageError, match="is no tag"):
        write_tags(run, [tag])


def test_there_are_not_too_many_tags(run):
    write_tags(run, [f"t{n}" for n in range(MAX_TAGS)])
    with pytest.raises(UsageError, match="At most 16"):
        write_tags(run, ["more"])
    write_tags(run, ["more"], ["t0"])
    assert "more" in read_notes(run).run.tags


@pytest.mark.parametrize(
    "damage",
    [
        b"{", b"[]\n", b"null\n", b'"x"\n', b"\xff\xfe\n", b'{"note": 7}\n', b'{"add": "abc"}\n',
        b'{"trial": "0", "note": "x"}\n', b'{"trial": true, "note": "x"}\n', b"[" * 10_000 + b"\n",
        b'{"add": ["a b", 5, null], "remove": {"x": 1}}\n', b'{"archived": "yes"}\n', b"\x00\n",
    ],
)  # fmt: skip
def test_damaged_lines_hide_nothing_else(run, damage):
    write_note(run, "before")
    with run.notes.open("ab") as file:
        file.write(damage)
    write_tags(run, ["after"])
    assert read_notes(run).of(None).line == "#after before"
    assert not read_notes(run).archived


def test_a_line_without_its_end_is_not_believed(run):
    write_note(run, "whole")
    with run.notes.open("ab") as file:
        file.write(json.dumps({"note": "torn"}).encode())
    assert read_notes(run).run.text == "whole"


@pytest.mark.parametrize("when", [float("inf"), float("nan"), 1e18, -5, "now", True, None])
def test_what_somebody_else_wrote_into_the_file_is_cleaned(run, when):
    run.notes.write_text(
        json.dumps({"note": "a\x1b]52;c;AA\x07b\nc", "user": "\x1b[31mann", "t": when}) + "\n"
    )
    found = read_notes(run).run
    assert (found.text, found.user, found.t) == ("ab·c", "ann", 0.0)


def test_of_a_huge_file_the_end_is_read(run):
    line = json.dumps({"note": "old" * 100}) + "\n"
    run.notes.write_text(json.dumps({"add": ["lost"]}) + "\n" + line * 5000)
    write_note(run, "new")
    assert read_notes(run).run.line == "new"


def test_a_pipe_in_its_place_is_not_waited_for(run):
    os.mkfifo(run.notes)
    assert read_notes(run) == NO_NOTES


def test_a_link_in_its_place_is_not_written_through(run, tmp_path):
    other = tmp_path / "other"
    other.write_text("mine\n")
    run.notes.symlink_to(other)
    with pytest.raises(RunDirectoryError, match="cannot write"):
        write_note(run, "x")
    assert other.read_text() == "mine\n"


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


@pytest.mark.parametrize(
    "make", [os.mkfifo, os.mkdir, a_socket, lambda path: os.mknod(path, 0o20600, os.makedev(1, 3))],
    ids=["fifo", "directory", "socket", "device"],
)  # fmt: skip
def test_what_is_no_file_takes_no_note_and_that_is_said(run, make):
    try:
        make(run.notes)
    except PermissionError:
        pytest.skip("only root makes devices")
    for write in (
        lambda: write_note(run, "x"),
        lambda: write_tags(run, ["x"]),
        lambda: write_archived(run, archived=True),
    ):
        with pytest.raises(RunDirectoryError) as error:
            write()
        assert str(run.notes) in error.value.message
        assert error.value.hint.endswith(f"mv {run.notes} {run.notes}.old")
    assert read_notes(run) == NO_NOTES


def test_many_who_write_at_once_lose_nothing(run):
    code = (
        "import sys; from pathlib import Path; from atft_core.run.directory import RunDirectory\n"
        "from atft_core.run.notes import write_tags\n"
        f"run = RunDirectory(Path({str(run.path)!r}))\n"
        "for n in range(20): write_tags(run, [], [f'{sys.argv[1]}-{n}'])\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, f"w{n}"]) for n in range(4)]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    lines = [json.loads(line) for line in run.notes.read_text().splitlines()]
    assert sorted(line["remove"][0] for line in lines) == sorted(
        f"w{w}-{n}" for w in range(4) for n in range(20)
    )


def test_what_is_no_run_gets_no_note(tmp_path):
    from atft_core.run.directory import RunDirectory

    with pytest.raises(RunDirectoryError, match="not a run directory"):
        write_note(RunDirectory(tmp_path), "x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_somebody_elses_run_is_read_and_not_written():
    with tempfile.TemporaryDirectory() as place:  # pytest's own is closed to others
        Path(place).chmod(0o755)
        run = run_builders.written(run_builders.dry_run(), Path(place) / "dry")
        write_note(run, "mine")
        for path in (run.path, run.run_json, run.notes):
            path.chmod(0o755)
        said = as_nobody(
            f"run = RunDirectory(Path({str(run.path)!r}))\n"
            "print(read_notes(run).run.text)\n"
            "try: write_note(run, 'theirs')\n"
            "except Exception as error: print(error)\n"
        )
        assert said.startswith("mine\n")
        assert "not yours to change: it belongs to root" in said
        assert read_notes(run).run.text == "mine"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a run away")
def test_not_even_root_writes_into_the_run_of_somebody_else(run):
    os.chown(run.path, 65534, 65534)
    with pytest.raises(RunDirectoryError, match="it belongs to nobody"):
        write_note(run, "x")


def test_at_an_earlier_time_there_is_what_was_written_until_then(run):
    run.notes.write_text(
        '{"t": 10, "trial": null, "note": "first"}\n'
        '{"t": 20, "trial": null, "note": "second"}\n{"t": 20, "archived": true}\n'
    )
    assert read_notes(run, until=9) == NO_NOTES
    assert (read_notes(run, until=10).run.text, read_notes(run, until=10).archived) == (
        "first",
        False,
    )
    assert (read_notes(run).run.text, read_notes(run).archived) == ("second", True)
