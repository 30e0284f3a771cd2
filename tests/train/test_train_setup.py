"""What a network is told about its panel."""

from dataclasses import replace

import numpy as np
import pytest
from train_panels import make_config, make_panel

from atft_core.train.setup import build_learner, make_setup, market_errors

DAYS = 1000


def panel_with(market_TM):
    panel = make_panel(days=DAYS, stocks=12)
    names = tuple(f"m{i}" for i in range(market_TM.shape[1]))
    return replace(panel, market_TM=market_TM.astype(np.float32), market_names=names)


def test_slow_market_inputs_are_known_less_well_than_quick_ones():
    noise = np.random.default_rng(0).standard_normal(DAYS + 19)
    quick, slow = noise[19:], np.convolve(noise, np.ones(20), "valid")
    alternating = np.where(np.arange(DAYS) % 2, 1.0, -1.0)
    panel = panel_with(np.stack([quick, slow, alternating, np.ones(DAYS)], axis=1))
    train = range(DAYS)
    errors = market_errors(panel, train) * DAYS**0.5
    assert errors[0] == pytest.approx(1.0, abs=0.4)
    assert errors[1] == pytest.approx(20**0.5, rel=0.35)
    assert errors[2:] == pytest.approx(1.0)  # never surer than of as many independent days


def test_the_noise_of_a_network_is_that_of_the_training_days():
    rng = np.random.default_rng(1)
    market = rng.standard_normal((DAYS, 2))
    setup = make_setup(make_config(model__market_noise=3.0), panel_with(market))
    market[setup.split.train.stop :] = 99.0
    again = make_setup(make_config(model__market_noise=3.0), panel_with(market))
    blur = build_learner(setup, 0).model.blur_M.numpy()
    assert (blur == build_learner(again, 0).model.blur_M.numpy()).all()
    np.testing.assert_allclose(blur, 3.0 * market_errors(setup.panel, setup.split.train))
