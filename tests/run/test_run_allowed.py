"""What a user has allowed to run is known by its sum alone, and can be looked at and taken back."""

import hashlib
from pathlib import Path

import pytest

from atft_core.run import allowed

CODE = b"TERMS = {}"
SUM = hashlib.sha256(CODE).hexdigest()
PROGRAM = {"argv": ["python", "train.py"], "scripts": {"train.py": "0"}, "place": "/research"}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def test_nothing_is_allowed_to_begin_with():
    assert allowed.everything() == []
    assert not allowed.knows_file(SUM) and not allowed.knows_program(PROGRAM)


def test_a_file_is_known_by_its_content_and_shown_with_its_path():
    allowed.allow_file(CODE, Path("/home/me/mine.py"))
    assert allowed.knows_file(SUM)
    assert allowed.content_of(SUM).read_bytes() == CODE
    (found,) = allowed.everything()
    assert (found.kind, found.sum, found.what) == ("file", SUM, "/home/me/mine.py")
    allowed.allow_file(CODE, Path("/home/me/moved.py"))
    assert [each.what for each in allowed.everything()] == ["/home/me/moved.py"]


def test_a_program_is_known_by_all_that_it_is():
    allowed.allow_program(PROGRAM)
    assert allowed.knows_program(dict(reversed(PROGRAM.items())))
    assert not allowed.knows_program({**PROGRAM, "scripts": {"train.py": "1"}})
    (found,) = allowed.everything()
    assert (found.kind, found.what, found.place) == ("program", "python train.py", "/research")


def test_what_was_allowed_is_taken_back_alone(home):
    allowed.allow_file(CODE, Path("/home/me/mine.py"))
    allowed.allow_program(PROGRAM)
    file, program = sorted(allowed.everything(), key=lambda each: each.kind)
    allowed.forget(file)
    assert not allowed.knows_file(SUM) and allowed.knows_program(PROGRAM)
    allowed.forget(program)
    assert list((home / "atft" / "plugins").iterdir()) == []


def test_a_store_that_somebody_wrote_into_is_still_shown(home):
    allowed.allow_program(PROGRAM)
    for name, text in (("a.json", "["), ("b.json", "[1]"), ("c.py", ""), ("d.path", "x")):
        (home / "atft" / "plugins" / name).write_text(text)
    assert sorted(each.what for each in allowed.everything()) == [
        "python train.py", "unknown", "unknown", "unknown",
    ]  # fmt: skip


@pytest.mark.parametrize("forged", ["../../secret", "", "a/b", "a.b"])
def test_a_sum_that_is_none_names_no_file(forged):
    assert not allowed.knows_file(forged)
