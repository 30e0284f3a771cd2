"""Standard errors of overlapping days, and what the best of many trials reaches by luck."""

import numpy as np
import pytest

from atft_core.objective.significance import newey_west_mean, paired_difference
from atft_core.run.judge.noise import noise_floor


def plain_newey_west(x, lag):
    n, mean = len(x), sum(x) / len(x)
    total = sum((v - mean) ** 2 for v in x) / n
    for j in range(1, min(lag, n - 1) + 1):
        gamma = sum((x[t] - mean) * (x[t - j] - mean) for t in range(j, n)) / n
        total += 2 * (1 - j / (min(lag, n - 1) + 1)) * gamma
    return mean, (total / n) ** 0.5


@pytest.mark.parametrize(("n", "lag"), [(200, 5), (60, 19), (4, 5), (2, 0)])
def test_newey_west_equals_the_plain_loop(n, lag):
    x = np.convolve(np.random.default_rng(n).normal(0.1, 1, n + 4), np.ones(5), "valid")
    mean, se = plain_newey_west(list(x), lag)
    got = newey_west_mean(x, lag)
    assert (got.mean, got.se, got.n) == (pytest.approx(mean), pytest.approx(se), n)
    assert got.t == pytest.approx(mean / se)


def test_overlap_widens_the_standard_error():
    x = np.convolve(np.random.default_rng(0).normal(size=504), np.ones(5) / 5, "valid")
    assert newey_west_mean(x, 5).se > 1.5 * newey_west_mean(x, 0).se


def test_missing_days_are_left_out_and_too_few_have_no_error():
    x = np.array([1.0, np.nan, 2.0, 3.0])
    assert newey_west_mean(x, 1) == newey_west_mean(x[[0, 2, 3]], 1)
    assert np.isnan(newey_west_mean(np.array([1.0]), 5).se)
    assert np.isnan(newey_west_mean(np.array([]), 5).mean)
    constant = newey_west_mean(np.full(9, 0.1), 5)
    assert constant.se == 0.0
    assert np.isnan(constant.t)


@pytest.mark.parametrize("n", [1, 2, 5, 20, 200])
def test_noise_floor_is_the_expected_maximum(n):
    draws = np.random.default_rng(n).normal(0, 0.01, (20_000, n)).max(axis=1)
    error = draws.std() / np.sqrt(len(draws))
    assert noise_floor(n, 0.01) == pytest.approx(draws.mean(), abs=4 * error)


def test_noise_floor_of_two_is_known_exactly():
    assert noise_floor(2, 1.0) == pytest.approx(np.pi**-0.5, abs=1e-4)
    with pytest.raises(ValueError, match="n_trials"):
        noise_floor(0, 1.0)


def test_paired_difference_removes_what_both_share():
    rng = np.random.default_rng(0)
    shared = rng.normal(0, 1, 200)
    b = shared + rng.normal(0, 0.01, 200)
    a = shared + 0.01 + rng.normal(0, 0.01, 200)
    a[3] = np.nan
    got = paired_difference(a, b, 5)
    assert got.n == 199
    assert got.t > 5
    with pytest.raises(ValueError, match="days"):
        paired_difference(a, b[:-1], 5)
