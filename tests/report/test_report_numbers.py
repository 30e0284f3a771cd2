"""What a report computes from predictions, against the same computed one day at a time."""

import math

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import rankdata, spearmanr

from atft_core.report.book import book
from atft_core.report.predictions import (
    Predicted,
    bucket_returns,
    by_sector,
    by_year,
    calibration,
    predicted,
    rank_ic,
)

DAYS, STOCKS = 40, 30
DATES = np.arange(DAYS) + np.datetime64("2019-12-10")


@pytest.fixture
def found():
    random = np.random.default_rng(3)
    pred = random.normal(size=(DAYS, STOCKS))
    y = 0.01 * (0.3 * pred + random.normal(size=pred.shape))
    pred[4, 7], y[5, 8] = np.nan, np.nan
    codes = tuple(f"s{number:02}" for number in range(STOCKS))
    return Predicted(1, DATES, codes, pred, y)


def table_of(found):
    day, stock = np.nonzero(np.isfinite(found.pred_DN))
    order = np.random.default_rng(0).permutation(len(day))
    day, stock = day[order], stock[order]
    rows = {
        "split": ["val"] * len(day), "date": found.dates_D[day],
        "code": [found.codes[each] for each in stock], "horizon": [found.horizon] * len(day),
        "prediction": found.pred_DN[day, stock].astype(np.float32),
        "target": pa.array(found.y_DN[day, stock].astype(np.float32), from_pandas=True),
    }  # fmt: skip
    return pa.table(rows)


def test_a_table_becomes_the_matrices_that_it_was_made_of(found):
    table = table_of(found)
    made = predicted(table, "val", 1)
    assert np.array_equal(made.dates_D, found.dates_D) and made.codes == found.codes
    assert np.allclose(made.pred_DN, found.pred_DN, atol=1e-6, equal_nan=True)
    known = np.isfinite(found.pred_DN)
    assert np.allclose(made.y_DN[known], found.y_DN[known], atol=1e-6, equal_nan=True)
    assert predicted(table, "holdout", 1) is None and predicted(table, "val", 5) is None


def test_rank_ic_is_that_of_scipy_and_a_day_later_it_meets_the_next_days_label(found):
    later = found.a_day_later()
    assert np.isnan(rank_ic(later)[-1]), "nobody knows the day after the last"
    for made, shift in ((found, 0), (later, 1)):
        for day in range(DAYS - 1):
            p, y = found.pred_DN[day], found.y_DN[day + shift]
            known = np.isfinite(p) & np.isfinite(y)
            assert rank_ic(made)[day] == pytest.approx(spearmanr(p[known], y[known]).statistic)


def test_years_and_sectors_are_means_over_their_own_days_and_stocks(found):
    rank_ic_D = rank_ic(found)
    years = by_year(found, rank_ic_D)
    assert list(years) == ["2019", "2020"]
    in_2020 = found.dates_D >= np.datetime64("2020-01-01")
    assert years["2020"].mean == pytest.approx(rank_ic_D[in_2020].mean())
    sectors = {code: "large" if place < 20 else "small" for place, code in enumerate(found.codes)}
    sectors[found.codes[29]] = "alone"
    split = by_sector(found, sectors)
    assert "alone" not in split, "one stock has no order"
    known = np.isfinite(found.pred_DN[0, :20])
    of_large = spearmanr(found.pred_DN[0, :20][known], found.y_DN[0, :20][known]).statistic
    assert rank_ic(found, np.arange(STOCKS) < 20)[0] == pytest.approx(of_large)


def test_buckets_hold_equally_many_and_are_told_less_the_days_mean(found):
    means = bucket_returns(found, 3)
    wanted = []
    for day in range(DAYS):
        known = np.isfinite(found.pred_DN[day]) & np.isfinite(found.y_DN[day])
        p, y = found.pred_DN[day][known], found.y_DN[day][known]
        place = np.floor((rankdata(p) - 0.5) / len(p) * 3).astype(int)
        wanted.append([y[place == bucket].mean() - y.mean() for bucket in range(3)])
    assert [each.mean for each in means] == pytest.approx(np.mean(wanted, axis=0))
    assert means[0].mean < means[1].mean < means[2].mean


def test_calibrated_ranks_lie_on_the_line(found):
    perfect = Predicted(1, found.dates_D, found.codes, found.pred_DN, found.pred_DN)
    assert all(math.isclose(said, came) for said, came in calibration(perfect))
    assert len(calibration(found)) == 20
    assert np.mean([came for _, came in calibration(found)]) == pytest.approx(0.5, abs=0.01)


def test_a_book_by_hand():
    pred = np.array([[*range(20)], [*range(20)], [*range(19, -1, -1)], [*range(20)]], float)
    y = np.zeros((4, 20))
    y[:, 18:], y[:, :2] = 0.03, -0.01
    daily = Predicted(1, DATES[:4], tuple("abcdefghijklmnopqrst"), pred, y)
    made = book(daily, cost_bps=10)
    assert made.gross_P == pytest.approx([0.04, 0.04, -0.04, 0.04])
    assert made.traded_P == pytest.approx([2, 0, 4, 4]), "bought; kept; turned over on both sides"
    assert made.net_P == pytest.approx([0.038, 0.04, -0.044, 0.036])
    assert made.drawdown == pytest.approx(0.044)
    assert made.break_even_bps == pytest.approx(0.08 / 10 * 1e4)
    assert made.a_year(net=False) == pytest.approx(0.02 * 252)
    ratio = np.mean(made.net_P) / np.std(made.net_P, ddof=1)
    assert made.sharpe(net=True) == pytest.approx(ratio * math.sqrt(252))
    of_two = book(Predicted(2, DATES[:4], daily.codes, pred, y), cost_bps=10)
    assert list(of_two.dates_P) == list(DATES[[0, 2]]), "labels of two days do not overlap"
    assert of_two.a_year(net=False) == pytest.approx(0.0)


def test_days_without_enough_stocks_are_in_no_book(found):
    few = np.where(np.arange(STOCKS) < 5, found.y_DN, np.nan)
    y_DN = found.y_DN.copy()
    y_DN[3] = few[3]
    made = book(Predicted(1, found.dates_D, found.codes, found.pred_DN, y_DN))
    assert DATES[3] not in made.dates_P and len(made.dates_P) == DAYS - 1
