"""Compiling: the same step, kept on disk, and eager with a reason where it cannot be."""

import numpy as np
import pytest
import torch
from train_panels import make_config, make_panel

from atft_core.objective.losses import rank_ic
from atft_core.run import plugins
from atft_core.train import compiled
from atft_core.train.compiled import compile_step, missing_compiler, worth_compiling
from atft_core.train.flops import step_flops
from atft_core.train.loop import predict_days, silent, train_epoch
from atft_core.train.setup import build_learner, equip, feed_of, make_setup
from atft_core.train.step import loss_of, scores_of

CPU = torch.device("cpu")


def scene(**changes):
    setup = make_setup(make_config(**changes), make_panel(stocks=12))
    feed = feed_of(setup)
    return setup, feed, equip(setup, build_learner(setup, 0))


def test_it_pays_on_cuda_unless_told_otherwise():
    cuda = torch.device("cuda")
    assert [worth_compiling(cuda, w) for w in ("auto", "on", "off")] == [True, True, False]
    assert [worth_compiling(CPU, w) for w in ("auto", "on", "off")] == [False, True, False]


class Today(torch.nn.Module):
    """A part of a plug-in."""

    def __init__(self, sizes):
        super().__init__()
        self.linear, self.past = torch.nn.Linear(sizes.features, sizes.hidden), sizes.lookback - 1

    def forward(self, z_BND, x_TNF, valid_TN):
        return self.linear(x_TNF[self.past :])


OWN = {"loss__own": {"half": 0.5}, "model__own": ["today"]}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the compiler has many, none of them ours
@pytest.mark.parametrize("own", [{}, OWN], ids=["ours", "with plug-ins"])
def test_the_compiled_step_learns_what_the_eager_one_does(monkeypatch, own):
    tables = {"TERMS": {"half": lambda *seen: 0.5 * rank_ic(*seen)}, "BLOCKS": {"today": Today}}
    monkeypatch.setattr(plugins, "_LOADED", {"": tables})
    losses, scores = [], []
    for compile_it in (False, True):
        setup, feed, learner = scene(
            model__dropout=0.0, model__graph_dropout=0.0, model__market_noise=0.0, **own
        )
        learner.eval_days = 8  # several blocks, the last of which overlaps
        if compile_it:
            made = compile_step(learner, feed, setup.split)
            assert made.state == "on"
            assert made.seconds > 0
            assert learner.loss_of is not loss_of
        report = train_epoch(learner, feed, setup.split.train, seed=1, epoch=1, tick=silent)
        losses.append(report.values["loss"])
        scores.append(predict_days(learner, feed, setup.split.val, tick=silent, phase="validate"))
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-5)
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def test_without_a_compiler_the_step_is_eager_and_says_why(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    setup, feed, learner = scene()
    made = compile_step(learner, feed, setup.split)
    assert made.state == "eager: no C compiler on the PATH"
    assert learner.loss_of is loss_of
    monkeypatch.setattr(compiled, "find_spec", lambda name: None)
    assert missing_compiler(torch.device("cuda")) == "triton is not installed"


def test_a_compiler_that_fails_leaves_the_eager_step(monkeypatch):
    def fail(*given):
        raise RuntimeError("ld: no space left\nin /tmp\nmore")

    monkeypatch.setattr(compiled, "_try", fail)
    setup, feed, learner = scene()
    made = compile_step(learner, feed, setup.split)
    assert made.state == "eager: RuntimeError: ld: no space left in /tmp"
    assert (learner.loss_of, learner.scores_of) == (loss_of, scores_of)


def test_operations_are_counted_as_on_paper():
    off = {f"model__{name}": False for name in (
        "kernel", "temporal", "graph", "fan", "san", "market", "selection", "linear")}  # fmt: skip
    setup, feed, learner = scene(**off)
    block = feed.block(setup.split.train[:8])
    tokens, features, width, horizons = 8 * 12, 6, 16, 2
    head = horizons * 2 * max(8, width // 2)
    products = features * width + 2 * width * width + width * head
    # Forward, and twice that backward; the first layer's input needs no gradient.
    assert step_flops(learner.model, block) == 2 * tokens * (3 * products - features * width)
