"""What can be read, and how each unreadable or wrong file is answered."""

import datetime as dt
import os

import numpy as np
import polars as pl
import pytest
from data_panels import CLOSES, built, config_for, rows, written

from atft_core.data.build import check_panel, ensure_cache
from atft_core.errors import ConfigError, DataError

SHORT = {"horizons": (1, 5)}


def refused(path, **data):
    """The message and the hint with which a panel is refused; nothing is left behind."""
    with pytest.raises(DataError) as caught:
        ensure_cache(config_for(path, label=SHORT, **data))
    left = [p for p in path.parent.rglob("*") if p.suffix in {".arrow", ".tmp"} and p != path]
    assert left == []
    return str(caught.value)


def same(panel, other):
    np.testing.assert_array_equal(panel.dates_T, other.dates_T)
    assert panel.codes == other.codes
    np.testing.assert_array_equal(panel.x_TNF, other.x_TNF)
    np.testing.assert_array_equal(panel.y_TNH, other.y_TNH)


AS_DATES = {
    "date": pl.col("date"),
    "datetime": pl.col("date").cast(pl.Datetime("ms")),
    "datetime with zone": pl.col("date").cast(pl.Datetime("us")).dt.replace_time_zone("Asia/Tokyo"),
    "text": pl.col("date").cast(pl.String),
    "text with time": pl.col("date").cast(pl.String) + "T15:00:00",
}


@pytest.mark.parametrize("kind", AS_DATES)
@pytest.mark.parametrize("name", ["other.parquet", "other.arrow"])
def test_dates_of_every_kind_in_both_formats_are_the_same_panel(tmp_path, kind, name):
    frame = rows()
    reference = built(written(tmp_path, frame), label=SHORT)
    shuffled = frame.with_columns(date=AS_DATES[kind]).sample(fraction=1.0, shuffle=True, seed=1)
    same(built(written(tmp_path, shuffled, name), label=SHORT), reference)


@pytest.mark.parametrize("dtype", [pl.Categorical, pl.Int32])
def test_codes_may_be_categories_or_whole_numbers(tmp_path, dtype):
    frame = rows()
    if dtype == pl.Int32:
        frame = frame.with_columns(code=pl.col("code").str.slice(1).cast(pl.Int32) + 7200)
    else:
        frame = frame.with_columns(pl.col("code").cast(dtype))
    panel = built(written(tmp_path, frame), label=SHORT)
    assert panel.codes[0] in ("S00", "7200")
    assert len(panel.codes) == 12


def test_columns_are_mapped_by_the_config(tmp_path):
    frame = rows()
    reference = built(written(tmp_path, frame), label=SHORT)
    names = {"date": "Day", "code": "RIC", "open": "O", "high": "H", "low": "L", "close": "C",
             "volume": "V"}  # fmt: skip
    path = written(tmp_path, frame.rename(names), "mapped.parquet")
    mapping = {f"{name}_column": column for name, column in names.items()}
    same(built(path, label=SHORT, **mapping), reference)


def test_whole_number_prices_and_decimals_are_numbers(tmp_path):
    frame = rows().with_columns((pl.col(c) * 1000).cast(pl.Int64) for c in CLOSES)
    built(written(tmp_path, frame), label=SHORT)
    frame = frame.with_columns(pl.col("close").cast(pl.Decimal(20, 2)))
    built(written(tmp_path, frame), label=SHORT)


def test_the_file_system_says_no(tmp_path):
    (tmp_path / "panel.parquet").mkdir()
    assert "is a directory" in refused(tmp_path / "panel.parquet")
    text = refused(tmp_path / "panl.parquet")
    assert "does not exist" in text
    assert "Did you mean" in text
    assert "nowhere does not exist either" in refused(tmp_path / "nowhere" / "panel.parquet")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_that_may_not_be_read(tmp_path):
    path = written(tmp_path, rows())
    path.chmod(0)
    assert "cannot be read: Permission denied" in refused(path)


def test_what_is_no_parquet_or_cut_off_or_damaged_inside(tmp_path):
    path = tmp_path / "panel.parquet"
    path.write_bytes(b"")
    assert "is empty" in refused(path)
    path.write_text("date,code,close\n2020-01-01,A,1\n")
    assert "neither parquet nor Arrow" in refused(path)
    for name in ("panel.parquet", "panel.arrow"):
        path = written(tmp_path, rows(), name)
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        assert "is cut off" in refused(path)
        middle = bytes(200) if name.endswith("parquet") else b"\xff" * 200
        path.write_bytes(whole[:-250] + middle + whole[-50:])
        assert "is damaged" in refused(path)


def test_a_wrong_column_name_is_answered_with_the_nearest(tmp_path):
    path = written(tmp_path, rows().rename({"close": "Clsoe", "date": "DATE"}))
    text = refused(path)
    assert "no column 'close'" in text
    assert "did you mean 'Clsoe'" in text
    assert "--set data.close_column=Clsoe" in text
    assert "--set data.date_column=DATE" in text
    text = refused(written(tmp_path, rows().rename({"volume": "xyz"})))
    assert "there are 'date', 'code'" in text


