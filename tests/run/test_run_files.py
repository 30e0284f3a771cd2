"""A file is old or new, never half."""

import math
import os
import subprocess
import sys

import pytest

from atft_core.run.files import read_json, remove_leftovers, write_atomically, write_json


def test_a_value_survives_and_no_temporary_file_is_left(tmp_path):
    value = {"a": [1, None, "é"], "b": 0.1}
    write_json(tmp_path / "x.json", value)
    assert read_json(tmp_path / "x.json") == value
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


@pytest.mark.parametrize("value", [math.nan, {"a": [math.inf]}])
def test_nan_is_refused_and_the_old_file_stays(tmp_path, value):
    path = tmp_path / "x.json"
    write_json(path, {"old": 1})
    with pytest.raises(ValueError):
        write_json(path, value)
    assert read_json(path) == {"old": 1}


def test_a_failed_replacement_leaves_nothing_behind(tmp_path):
    target = tmp_path / "taken"
    target.mkdir()
    (target / "inside").write_text("x")
    with pytest.raises(OSError):
        write_atomically(target, b"data")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_what_cannot_be_read_as_json_is_none(tmp_path):
    (tmp_path / "torn").write_text('{"a": 1')
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "empty").write_text("")
    (tmp_path / "deep").write_text("[" * 100_000)
    for name in ("torn", "bytes", "empty", "deep", "missing", "torn/below"):
        assert read_json(tmp_path / name) is None
    assert read_json(tmp_path) is None


def test_what_a_process_that_is_gone_had_half_done_is_removed_and_nothing_else(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    ours, theirs = os.getpid(), gone.pid
    stay = [f".a.json.{ours}.tmp", f".db.{ours}.tmp-journal", "a.tmp", ".tmp", f".b.{theirs}.tmp.x"]
    go = [f".a.json.{theirs}.tmp", f".study.snapshot.{theirs}.tmp-journal"]
    (tmp_path / "logs").mkdir()
    for name in (*stay, *go, f"logs/.x.{theirs}.tmp"):
        (tmp_path / name).write_text("x")
    remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == sorted([*stay, "logs"])
