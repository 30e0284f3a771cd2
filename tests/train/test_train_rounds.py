"""Trials on cards of their own are computed at once, others are not counted on."""

import pytest
from train_panels import make_config

from atft_core.train.rounds import rounds


@pytest.mark.parametrize(
    ("slots", "devices", "device", "cards", "rows"),
    [
        ("auto", 1, "auto", 0, 10), ("auto", 1, "auto", 1, 10), ("auto", 1, "auto", 4, 3),
        (2, 1, "cuda", 4, 5), (8, 1, "cuda", 4, 3), (2, 1, "cuda", 1, 10), (4, 1, "auto", 0, 10),
        ("auto", 2, "cuda", 8, 3), ("auto", 2, "cuda", 1, 10), ("auto", 1, "cpu", 8, 10),
    ],
)  # fmt: skip
def test_trials_in_a_row(slots, devices, device, cards, rows):
    config = make_config(
        engine__n_trials=10, engine__slots=slots, train__devices_per_trial=devices,
        train__device=device,
    )  # fmt: skip
    assert rounds(config, cards) == rows
