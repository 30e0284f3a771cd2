"""The metrics agree with scipy day by day, and an undefined day is never a zero."""

import json

import numpy as np
import pytest
from scipy import stats

from atft_core.cross_section import centred_ranks, gaussianise, rank_rows, ranked_targets
from atft_core.objective.metrics import daily_metrics, summarise

KEYS = {
    "ic", "rank_ic", "icir", "rank_icir", "rank_ic_t", "ic_se", "rank_ic_se", "sign_ratio",
    "ls_sharpe_daily", "ls_sharpe_ann", "hit_rate", "turnover", "days", "invalid_days",
}  # fmt: skip


def panel(days=30, names=40, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.standard_t(3, (days, names, 2)) * 0.02
    pred = np.round(y + rng.normal(0, 0.05, y.shape), 2)  # rounded: many ties
    valid = rng.random((days, names)) > 0.1
    y[rng.random(y.shape) < 0.05] = np.nan
    return pred, y, valid


def test_average_ranks_equal_scipy_with_ties_and_nan():
    x = np.array([3.0, 1.0, 3.0, np.nan, 2.0, 1.0, 3.0])
    expected = np.full(7, np.nan)
    expected[np.isfinite(x)] = stats.rankdata(x[np.isfinite(x)])
    np.testing.assert_array_equal(rank_rows(x[None], np.ones((1, 7), bool))[0], expected)


def test_correlations_equal_scipy_on_every_day():
    pred, y, valid = panel()
    daily = daily_metrics(pred, y, valid)
    for d in range(len(pred)):
        for h in range(2):
            m = valid[d] & np.isfinite(y[d, :, h])
            p, r = pred[d, m, h], y[d, m, h]
            assert daily.n_DH[d, h] == m.sum()
            assert daily.ic_DH[d, h] == pytest.approx(stats.pearsonr(p, r)[0], abs=1e-12)
            assert daily.rank_ic_DH[d, h] == pytest.approx(stats.spearmanr(p, r)[0], abs=1e-12)


@pytest.mark.parametrize("what", ["constant prediction", "constant target", "nan", "inf", "few"])
def test_an_undefined_day_is_invalid_and_never_zero(what):
    pred, y, valid = panel()
    if what == "constant prediction":
        pred[3] = 0.1 + 0.2
    elif what == "constant target":
        y[3] = 0.1 + 0.2
    elif what in ("nan", "inf"):
        valid[3, 5], y[3, 5] = True, 0.01
        pred[3, 5] = np.nan if what == "nan" else np.inf
    else:
        valid[3, 9:] = False
    daily = daily_metrics(pred, y, valid)
    for values in (daily.ic_DH, daily.rank_ic_DH, daily.spread_DH, daily.hit_DH, daily.turnover_DH):
        assert np.isnan(values[3]).all()
    summary = summarise(daily, (1, 5))["1"]
    assert (summary["days"], summary["invalid_days"]) == (29, 1)


def test_a_nan_prediction_outside_the_valid_names_is_harmless():
    pred, y, valid = panel()
    before = daily_metrics(pred, y, valid).rank_ic_DH
    pred[~valid] = np.nan
    np.testing.assert_array_equal(daily_metrics(pred, y, valid).rank_ic_DH, before)


def test_summary_has_the_contract_keys_and_is_json():
    pred, y, valid = panel()
    summary = summarise(daily_metrics(pred, y, valid), (1, 5))
    assert set(summary) == {"1", "5"}
    assert set(summary["1"]) == KEYS
    json.dumps(summary, allow_nan=False)
    empty = summarise(daily_metrics(pred * 0, y, valid), (1, 5))["1"]
    json.dumps(empty, allow_nan=False)
    assert (empty["rank_ic"], empty["ls_sharpe_daily"], empty["days"]) == (None, None, 0)


def test_a_perfect_ranker_scores_one_and_a_reversed_one_minus_one():
    _, y, valid = panel()
    good = summarise(daily_metrics(y, y, valid), (1, 5))["1"]
    bad = summarise(daily_metrics(-y, y, valid), (1, 5))["1"]
    assert good["rank_ic"] == pytest.approx(1.0)
    assert bad["rank_ic"] == pytest.approx(-1.0)
    assert (good["hit_rate"], bad["hit_rate"]) == (1.0, 0.0)


def test_spread_is_top_less_bottom_decile_and_turnover_counts_the_replaced():
    y = np.tile(np.arange(20.0), (3, 1))[..., None] / 100
    pred = y.copy()
    pred[2, [0, 19], 0] = pred[2, [19, 0], 0]  # one of the two top names leaves
    daily = daily_metrics(pred, y, np.ones((3, 20), bool))
    assert daily.spread_DH[0, 0] == pytest.approx(0.185 - 0.005)
    np.testing.assert_allclose(daily.turnover_DH[:, 0], [np.nan, 0.0, 0.5])


def test_sign_ratio_is_the_pooled_definition_and_four_fifths_of_the_ic():
    rng = np.random.default_rng(1)
    p = rng.normal(size=(60, 400, 1))
    y = 0.3 * p + np.sqrt(1 - 0.09) * rng.normal(size=p.shape)
    summary = summarise(daily_metrics(p, y, np.ones((60, 400), bool)), (1,))["1"]
    signed = np.sign(p - p.mean(1, keepdims=True)) * (y - y.mean(1, keepdims=True))
    assert summary["sign_ratio"] == pytest.approx(signed.mean() / signed.std(), rel=1e-9)
    assert summary["sign_ratio"] / summary["ic"] == pytest.approx(0.8, abs=0.05)


def test_annual_sharpe_counts_periods_of_the_horizon():
    pred, y, valid = panel()
    summary = summarise(daily_metrics(pred, y, valid), (1, 5))["5"]
    ratio = summary["ls_sharpe_ann"] / summary["ls_sharpe_daily"]
    assert ratio == pytest.approx(np.sqrt(252 / 5))


def test_ranked_targets_are_centred_with_unit_variance_and_zero_where_missing():
    _, y, valid = panel()
    for target, form in zip(ranked_targets(y, valid), (centred_ranks, gaussianise), strict=True):
        known = valid & np.isfinite(y[..., 0])
        assert (target[~known, 0] == 0).all()
        day = target[4, known[4], 0]
        assert (day.mean(), day.std()) == (pytest.approx(0, abs=1e-6), pytest.approx(1, abs=1e-6))
        assert stats.spearmanr(day, y[4, known[4], 0])[0] == pytest.approx(1.0)
        assert (form(np.full((1, 20), 7.0), np.ones((1, 20), bool)) == 0).all()
    ranks = stats.rankdata(y[4, known[4], 0])
    quantile = stats.norm.ppf((ranks - 0.5) / ranks.size)
    np.testing.assert_allclose(day, quantile / quantile.std(), atol=1e-6)
