"""What a program is made of: the files among its words, wherever it is looked at from."""

import json
import os

import pytest

from atft_core.command.files import (
    changed,
    fingerprint,
    refuse_other_words,
    scripts,
    scripts_of,
)
from atft_core.command.trial import _code
from atft_core.config.command import CommandConfig
from atft_core.config.load import with_values
from atft_core.config.schema import Config
from atft_core.errors import ConfigError
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
    assert scripts(["python", "-m", "train", "--log", "train.log"], place) == []


def test_what_was_edited_or_removed_is_named_with_its_sum(place):
    was = scripts_of(CommandConfig(argv=("python", "train.py", "conf.yaml")), place)
    assert changed(was, place) == {}
    (place / "train.py").write_text("another")
    (place / "conf.yaml").unlink()
    edited = changed(was, place)
    assert edited["conf.yaml"] == "" and edited["train.py"] not in ("", was["train.py"])
    assert changed(None, place) == changed("forged", place) == {}
    os.mkfifo(place / "pipe")
    endless = {"/dev/zero": "0", "pipe": "0"}  # a forged run may name anything
    assert changed(endless, place) == dict.fromkeys(endless, "")


def test_a_worker_compares_where_the_run_was_started(place, tmp_path, monkeypatch):
    was = scripts_of(CommandConfig(argv=("python", "train.py")), place)
    run = RunDirectory(tmp_path / "run")
    run.path.mkdir()
    run.run_json.write_text(json.dumps({"cwd": str(place), "identity": {"scripts": was}}))
    monkeypatch.chdir("/")
    assert _code(run, run.place())["edited"] == {}
    (place / "train.py").write_text("another")
    assert list(_code(run, run.place())["edited"]) == ["train.py"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("command.argv", ["/bin/sh", "-c", "id"]), ("command.params.lr", "1; id"),
        ("command.params.opt", "rmsprop"), ("command.params.new", 1.0), ("plugins.files", ["x.py"]),
        ("command.params.lr", None), ("train.max_epochs", 3),
    ],
)  # fmt: skip
def test_a_trial_cannot_make_another_program_of_a_run(key, value):
    config = tuned()
    with pytest.raises(ConfigError, match="would run another program"):
        refuse_other_words(config, {"command.params.lr": 0.1, key: value})


def test_numbers_and_the_texts_that_are_chosen_from_are_a_trial(tmp_path):
    drawn = {"command.params.lr": 1e300, "command.params.opt": "sgd", "train.seed": 3}
    refuse_other_words(tuned(), drawn)
    refuse_other_words(tuned(), {"command.params.opt": "adam"})
    assert fingerprint(tuned(), tmp_path)["drawn"] == {"command.params.opt": ["adam", "sgd"]}


def tuned():
    return with_values(
        Config(),
        {
            "command.argv": ["python", "-c", "{lr} {opt} {seed}"], "command.value": "ic",
            "command.params": {"lr": 0.1, "opt": "adam"},
            "search": {"command.params.lr": {"low": 0.0, "high": 1.0},
                       "command.params.opt": {"choices": ["adam", "sgd"]}},
        },
    )  # fmt: skip


def test_a_program_without_a_suffix_counts_where_it_lies_here(place):
    (place / "train").write_text("#!/bin/sh")
    (place / "python").symlink_to("/bin/sh")
    assert scripts(["./train", "x"], place) == ["./train"]
    assert scripts([str(place / "train")], place) == [str(place / "train")]
    assert scripts(["/bin/sh", "./python"], place) == []
