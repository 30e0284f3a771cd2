"""bfloat16 rounding, trailing windows and normalisation against independent computations."""

import numpy as np
import pytest
import torch
from scipy import stats

from atft_core.data.normalise import (
    day_deviations,
    day_means,
    group_means,
    rank_days,
    raw_days,
    zscore_days,
)
from atft_core.data.rolling import (
    ratio,
    shift,
    window_max,
    window_mean,
    window_min,
    window_skew,
    window_slope,
    window_std,
    window_sum,
)
from atft_core.data.stored import to_bits, to_float32


def holes(days=90, stocks=7, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(days, stocks))
    x[rng.random(x.shape) < 0.2] = np.nan
    return x


def test_bfloat16_is_rounded_as_torch_rounds():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=5000), [0.0, -0.0, 1e-30, 3e38]]).astype(np.float32)
    halfway = (np.arange(0x3F80, 0x3FC0, dtype=np.uint32) << 16 | 0x8000).view(np.float32)
    x = np.concatenate([x, halfway, -halfway])
    expected = torch.from_numpy(x).to(torch.bfloat16)
    np.testing.assert_array_equal(to_bits(x), expected.view(torch.uint16).numpy())
    np.testing.assert_array_equal(to_float32(to_bits(x)), expected.float().numpy())


@pytest.mark.parametrize("days", [1, 2, 3, 5, 20, 60])
@pytest.mark.parametrize(
    ("windowed", "plain"),
    [
        (window_mean, np.mean),
        (window_std, np.std),
        (window_max, np.max),
        (window_min, np.min),
        (window_skew, lambda v: stats.skew(v) if np.ptp(v) > 0 else np.nan),
    ],
)
def test_a_window_holds_the_known_values_of_the_last_days(windowed, plain, days):
    x = holes()
    found = windowed(x, days)
    for t in range(len(x)):
        for n in range(x.shape[1]):
            window = x[max(0, t - days + 1) : t + 1, n]
            known = window[np.isfinite(window)]
            if len(known) < max(0.6 * days, 1):
                assert np.isnan(found[t, n])
            elif len(known) > 1 or windowed is not window_skew:
                assert found[t, n] == pytest.approx(plain(known), abs=1e-7)


def test_a_slope_is_that_of_least_squares():
    x, y = holes(seed=1), holes(seed=2)
    found = window_slope(y, x, 30)
    window = slice(60 - 30 + 1, 61)
    both = np.isfinite(x[window, 3]) & np.isfinite(y[window, 3])
    expected = np.polyfit(x[window, 3][both], y[window, 3][both], 1)[0]
    assert found[60, 3] == pytest.approx(expected)


def test_window_sums_do_not_depend_on_what_follows_or_stands_beside():
    x = holes(stocks=33)
    whole = window_sum(x, 20)
    np.testing.assert_array_equal(window_sum(x[:50, 5:9].copy(), 20), whole[:50, 5:9])


def test_a_shift_beyond_the_panel_is_empty_and_a_ratio_by_zero_is_missing():
    x = holes()
    assert np.isnan(shift(x, 500)).all()
    assert np.isnan(ratio(np.ones((1, 2)), np.array([[0.0, np.nan]]))).all()


def test_ranks_are_average_ranks_with_unit_variance():
    x, valid = np.round(holes(stocks=40), 1), np.random.default_rng(3).random((90, 40)) > 0.1
    ranks = rank_days(x, valid)
    for t in range(90):
        known = valid[t] & np.isfinite(x[t])
        expected = stats.zscore(stats.rankdata(x[t, known]))
        np.testing.assert_allclose(ranks[t, known], expected, rtol=1e-6)
        assert not ranks[t, ~known].any()


def test_z_scores_are_clipped_and_a_constant_day_is_zero():
    x = np.random.default_rng(0).normal(size=(3, 200))
    x[0, 0], x[1] = 1e9, 0.1 + 0.2
    z = zscore_days(x, np.ones(x.shape, bool))
    assert z[0, 0] == 5.0
    others = stats.zscore(x[0, 1:])
    np.testing.assert_allclose(np.corrcoef(z[0, 1:], others)[0, 1], 1.0, atol=1e-6)
    assert z[0, 1:].std() > 0.5  # one print does not make all others equal
    assert not z[1].any()
    np.testing.assert_allclose(z[2], stats.zscore(x[2]).clip(-5, 5), rtol=1e-5)


@pytest.mark.parametrize("size", [1e300, 1e-300])
def test_z_scores_do_not_depend_on_the_unit(size):
    x = np.random.default_rng(1).normal(size=(4, 50))
    known = np.ones(x.shape, bool)
    np.testing.assert_allclose(zscore_days(x * size, known), zscore_days(x, known), rtol=1e-5)


def test_raw_values_stay_and_missing_is_zero():
    x = np.array([[1e7, np.nan, np.inf, 2.0]])
    valid = np.array([[True, True, True, False]])
    np.testing.assert_array_equal(raw_days(x, valid), [[1e7, 0, 0, 0]])


@pytest.mark.parametrize("normalise", [rank_days, zscore_days])
def test_a_stock_without_a_row_that_day_changes_no_bit_of_the_others(normalise):
    rng = np.random.default_rng(0)
    x, valid = rng.standard_t(3, (40, 301)), rng.random((40, 301)) > 0.3
    present = rng.random(301) > 0.4
    valid[:, ~present] = False
    np.testing.assert_array_equal(
        normalise(x[:, present].copy(), valid[:, present].copy()), normalise(x, valid)[:, present]
    )


def test_means_of_days_and_groups_leave_out_what_is_missing():
    x = np.array([[1.0, 2.0, 4.0, 9.0], [5.0, 5.0, 5.0, 5.0]])
    known = np.array([[True, True, True, False], [False] * 4])
    np.testing.assert_allclose(day_means(x, known), [7 / 3, np.nan])
    np.testing.assert_allclose(day_deviations(x, known), [np.std([1, 2, 4]), np.nan])
    groups = np.array([0, 0, 1, -1])
    np.testing.assert_allclose(group_means(x, known, groups)[0], [1.5, 1.5, 4.0, np.nan])
    assert np.isnan(group_means(x, known, np.full(4, -1))).all()
