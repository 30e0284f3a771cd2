"""Raw files with real defects, through the command: each defect named and counted, no traceback.

Where the two archives are present: CSV files as people download them, with zero prices, a nameless
first column, time zones and header-only files; and ready features with -1234 for what is missing.
"""

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import polars as pl
import pytest

pytestmark = pytest.mark.slow
MESSY = Path(__file__).resolve().parents[3] / "shared" / "data" / "messy"
OHLCV = ("open", "high", "low", "close", "volume")


def archive(name):
    path = MESSY / f"{name}.zip"
    if not path.is_file():
        pytest.skip(f"the raw files {path} are not here")
    with zipfile.ZipFile(path) as files:
        return {Path(one).stem: files.read(one) for one in files.namelist() if one.endswith(".csv")}


def check(path, *sets, code=1):
    command = [sys.executable, "-m", "atft_core", "data", "check", "--data-path", str(path), *sets]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def prices():
    """All files one below the other, as a person would read them; those without a row are none."""
    frames = [
        pl.read_csv(io.BytesIO(text), try_parse_dates=True).with_columns(code=pl.lit(name))
        for name, text in archive("google_finance_raw_csv").items()
    ]
    return pl.concat(frame for frame in frames if frame.height)


def test_what_is_no_panel_is_told_how_to_become_one(tmp_path):
    files = archive("google_finance_raw_csv")
    name, text = next(iter(files.items()))
    (tmp_path / f"{name}.csv").write_bytes(text)
    assert "Convert CSV with polars" in check(tmp_path / f"{name}.csv")
    assert "is a directory" in check(tmp_path)
    assert "neither parquet nor Arrow" in check(MESSY / "google_finance_raw_csv.zip")


def test_columns_that_are_called_otherwise_are_all_named_at_once(prices, tmp_path):
    prices.write_parquet(tmp_path / "raw.parquet")
    said = check(tmp_path / "raw.parquet")
    assert "no column 'date' in raw.parquet; there are '', 'Open', 'High'" in said
    assert all(f"--set data.{name}_column={name.title()}" in said for name in OHLCV)
    named = [
        word
        for name in ("date", *OHLCV)
        for word in ("--set", f"data.{name}_column={name.title() if name != 'date' else ''}")
    ]
    prices.rename({"": "Date"}).write_parquet(tmp_path / "named.parquet")
    named[1] = "data.date_column=Date"
    assert "no column" not in check(tmp_path / "named.parquet", *named)


def test_prices_that_are_none_are_counted_and_the_first_named(prices, tmp_path):
    frame = prices.rename({"": "date"} | {name.title(): name for name in OHLCV})
    frame.write_parquet(tmp_path / "panel.parquet")
    said = check(tmp_path / "panel.parquet")
    for name in ("open", "high", "low"):
        wrong = frame.filter(pl.col(name) <= 0).sort("date", "code")
        day = wrong["date"][0].date()
        first = f"{wrong.height} prices of 0 or less in {name!r}: {wrong['code'][0]} {day}"
        assert first in said
    returns = frame.sort("date").select(
        (pl.col("close").pct_change().over("code").abs() > 0.5).sum()
    )
    assert f"{returns.item()} one-day returns beyond 50%" in said
    assert "no day has more than 8 stocks" in said


def test_a_number_that_stands_for_a_missing_one_is_counted_in_each_feature(tmp_path):
    features = [f"column_{i}" for i in range(1, 5)]
    frames = [
        pl.read_csv(io.BytesIO(text), has_header=False).with_columns(code=pl.lit(f"{name}{copy}"))
        for name, text in archive("rsr_processed_sentinel_csv").items() for copy in range(4)
    ]  # fmt: skip
    frame = pl.concat(frames).with_columns(
        date=pl.date(2015, 1, 1) + pl.duration(days=pl.col("column_0").cast(pl.Int32))
    )
    close = pl.when(pl.col("column_5") > 0).then("column_5")
    frame = frame.with_columns(
        open=close, high=close, low=close, close=close, volume=pl.lit(1000.0)
    ).drop("column_0", "column_5")
    frame.write_parquet(tmp_path / "panel.parquet")
    said = check(tmp_path / "panel.parquet", "--set", f"data.features={features}", code=0)
    for name in features:
        count = frame.filter(pl.col(name) == -1234).height
        assert count and f"{count} times -1234 in {name!r}, all others are 0." in said
