"""Warnings: each with its count, its first offenders, and what is done about it."""

import numpy as np
import polars as pl
import pytest
from data_panels import config_for, rows, written

from atft_core.data.build import check_panel
from atft_core.data.checks import RULES, Finding, Severity


def findings(tmp_path, frame):
    config = config_for(written(tmp_path, frame), label={"horizons": (1, 5)})
    return {f.rule: f for f in check_panel(config) if f.rule != "few_days"}


def test_a_panel_that_is_too_short_for_the_split_is_an_error(tmp_path):
    config = config_for(written(tmp_path, rows()), label={"horizons": (1, 5)})
    (found,) = check_panel(config)
    assert (found.rule, found.severity) == ("few_days", Severity.ERROR)
    assert "too few for the split" in found.message


def test_stocks_that_all_move_alike_cannot_be_ranked(tmp_path):
    bars = ("open", "high", "low", "close")
    frame = rows().with_columns(pl.lit(5.0).alias(name) for name in bars)
    assert findings(tmp_path, frame)["constant_labels"].severity is Severity.ERROR


def test_a_clean_panel_has_no_findings(tmp_path):
    assert findings(tmp_path, rows()) == {}


def test_days_missing_inside_a_life_are_gaps_but_late_and_early_are_not(tmp_path):
    frame = rows()
    days = frame["date"].unique().sort()
    gone = pl.col("code").eq("S04") & pl.col("date").is_in([days[9], days[10], days[30]])
    late = pl.col("code").eq("S05") & (pl.col("date") < days[20])
    early = pl.col("code").eq("S06") & (pl.col("date") > days[40])
    found = findings(tmp_path, frame.filter(~(gone | late | early)))
    assert set(found) == {"gap"}
    assert found["gap"].count == 3
    assert found["gap"].first == tuple(f"S04 {days[i]}" for i in (9, 10, 30))


def test_a_day_with_few_stocks_is_thin_but_a_growing_universe_is_not(tmp_path):
    frame = rows(stocks=30)
    days = frame["date"].unique().sort()
    thin = frame.filter((pl.col("date") != days[33]) | (pl.col("code") < "S05"))
    found = findings(tmp_path, thin)["thin_day"]
    assert found.first == (f"{days[33]} (5 stocks)",)
    growing = frame.filter((pl.col("date") >= days[20]) | (pl.col("code") < "S12"))
    assert "thin_day" not in findings(tmp_path, growing)


def test_bars_outside_of_their_range_are_reported_beyond_rounding(tmp_path):
    frame = rows()
    days = frame["date"].unique().sort()
    high = pl.when(pl.col("code").eq("S02") & pl.col("date").eq(days[7])).then(
        pl.col("close") * 0.95
    )
    rounding = pl.when(pl.col("code") == "S03").then(pl.col("close") * 0.9995)
    frame = frame.with_columns(high=high.otherwise(rounding.otherwise(pl.col("high"))))
    found = findings(tmp_path, frame)["bar_order"]
    assert (found.count, found.first) == (1, (f"S02 {days[7]}",))


def test_codes_that_a_person_would_take_for_one_are_reported(tmp_path):
    frame = rows().with_columns(code=pl.col("code").replace({"S01": "s00", "S03": " S 02"}))
    found = findings(tmp_path, frame)["similar_codes"]
    assert set(found.first) == {"'S00' = 's00'", "' S 02' = 'S02'"}


def test_a_missing_volume_is_reported_and_not_fatal(tmp_path):
    found = findings(tmp_path, rows().with_columns(volume=pl.lit(None, pl.Float64)))
    assert "'volume' is missing in 100% of the rows" in str(found["mostly_missing"])


def test_errors_come_first_and_an_unreadable_file_is_a_finding(tmp_path):
    frame = rows().with_columns(low=pl.when(pl.col("code") == "S01").then(0.0).otherwise("low"))
    frame = frame.filter((pl.col("code") != "S04") | (pl.col("date").dt.day() != 7))
    config = config_for(written(tmp_path, frame), label={"horizons": (1, 5)})
    severities = [f.severity for f in check_panel(config)]
    assert severities == sorted(severities)
    assert {"error", "warning"} == set(severities)
    (finding,) = check_panel(config_for(tmp_path / "none.parquet"))
    assert finding.rule == "unreadable"
    assert "does not exist" in finding.text


def test_every_rule_has_a_severity_and_an_action_and_a_finding_is_json():
    assert all(isinstance(r.severity, Severity) and r.action for r in RULES.values())
    finding = Finding("gap", "5 days", 5, ("A 2020-01-01",))
    assert str(finding) == "5 days: A 2020-01-01, ..."
    assert finding.as_json()["severity"] == "warning"
    assert finding.as_json()["first"] == ["A 2020-01-01"]


@pytest.mark.parametrize("policy", ["mask", "winsorise", "keep"])
def test_the_label_policy_is_a_key_of_the_config(tmp_path, policy):
    assert config_for(tmp_path, extreme_label_policy=policy).data.extreme_label_policy == policy
    assert np.isfinite(config_for(tmp_path).data.max_abs_return)
