"""Baselines: same rows and metric as the model, and fitted on training days only."""

from dataclasses import replace

import numpy as np
import pytest
from train_panels import make_panel, relabelled

from atft_core.baselines.simple import daily_baselines, ridge_predictions
from atft_core.data.splits import Split
from atft_core.data.stored import to_bits
from atft_core.objective.metrics import daily_metrics

SPLIT = Split(train=range(10, 90), val=range(95, 125), holdout=range(130, 150), purge_days=5)
VAL = slice(95, 125)


def test_ridge_finds_what_is_linear_and_reversal_is_minus_the_return():
    panel = make_panel()
    found = daily_baselines(panel, SPLIT)
    assert list(found) == ["reversal", "ridge"]
    assert np.nanmean(found["ridge"].rank_ic_DH, axis=0) == pytest.approx([0.24, 0.24], abs=0.08)
    r1 = np.concatenate([panel.float_features(range(95, 125))[..., [1]]] * 2, axis=2)
    expected = daily_metrics(-r1, panel.y_TNH[VAL], panel.valid_TN[VAL])
    np.testing.assert_array_equal(found["reversal"].rank_ic_DH, expected.rank_ic_DH)


def test_momentum_takes_the_year_where_there_is_one_and_the_month_elsewhere():
    panel = make_panel()
    for names, index in ((("x0", "r20", "r1"), 1), (("r20", "momentum_12_1", "r1"), 1)):
        renamed = replace(panel, features=(*names, "a", "b", "c"))
        x = np.repeat(panel.float_features(range(95, 125))[..., [index]], 2, axis=2)
        expected = daily_metrics(x, panel.y_TNH[VAL], panel.valid_TN[VAL])
        found = daily_baselines(renamed, SPLIT)["momentum"]
        np.testing.assert_array_equal(found.rank_ic_DH, expected.rank_ic_DH)


def test_a_panel_of_ready_features_has_ridge_alone():
    panel = replace(make_panel(), features=tuple("abcdef"))
    assert list(daily_baselines(panel, SPLIT)) == ["ridge"]


def test_nothing_after_the_training_days_reaches_the_fit():
    panel = make_panel()
    y = panel.y_TNH.copy()
    y[90:] = np.random.default_rng(5).normal(size=y[90:].shape)
    np.testing.assert_array_equal(
        ridge_predictions(panel, SPLIT), ridge_predictions(relabelled(panel, y), SPLIT)
    )
    y[85] = -y[85]
    changed = ridge_predictions(relabelled(panel, y), SPLIT)
    assert not np.array_equal(changed, ridge_predictions(panel, SPLIT))


def test_the_penalty_adapts_to_noise():
    sizes = []
    for signal in (0.0, 0.5):
        panel = make_panel(signal=signal, stocks=12)
        sizes.append(float(np.abs(ridge_predictions(panel, SPLIT)[..., 0]).mean()))
    assert sizes[0] < 0.5 * sizes[1]


def test_a_constant_feature_and_a_horizon_without_labels_are_no_problem():
    panel = make_panel()
    x = panel.float_features(range(150))
    x[..., 4] = 0.0
    y = panel.y_TNH.copy()
    y[..., 1] = np.nan
    found = daily_baselines(relabelled(replace(panel, x_TNF=to_bits(x)), y), SPLIT)["ridge"]
    assert np.isfinite(found.rank_ic_DH[:, 0]).all()
    assert np.isnan(found.rank_ic_DH[:, 1]).all()
