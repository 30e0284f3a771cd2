"""Bad input: a few lines that say what, where and what to do. No traceback, nothing left behind."""

import os
import subprocess
import sys
from datetime import date, timedelta

import polars as pl
import pytest

from atft_core.run.directory import create

HPO = ("--n-trials", "1", "--max-epochs", "1", "--study-name", "s", "--output-dir", "out")


def good_rows(days=120, stocks=12):
    start = date(2020, 1, 1)
    rows = []
    for d in range(days):
        for s in range(stocks):
            close = 100.0 + s + (d * (s + 1)) % 7
            rows.append((start + timedelta(days=d), f"S{s:02d}", close, close + 1, close - 1, close,
                         1000.0 + d))  # fmt: skip
    names = ["date", "code", "open", "high", "low", "close", "volume"]
    return pl.DataFrame(rows, schema=names, orient="row")


def missing(path):
    """There is no file."""


def not_parquet(path):
    path.write_text("date,code,close\n2020-01-01,A,1\n")


def truncated(path):
    good_rows().write_parquet(path)
    path.write_bytes(path.read_bytes()[:-200])


def empty_file(path):
    path.write_bytes(b"")


def a_directory(path):
    path.mkdir()


def wrong_names(path):
    good_rows().rename({"close": "clsoe"}).write_parquet(path)


def no_date(path):
    good_rows().rename({"date": "day"}).write_parquet(path)


def duplicates(path):
    frame = good_rows()
    pl.concat([frame, frame[:3]]).write_parquet(path)


def zero_price(path):
    good_rows().with_columns(
        close=pl.when(pl.col("code") == "S03").then(0.0).otherwise(pl.col("close"))
    ).write_parquet(path)


def no_rows(path):
    good_rows()[:0].write_parquet(path)


def few_days(path):
    good_rows(days=15).write_parquet(path)


def text_prices(path):
    good_rows().with_columns(pl.lit("cheap").alias("close")).write_parquet(path)


BAD = {
    missing: "panel.parquet",
    not_parquet: "parquet",
    truncated: "panel.parquet",
    empty_file: "panel.parquet",
    a_directory: "directory",
    wrong_names: "clsoe",
    no_date: "day",
    duplicates: "(date, code)",
    zero_price: "S03",
    no_rows: "no rows",
    few_days: "days",
    text_prices: "close",
}


@pytest.mark.slow
@pytest.mark.parametrize("make", BAD, ids=lambda f: f.__name__)
def test_a_bad_panel_is_named_before_a_run_exists(atft, tmp_path, make):
    make(tmp_path / "panel.parquet")
    done = atft("hpo", "--data-path", "panel.parquet", *HPO)
    assert done.code == 1
    assert BAD[make] in done.err
    assert "Traceback" not in done.err
    assert len(done.err.splitlines()) <= 12
    assert not (tmp_path / "out").exists()
    caches = [p for p in (tmp_path / "cache").rglob("*") if p.suffix in (".arrow", ".tmp")]
    assert caches == []


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("hpo", "--data-path", "p", "--n-trials", "0", "--output-dir", "out"), "n_trials"),
        (("hpo", "--data-path", "p", "--max-epochs", "0", "--output-dir", "out"), "max_epochs"),
        (("hpo", "--data-path", "p", "--study-name", "../../x", "--output-dir", "out"), "../../x"),
        (("hpo", "--data-path", "p", "--output-dir", "out", "--set", "train.lr=1"), "train.lr"),
        (("hpo", "--data-path", "p", "--output-dir", "out", "--until", "soon"), "soon"),
        (("run", "dri"), "dry"),
        (
            ("hpo", "--data-path", "p", "--output-dir", "out", "--until", "0001-01-01"),
            "calendar",
        ),
        (("hpo", "--data-path", "~nosuchuser/p", "--output-dir", "out"), "no such user"),
        (("hpo", "--data-path", "p", "--output-dir", "~nosuchuser/out"), "no such user"),
        (("hpo", "--data-path", "p\x1b[31m", "--output-dir", "out"), "not plain UTF-8 text"),
        (("hpo", "--data-path", b"p\xff", "--output-dir", "out"), "not plain UTF-8 text"),
        (("hpo", "--data-path", "p", "--output-dir", b"out\xff"), "not plain UTF-8 text"),
        (("run", "dry", "--then", "fulll"), "full"),
        (("run", "dry", "--plan", "--then", "fulll"), "full"),
        (("run", "dry", "--then", "full"), "it needs evidence of 'short'"),
        (("run", "short", "--then", "short"), "is the stage itself"),
        (("run", "dry", "--plan", "--until", "soon"), "soon"),
        (("run", "dry", "--runbook", "none.toml"), "none.toml"),
        (("status", "nowhere"), "nowhere"),
        (("bogus",), "bogus"),
    ],
)
def test_a_wrong_command_line_is_usage_and_says_which_word(atft, tmp_path, args, said):
    done = atft(*args)
    assert done.code == 2, done
    assert said in done.err
    assert "Traceback" not in done.err
    assert done.err.replace("\n", "").isprintable()
    assert not (tmp_path / "out").exists()


