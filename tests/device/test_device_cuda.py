"""What only a GPU can show: feeds through pinned memory, the compiled step, its clock.

Skipped where torch finds no CUDA device.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from atft_core.bench.panels import random_panel
from atft_core.config.schema import Config
from atft_core.data.choose import make_feed
from atft_core.data.splits import Split
from atft_core.train.compiled import compile_step
from atft_core.train.loop import predict_days, silent, train_epoch
from atft_core.train.setup import Setup, build_learner, equip

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
    pytest.mark.filterwarnings("ignore"),
]
CUDA = torch.device("cuda")


@pytest.fixture(scope="module")
def panel(tmp_path_factory):
    return random_panel(tmp_path_factory.mktemp("cuda") / "panel.arrow", 64, 300, 12)


def scene(panel, feed_name):
    config = Config.model_validate({
        "data": {"feed": feed_name}, "label": {"horizons": [1]}, "search": {},
        "model": {"hidden": 32, "lookback": 8, "dropout": 0.0, "graph_dropout": 0.0,
                  "market_noise": 0.0},
        "train": {"block_days": 8, "amp": "off"},
    })  # fmt: skip
    split = Split(range(8, 150), range(160, 250), range(260, 300), 1)
    setup = Setup(config, panel, split, CUDA)
    feed = make_feed(panel, panel.market_TM, 8, CUDA, config.data)
    learner = equip(setup, build_learner(setup, 0))
    learner.eval_days = 24  # several blocks, the last of which overlaps
    return setup, feed, learner


def trained(panel, feed_name, *, compile_it):
    setup, feed, learner = scene(panel, feed_name)
    if compile_it:
        made = compile_step(learner, feed, setup.split)
        assert made.state == "on", made
    predict_days(learner, feed, setup.split.val, tick=silent, phase="validate")  # may come first
    for epoch in (1, 2):
        report = train_epoch(learner, feed, setup.split.train, seed=0, epoch=epoch, tick=silent)
        scores = predict_days(learner, feed, setup.split.val, tick=silent, phase="validate")
    assert min(report.parts.values()) > 0
    assert (feed.transfer_seconds() > 0) == (feed_name != "resident")
    feed.close()
    return report.values["loss"], scores


@pytest.mark.parametrize("feed_name", ["resident", "mmap", "ring"])
def test_every_feed_trains_the_same_model(panel, feed_name):
    loss, scores = trained(panel, feed_name, compile_it=False)
    wanted, expected = trained(panel, "resident", compile_it=False)
    assert loss == pytest.approx(wanted, abs=1e-4)
    np.testing.assert_allclose(scores, expected, atol=1e-3)


@pytest.mark.parametrize("feed_name", ["resident", "ring"])
def test_the_compiled_step_trains_the_same_model(panel, feed_name):
    loss, scores = trained(panel, feed_name, compile_it=True)
    wanted, expected = trained(panel, feed_name, compile_it=False)
    assert loss == pytest.approx(wanted, abs=1e-3)
    np.testing.assert_allclose(scores, expected, atol=5e-3)


def test_a_ring_made_anew_is_pinned_again(panel):
    _, feed, _ = scene(panel, "ring")
    for size in (8, 40, 8, 120):
        assert [len(b.days) for b in feed.blocks([range(10, 10 + size)])] == [size]
    feed.close()


def test_ranks_in_one_byte_are_decoded_on_the_device(panel):
    small = replace(panel, x_TNF=(panel.x_TNF * 20 + 128).clip(1, 255).astype(np.uint8))
    _, feed, _ = scene(small, "resident")
    block = feed.block(range(50, 58))
    assert block.x_TNF.is_cuda
    np.testing.assert_allclose(block.x_TNF.cpu(), small.float_features(range(43, 58)), atol=1e-6)
