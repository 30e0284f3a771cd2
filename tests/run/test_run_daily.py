"""The days of the newest validation as text, and the checkpoints that a trial keeps."""

from datetime import date

import pytest

from atft_core.run.daily import MAX_BYTES, Day, read_days, write_days
from atft_core.run.kept import kept_checkpoints

HEAD = "date,horizon,n,ic,rank_ic\n"


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "daily_ic.csv"
    rows = [
        {"date": date(2016, 2, day), "horizon": h, "n": 900 + day, "ic": h / 100, "rank_ic": None,
         "split": "val"}
        for day in (2, 1)
        for h in (1, 5)
    ]  # fmt: skip
    write_days(path, rows)
    assert path.read_text().startswith(HEAD + "2016-02-02,1,902,0.01,\n")
    days = read_days(path, 5)
    assert days == [Day("2016-02-01", 901, 0.05, None), Day("2016-02-02", 902, 0.05, None)]
    assert read_days(path, 20) == []


@pytest.mark.parametrize(
    "row",
    ["2016-02-01,1,many,0.1,0.1", "2016-02-01,1", "2016-02-01,1,9,0.1,high", "\x00,1,1", "," * 900],
)
def test_a_damaged_line_is_left_out(tmp_path, row):
    path = tmp_path / "daily_ic.csv"
    path.write_text(f"{HEAD}{row}\n2016-02-02,1,900,0.1,0.2\n")
    assert [day.date for day in read_days(path, 1) if day.rank_ic] == ["2016-02-02"]


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999"])
def test_what_is_not_finite_is_undefined(tmp_path, value):
    path = tmp_path / "daily_ic.csv"
    path.write_text(f"{HEAD}2016-02-01,1,900,0.1,{value}\n")
    assert read_days(path, 1) == [Day("2016-02-01", 900, 0.1, None)]


def test_a_file_that_is_none_of_ours_is_not_read(tmp_path):
    path = tmp_path / "daily_ic.csv"
    assert read_days(path, 1) == []
    path.mkdir()
    assert read_days(path, 1) == []
    path.rmdir()
    path.write_bytes(b"\xff\xfe" * 50)
    assert read_days(path, 1) == []
    path.write_text(HEAD + "2016-02-01,1,900,0.1,0.2\n" * (MAX_BYTES // 20))
    assert read_days(path, 1) == []
    path.write_text(HEAD + '"' + "x" * 200_000)
    assert read_days(path, 1) == [], "a field without an end"


def test_checkpoints_are_told_newest_first_with_their_size(tmp_path):
    for epoch in (3, 12):
        folder = tmp_path / f"epoch_{epoch:05d}"
        folder.mkdir()
        (folder / "weights.safetensors").write_bytes(bytes(1000 * epoch))
        (folder / "manifest.json").write_text("{}")
    (tmp_path / ".epoch.77.tmp").mkdir()
    (tmp_path / "epoch_x").mkdir()
    found = kept_checkpoints(tmp_path)
    assert [(kept.epoch, kept.size) for kept in found] == [(12, 12002), (3, 3002)]
    assert all(kept.t > 0 for kept in found)
    assert kept_checkpoints(tmp_path / "none") == []
