"""The best of many: golden values, worthless and real strategies, and other implementations."""

import math

import numpy as np
import pytest

from atft_core.objective.multiple import (
    apart,
    deflated_ratio,
    expected_best,
    overfitting_probability,
    probabilistic_ratio,
    superior_ability,
)


def noise(days, count, seed, first=0.0):
    """Worthless daily series, and a first one with this mean; deviation .05."""
    x_DK = 0.05 * np.random.default_rng(seed).standard_normal((days, count))
    x_DK[:, 0] += first
    return x_DK


def test_the_published_example_of_the_deflated_ratio():
    luck = expected_best(math.sqrt(0.5 / 250), 100)
    assert luck == pytest.approx(0.1132, abs=5e-5)
    chance = probabilistic_ratio(2.5 / math.sqrt(250), luck, 1250, skew=-3, kurtosis=10)
    assert chance == pytest.approx(0.9004, abs=5e-5)


def test_luck_is_the_mean_of_the_best_of_worthless_ratios():
    best = np.random.default_rng(0).standard_normal((20_000, 25)).max(axis=1).mean()
    assert expected_best(1.0, 25) == pytest.approx(best, rel=0.02)
    assert expected_best(1.0, 1) == 0.0


def test_one_of_many_is_deflated_and_one_alone_is_not():
    worthless = noise(500, 40, seed=1)
    ratios = worthless.mean(axis=0) / worthless.std(axis=0, ddof=1)
    best = worthless[:, ratios.argmax()]
    assert deflated_ratio(best, ratios[ratios.argmax()][None]).probability > 0.9
    assert deflated_ratio(best, ratios).probability < 0.5
    real = noise(500, 40, seed=1, first=0.02)
    ratios = real.mean(axis=0) / real.std(axis=0, ddof=1)
    assert deflated_ratio(real[:, 0], ratios).probability > 0.99
    assert math.isnan(deflated_ratio(np.zeros(50), ratios).probability)


def test_the_choice_among_worthless_strategies_is_overfit_and_a_real_one_is_not():
    worthless = [overfitting_probability(noise(480, 20, seed), blocks=10) for seed in range(12)]
    assert np.mean(worthless) == pytest.approx(0.5, abs=0.12)
    assert overfitting_probability(noise(480, 20, 3, first=0.015)) < 0.1
    assert math.isnan(overfitting_probability(noise(480, 1, 0)))
    assert math.isnan(overfitting_probability(noise(10, 5, 0)))


def test_a_day_that_one_strategy_lacks_counts_for_none():
    x_DK = noise(320, 6, seed=2, first=0.01)
    holes = np.vstack([x_DK, np.full((5, 6), 9.0)])
    holes[-5:, 2] = np.nan
    assert overfitting_probability(holes, blocks=8) == overfitting_probability(x_DK, blocks=8)


def test_superior_ability_finds_the_real_one_only():
    found = superior_ability(noise(500, 20, seed=4, first=0.012), block_days=5)
    assert found.p < 0.01
    assert found.better == (0,)
    chances = [superior_ability(noise(300, 10, seed), block_days=5, samples=200).p
               for seed in range(20)]  # fmt: skip
    assert 0.25 < np.mean(chances) < 0.75
    assert superior_ability(noise(500, 5, 1) - 0.05, block_days=5).p == pytest.approx(1.0)
    assert math.isnan(superior_ability(noise(8, 3, 0), block_days=5).p)


def test_every_hth_day_shares_no_label():
    x_D = np.arange(10.0)
    found = apart(x_D, 4)
    assert [each.n for each in found] == [3, 3, 2, 2]
    assert found[1].mean == np.mean([1, 5, 9])


@pytest.mark.slow
def test_arch_agrees():
    bootstrap = pytest.importorskip("arch.bootstrap")
    for seed, first in ((0, 0.0), (1, 0.008), (2, 0.004)):
        gain = noise(400, 12, seed, first)
        theirs = bootstrap.SPA(np.zeros(400), -gain, block_size=5, reps=2000, seed=0)
        theirs.compute()
        ours = superior_ability(gain, block_days=5, samples=2000)
        assert ours.p == pytest.approx(theirs.pvalues["consistent"], abs=0.04)
        steps = bootstrap.StepM(np.zeros(400), -gain, size=0.05, block_size=5, reps=2000, seed=0)
        steps.compute()
        assert list(ours.better) == list(steps.superior_models)


@pytest.mark.slow
@pytest.mark.parametrize("lag", [0, 5, 19])
def test_statsmodels_agrees(lag):
    api = pytest.importorskip("statsmodels.api")
    from atft_core.objective.significance import newey_west_mean

    x_D = np.convolve(np.random.default_rng(lag).standard_normal(300), np.ones(lag + 1), "valid")
    theirs = api.OLS(x_D, np.ones(len(x_D))).fit(
        cov_type="HAC", cov_kwds={"maxlags": lag, "use_correction": False}
    )
    ours = newey_west_mean(x_D, lag)
    assert ours.mean == pytest.approx(float(theirs.params[0]))
    assert ours.se == pytest.approx(float(theirs.bse[0]))


@pytest.mark.slow
def test_skfolio_agrees_on_the_days_of_the_halves():
    selection = pytest.importorskip("skfolio.model_selection")
    split = selection.CombinatorialPurgedCV(
        n_folds=8, n_test_folds=4, purged_size=0, embargo_size=0
    )
    x_DK = noise(160, 7, seed=5, first=0.003)
    below = []
    for train, tests in split.split(x_DK):
        test = np.concatenate(tests)
        best = x_DK[train].mean(axis=0).argmax()
        means = x_DK[test].mean(axis=0)
        place = (means < means[best]).sum() + 1  # of 1 to 7: the middle counts half
        below.append(1.0 if place < 4 else 0.5 if place == 4 else 0.0)
    assert overfitting_probability(x_DK, blocks=8) == pytest.approx(np.mean(below))