def test_a_pipe_is_no_panel_and_is_not_waited_for(atft, tmp_path):
    os.mkfifo(tmp_path / "pipe.parquet")
    done = atft("data", "check", "--data-path", "pipe.parquet")
    assert done.code == 1
    assert "pipe.parquet is no file" in done.out


def test_a_code_cannot_speak_to_the_terminal(atft, tmp_path):
    evil = "S03\x1b]52;c;aGk=\x07\nno defects found" + "x" * 500
    frame = good_rows().with_columns(code=pl.col("code").replace("S03", evil))
    pl.concat([frame, frame.filter(pl.col("code") == evil)[:1]]).write_parquet(
        tmp_path / "p.parquet"
    )
    done = atft("data", "check", "--data-path", "p.parquet")
    assert done.code == 1
    assert "\x1b" not in done.out
    assert "\x07" not in done.out
    assert [line for line in done.out.splitlines() if line.startswith("no defects")] == []
    assert max(map(len, done.out.splitlines())) < 400


def test_output_that_cannot_be_written_is_one_line_and_an_error(atft, tmp_path):
    command = f"{sys.executable} -m atft_core config show >/dev/full"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "atft: No space left on device\n"


def test_a_directory_that_is_gone_is_said(atft, tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    done = atft("hpo", "--data-path", "p", "--output-dir", "out")
    assert done.code in (1, 2)
    assert "Traceback" not in done.err
    assert "current directory is gone" in done.err


@pytest.mark.parametrize("verb", ["check", "stop", "resume"])
def test_what_is_no_run_directory_is_said(atft, tmp_path, verb):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("years")
    done = atft(verb, "other")
    assert done.code == 1
    assert "not a run directory" in done.err
    assert (tmp_path / "other" / "thesis.tex").read_text() == "years"


@pytest.mark.slow
def test_an_output_directory_that_holds_something_else_is_left_alone(atft, tmp_path):
    good_rows().write_parquet(tmp_path / "panel.parquet")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years")
    done = atft("hpo", "--data-path", "panel.parquet", *HPO)
    assert done.code == 1
    assert "thesis.tex" in done.err
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["thesis.tex"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_place_that_may_not_be_written_is_named(atft, tmp_path):
    good_rows().write_parquet(tmp_path / "panel.parquet")
    (tmp_path / "locked").mkdir(mode=0o500)
    done = atft("hpo", "--data-path", "panel.parquet", *HPO[:-1], "locked/out")
    assert done.code == 1
    assert "locked" in done.err
    assert "Traceback" not in done.err


def test_a_run_of_another_engine_is_named(tmp_path):
    from atft_core.errors import RunBusyError
    from atft_core.run.lock import EngineLock

    run = create(tmp_path / "out")
    lock = EngineLock(run.lock)
    with pytest.raises(RunBusyError, match="belongs to a running engine"):
        EngineLock(run.lock)
    lock.release()
    EngineLock(run.lock).release()
