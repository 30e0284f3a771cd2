"""Phases: who gets which epochs, and that off and frozen blocks really are."""

import pytest
import torch
from train_panels import make_config, make_panel

from atft_core.config.load import read_resolved, resolve
from atft_core.config.loss import LossConfig
from atft_core.config.render import to_toml
from atft_core.config.schema import Config, Phase, TrainConfig
from atft_core.run.shipped import shipped
from atft_core.train.loop import middle_block, silent, train_epoch
from atft_core.train.phases import enter, spans_of, weights_furthest_from
from atft_core.train.setup import build_learner, equip, feed_of, make_setup

BLOCKS = ("encoder", "statistics", "kernel", "time", "graph", "head")


def phased(*phases, epochs=10):
    return TrainConfig(phases=phases, max_epochs=epochs)


def epochs_of(train):
    return [(span.phase.name, span.epochs[0], span.epochs[-1]) for span in spans_of(train)]


def learner_with(*phases, epochs=2):
    config = make_config(
        train__phases=[phase.model_dump() for phase in phases], train__max_epochs=epochs,
        model__layers=1, model__fan=True, model__messages=["neighbours"],
    )  # fmt: skip
    setup = make_setup(config, make_panel(stocks=16))
    return setup, feed_of(setup), equip(setup, build_learner(setup, 0))


def weights(learner):
    return {
        block: [p.detach().clone() for p in parameters]
        for block, parameters in learner.model.blocks().items()
    }


def moved(learner, before):
    return {
        block for block, parameters in weights(learner).items()
        if any(not torch.equal(a, b) for a, b in zip(parameters, before[block], strict=True))
    }  # fmt: skip


def test_shares_become_epochs_and_the_last_phase_gets_the_last():
    a, b, c = (Phase(name=name, share=share) for name, share in (("a", 1), ("b", 2), ("c", 1)))
    assert epochs_of(phased(a, b, c, epochs=8)) == [("a", 1, 2), ("b", 3, 6), ("c", 7, 8)]
    assert epochs_of(phased(a, b, c, epochs=3)) == [("a", 1, 1), ("b", 2, 2), ("c", 3, 3)]
    assert epochs_of(phased(a, b, c, epochs=1)) == [("c", 1, 1)]
    assert epochs_of(TrainConfig(max_epochs=4)) == [("Training", 1, 4)]
    for epochs in range(1, 40):
        spans = spans_of(phased(a, b, c, epochs=epochs))
        assert [e for span in spans for e in span.epochs] == list(range(1, epochs + 1))


def test_every_parameter_belongs_to_one_block():
    _, _, learner = learner_with()
    members = [id(p) for parameters in learner.model.blocks().values() for p in parameters]
    assert sorted(members) == sorted(id(p) for p in learner.model.parameters())
    assert tuple(learner.model.blocks()) == BLOCKS


@pytest.mark.parametrize("block", BLOCKS)
def test_a_frozen_block_keeps_its_weights_and_is_computed(block):
    setup, feed, learner = learner_with(Phase(name="only", share=1, frozen=(block,)))
    enter(learner, LossConfig(), 1)
    before = weights(learner)
    train_epoch(learner, feed, setup.split.train, seed=1, epoch=1, tick=silent)
    assert moved(learner, before) == {*BLOCKS} - {block}


@pytest.mark.parametrize("block", ["statistics", "kernel", "time", "graph"])
def test_a_block_that_is_off_is_neither_computed_nor_learnt(block):
    setup, feed, learner = learner_with(
        Phase(name="without", share=1, off=(block,)), Phase(name="with", share=1)
    )
    given = feed.block(middle_block(setup.split.train, 8))
    inputs = (given.x_TNF, given.market_TM, given.valid_TN, given.neighbours_TNK)
    with torch.no_grad():
        for parameter in learner.model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    learner.model.eval()
    whole = learner.model(*inputs)
    enter(learner, LossConfig(), 1)
    without = learner.model(*inputs)
    assert not torch.equal(whole, without)
    with torch.no_grad():
        for parameter in learner.model.blocks()[block]:
            parameter.mul_(3.0)
    assert torch.equal(learner.model(*inputs), without)
    before = weights(learner)
    train_epoch(learner, feed, setup.split.train, seed=1, epoch=1, tick=silent)
    assert block not in moved(learner, before)
    enter(learner, LossConfig(), 2)
    train_epoch(learner, feed, setup.split.train, seed=1, epoch=2, tick=silent)
    assert block in moved(learner, before)


def test_a_phase_has_its_own_loss_rate_and_noise():
    _, _, learner = learner_with(
        Phase(name="first", share=1, loss={"sharpe": 0.0}, rate=0.5, noise=0.1),
        Phase(name="second", share=1),
    )
    said = enter(learner, LossConfig(), 1)
    assert said == "Phase 1: first, epoch 1; learning rate x 0.5; sharpe 0; noise 0.1"
    assert (learner.loss.sharpe, learner.rate, learner.noise) == (0.0, 0.5, 0.1)
    assert enter(learner, LossConfig(), 2) == "Phase 2: second, epoch 2"
    assert (learner.loss, learner.rate, learner.noise) == (LossConfig(), 1.0, 0.0)


@pytest.mark.parametrize(
    ("phase", "why"),
    [
        ({"name": "a", "share": 1, "off": ["graph"]}, "the last phase, 'a', switches blocks off"),
        ({"name": "a", "share": 1, "loss": {"rank": 1}}, "loss has no ['rank']"),
        ({"name": "a", "share": 1, "loss": {"quantile": 1}}, "needs model.quantiles"),
        ({"name": "a", "share": 1, "off": ["head"]}, "off"),
        ({"name": "a\x1b[31m", "share": 1}, "name"),
        ({"name": "a", "share": 0}, "share"),
        ({"name": "a", "share": 1e308}, "share"),
        ({"name": "a", "share": 1, "frozen": BLOCKS}, "nothing would learn"),
    ],
)
def test_phases_that_make_no_sense_are_refused(phase, why):
    with pytest.raises(ValueError, match="(?s).*" + why.replace("[", r"\[")):
        Config.model_validate({"train": {"phases": [phase]}})


def test_the_shipped_phases_survive_the_way_to_the_worker(tmp_path):
    config = resolve(config_files=[shipped("phases/original.toml")], flags={}).config
    assert [phase.name for phase in config.train.phases][0::3] == ["Baseline", "Fine-tuning"]
    path = tmp_path / "config.toml"
    path.write_text(to_toml(config, {}))
    assert read_resolved(path).train == config.train


@pytest.mark.parametrize("off", [("kernel", "time"), ("graph",)])
def test_columns_that_only_an_idle_block_reads_are_not_shrunk_away(off):
    setup, feed, learner = learner_with(Phase(name="without", share=1, off=off),
                                        Phase(name="with", share=1))  # fmt: skip
    enter(learner, LossConfig(), 1)
    idle = "own" if "kernel" in off else "neighbours"
    before = learner.model.history[idle].linear.weight.detach().clone()
    train_epoch(learner, feed, setup.split.train, seed=1, epoch=1, tick=silent)
    assert torch.equal(learner.model.history[idle].linear.weight, before)


def test_a_check_of_the_loss_sees_the_phase_that_departs_from_it():
    train = phased(Phase(name="a", share=1), Phase(name="b", share=1, loss={"rank_ic": 3.0}))
    assert weights_furthest_from(train, LossConfig()).rank_ic == 3.0
    assert weights_furthest_from(TrainConfig(), LossConfig()) == LossConfig()
