"""Splits: in order, purged, and refused when a part is too short."""

import datetime as dt

import numpy as np
import pytest

from atft_core.config.schema import Config
from atft_core.config.split import SplitConfig
from atft_core.data.splits import folds_of, make_split, split_facts
from atft_core.errors import DataError


def calendar(days):
    return np.arange("2020-01-01", days, dtype="datetime64[D]") if isinstance(days, str) else (
        np.datetime64("2020-01-01") + np.arange(days)
    )  # fmt: skip


def test_shares_cut_the_calendar_with_purged_days_between():
    split = make_split(calendar(500), SplitConfig(), purge_days=20, lookback=20)
    assert split.train == range(60, 280)
    assert split.val == range(300, 380)
    assert split.holdout == range(400, 500)


@pytest.mark.parametrize("purge", [1, 21, 40])
def test_no_label_crosses_into_the_next_part(purge):
    split = make_split(calendar(600), SplitConfig(warmup=0), purge, lookback=20)
    assert split.train.start == 19
    assert split.train[-1] + purge < split.val.start
    assert split.val[-1] + purge < split.holdout.start
    assert split.holdout.stop == 600


def test_dates_override_shares():
    config = SplitConfig(val_start=dt.date(2020, 9, 1), holdout_start=dt.date(2021, 1, 1))
    dates = calendar(500)
    split = make_split(dates, config, purge_days=5, lookback=20)
    assert str(dates[split.val.start]) == "2020-09-01"
    assert str(dates[split.holdout.start]) == "2021-01-01"
    assert len(split.val) == 122 - 5


def test_a_date_that_is_no_trading_day_is_the_next_one():
    dates = calendar(500)[::7]
    config = SplitConfig(val_start=dt.date(2020, 9, 1), holdout_start=dt.date(2021, 1, 1), warmup=0)
    split = make_split(dates, config, purge_days=1, lookback=2)
    assert dates[split.val.start] >= np.datetime64("2020-09-01")
    assert dates[split.val.start - 1] < np.datetime64("2020-09-01")


def test_too_few_days_say_how_many_there_are_and_how_many_are_needed():
    with pytest.raises(DataError) as caught:
        make_split(calendar(100), SplitConfig(), purge_days=20, lookback=20)
    assert "has 100 days" in caught.value.message
    assert "train has 0 of at least 20" in caught.value.message
    enough = int(caught.value.hint.partition(";")[2].split()[0])
    make_split(calendar(enough), SplitConfig(), purge_days=20, lookback=20)
    with pytest.raises(DataError):
        make_split(calendar(enough - 1), SplitConfig(), purge_days=20, lookback=20)


def test_dates_outside_of_the_panel_and_shares_without_a_rest_are_refused():
    with pytest.raises(DataError, match=r"check split.val_start"):
        make_split(calendar(500), SplitConfig(val_start=dt.date(2030, 1, 1)), 20, 20)
    with pytest.raises(DataError, match="leave no holdout"):
        make_split(calendar(500), SplitConfig(train=0.7, val=0.3), 20, 20)


def test_facts_are_dates_and_counts():
    dates = calendar(500)
    facts = split_facts(make_split(dates, SplitConfig(), 20, 20), dates)
    assert facts["train"] == ["2020-03-01", "2020-10-06"]
    assert facts["val_days"] == 80
    assert facts["purge_days"] == 20
    assert set(facts) == {"train", "val", "holdout", "train_days", "val_days", "holdout_days",
                          "purge_days"}  # fmt: skip


@pytest.mark.parametrize("window", ["expanding", "rolling"])
@pytest.mark.parametrize("purge", [1, 20])
def test_folds_tile_the_validation_and_train_on_purged_days_before(window, purge):
    given = {"split": {"folds": 4, "window": window, "train": 0.4, "val": 0.4},
             "label": {"horizons": [purge], "entry_lag": 0}, "objective": {"horizon": purge},
             "model": {"lookback": 20}}  # fmt: skip
    config = Config.model_validate(given)
    assert config.label.purge_days == purge
    splits = folds_of(config, calendar(600))
    whole = make_split(calendar(600), SplitConfig(train=0.4, val=0.4), purge, 20)
    assert [day for split in splits for day in split.val] == list(whole.val)
    assert all(split.val.start - (split.train.stop - 1) == purge + 1 for split in splits)
    assert all(split.holdout == whole.holdout for split in splits)
    if window == "rolling":
        assert {len(split.train) for split in splits} == {len(whole.train)}
    else:
        assert {split.train.start for split in splits} == {whole.train.start}


def test_a_fold_that_is_too_short_is_named_and_one_that_does_not_exist_refused():
    config = Config.model_validate({"split": {"folds": 20}})
    with pytest.raises(DataError, match=r"val has \d+ of at least 10") as error:
        folds_of(config, calendar(600))
    assert "fewer split.folds" in error.value.hint
    with pytest.raises(ValueError, match="fold = 3 does not exist among folds = 3"):
        SplitConfig(folds=3, fold=3)