WRONG = {
    "prices are text": (pl.col("close").cast(pl.String), "'close' holds String, not numbers"),
    "dates are numbers": (pl.lit(20200101).alias("date"), "'date' holds Int32, not dates"),
    "codes are fractions": (pl.lit(1.5).alias("code"), "'code' holds Float64, not stock codes"),
    "dates are no ISO": (pl.lit("31/01/2020").alias("date"), "too far off: '31/01/2020'"),
    "dates have two digits of a year": (pl.col("date").dt.strftime("%d-%m-%y"), "dates that are"),
    "dates have a tail": (pl.col("date").cast(pl.String) + "garbage", "2021-03-01garbage"),
    "dates are in the year 19": (pl.lit("0019-01-02").alias("date"), "0019-01-02"),
    "dates are far off": (pl.lit(2_000_000_000).cast(pl.Date).alias("date"), "'2000000000'"),
    "times are far off": (pl.lit(2**62).cast(pl.Datetime("ms")).alias("date"), f"'{2**62}'"),
    "dates are missing": (pl.lit(None, pl.Date).alias("date"), "720 rows without 'date'"),
    "a price is 0": (pl.when(pl.col("code") == "S03").then(0.0).otherwise(pl.col("low"))
                     .alias("low"), "60 prices of 0 or less in 'low': S03 2021-03-01, S03"),
    "a price is infinite": (pl.when(pl.col("code") == "S03").then(float("inf"))
                            .otherwise(pl.col("high")).alias("high"),
                            "60 infinite values in 'high'"),
    "a volume is a sentinel": (pl.when(pl.col("code") == "S03").then(-1234.0)
                               .otherwise(pl.col("volume")).alias("volume"),
                               "60 negative volumes in 'volume': S03"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_wrong_values_are_named_with_count_and_first_offenders(tmp_path, what):
    spoil, said = WRONG[what]
    text = refused(written(tmp_path, rows().with_columns(spoil)))
    assert said in text
    assert len(text.splitlines()) <= 6


def test_duplicate_keys_are_named_and_so_are_two_rows_of_one_day(tmp_path):
    frame = rows()
    text = refused(written(tmp_path, pl.concat([frame, frame[5:8], frame[5:6]])))
    assert "4 duplicate (date, code) rows: S05 2021-03-01 (3 rows), S06 2021-03-01" in text
    noon = frame.with_columns(pl.col("date").cast(pl.Datetime("us")) + dt.timedelta(hours=12))
    both = pl.concat([frame.with_columns(pl.col("date").cast(pl.Datetime("us"))), noon])
    assert "720 duplicate" in refused(written(tmp_path, both))


def test_an_empty_panel_too_few_stocks_and_too_few_days(tmp_path):
    assert "no rows" in refused(written(tmp_path, rows()[:0]))
    assert "no day has more than 5 stocks" in refused(written(tmp_path, rows(stocks=5)))
    assert "horizon 5 has no label in 5 days" in refused(written(tmp_path, rows(days=5)))


def test_all_errors_are_told_at_once(tmp_path):
    frame = rows().with_columns(close=-pl.col("close"))
    path = written(tmp_path, pl.concat([frame, frame[:1]]))
    text = refused(path)
    assert "duplicate" in text
    assert "prices of 0 or less in 'close'" in text
    rules = [f.rule for f in check_panel(config_for(path, label=SHORT)) if f.severity == "error"]
    assert rules == ["duplicate_key", "non_positive_price"]


def test_a_sector_file_with_two_sectors_for_a_code_is_refused(tmp_path):
    path = written(tmp_path, rows())
    several = pl.DataFrame({"code": ["S00", "S01", "S00"], "sector": ["b", "a", "c"]})
    several.write_parquet(tmp_path / "sector.parquet")
    (found,) = [f for f in check_panel(config_for(path, label=SHORT)) if f.rule == "two_sectors"]
    assert "1 stocks have more than one sector in sector.parquet: S00" in str(found)
    pl.concat([several[:2]] * 2).write_parquet(tmp_path / "sector.parquet")
    assert built(path, label=SHORT).sectors == ("a", "b")


def test_sectors_come_from_the_file_beside_or_the_one_that_is_named(tmp_path):
    path = written(tmp_path, rows())
    sectors = pl.DataFrame(
        {"code": ["S00", "S01", "S02", "S03"], "sector": ["b", "a", "n/a", None]}
    )
    sectors.write_parquet(tmp_path / "sector.parquet")
    panel = built(path, label=SHORT)
    assert panel.sectors == ("a", "b")
    np.testing.assert_array_equal(panel.sector_N[:4], [1, 0, -1, -1])
    (warning,) = [w for w in panel.facts["warnings"] if "sector" in w]
    assert "10 of 12 stocks have no sector: S02, S03, S04, ..." in warning
    assert (built(path, label=SHORT, sector="").sector_N == -1).all()
    other = tmp_path / "other.parquet"
    sectors.with_columns(sector=pl.lit("z")).write_parquet(other)
    assert built(path, label=SHORT, sector=str(other)).sectors == ("z",)
    with pytest.raises(DataError, match="does not exist"):
        ensure_cache(config_for(path, sector=str(tmp_path / "none.parquet")))
    sectors.rename({"sector": "industry"}).write_parquet(other)
    with pytest.raises(DataError, match="no column 'sector'"):
        ensure_cache(config_for(path, label=SHORT, sector=str(other)))


def test_targets_must_cover_the_horizons(tmp_path):
    path = written(tmp_path, rows())
    with pytest.raises(ConfigError, match=r"label.horizons \[5\]"):
        ensure_cache(config_for(path, label=SHORT, targets={1: "close"}))
