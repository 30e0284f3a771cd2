"""Models are averaged by what they say of a day, not by how loudly."""

import numpy as np
import pytest

from atft_core.train.ensemble import ensemble


def test_scale_and_level_do_not_count_and_a_constant_day_says_nothing():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 3, 20, 2))
    valid = rng.random((3, 20)) > 0.2
    a[:, :, 0][~valid] = 1e9  # not read
    found = ensemble([a, 100 * b + 7], valid)
    assert np.isnan(found[~valid]).all()
    for day in range(3):
        known = valid[day]
        parts = [(x[day, known, 1] - x[day, known, 1].mean()) / x[day, known, 1].std()
                 for x in (a, b)]  # fmt: skip
        np.testing.assert_allclose(found[day, known, 1], (parts[0] + parts[1]) / 2)
    silent = np.full((3, 20, 2), 0.1)
    half = ensemble([a, silent], valid)
    alone = ensemble([a], valid)
    np.testing.assert_allclose(half[valid], alone[valid] / 2, atol=1e-12)


def test_one_model_keeps_its_order():
    x = np.random.default_rng(1).normal(size=(2, 15, 1)).astype(np.float32)
    found = ensemble([x], np.ones((2, 15), bool))
    assert (found[0, :, 0].argsort() == x[0, :, 0].argsort()).all()
    assert found.mean(axis=1) == pytest.approx(0.0, abs=1e-12)
