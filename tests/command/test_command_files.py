"""What a program is made of: the files among its words, wherever it is looked at from."""

import json

import pytest

from atft_core.command.files import changed, scripts, scripts_of
from atft_core.command.trial import _code
from atft_core.config.command import CommandConfig
from atft_core.run.directory import RunDirectory


@pytest.fixture
def place(tmp_path):
    for name in ("train.py", "conf.yaml", "train.log", "panel.parquet", "first.txt"):
        (tmp_path / name).write_text(name)
    return tmp_path


def test_data_is_no_part_of_a_program_but_its_first_file_always_is(place):
    argv = ["python", "train.py", "--log", "train.log", "--conf", "conf.yaml", "panel.parquet"]
    assert scripts(argv, place) == ["train.py", "conf.yaml"]
    assert scripts(["python", "first.txt", "train.log"], place) == ["first.txt"]
    assert scripts(["python", "-m", "train", "missing.py"], place) == []


def test_what_was_edited_or_removed_is_named_with_its_sum(place):
    was = scripts_of(CommandConfig(argv=("python", "train.py", "conf.yaml")), place)
    assert changed(was, place) == {}
    (place / "train.py").write_text("another")
    (place / "conf.yaml").unlink()
    edited = changed(was, place)
    assert edited["conf.yaml"] == "" and edited["train.py"] not in ("", was["train.py"])
    assert changed(None, place) == changed("forged", place) == {}


def test_a_worker_compares_where_the_run_was_started(place, tmp_path, monkeypatch):
    was = scripts_of(CommandConfig(argv=("python", "train.py")), place)
    run = RunDirectory(tmp_path / "run")
    run.path.mkdir()
    run.run_json.write_text(json.dumps({"cwd": str(place), "identity": {"scripts": was}}))
    monkeypatch.chdir("/")
    assert _code(run, run.place())["edited"] == {}
    (place / "train.py").write_text("another")
    assert list(_code(run, run.place())["edited"]) == ["train.py"]
