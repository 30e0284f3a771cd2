"""One trial on several devices comes to the same weights and scores as on one."""

import multiprocessing
from dataclasses import replace

import numpy as np
import pytest
import torch
from train_panels import make_config, make_panel

from atft_core.objective.losses import TERMS, active_terms
from atft_core.train.loop import predict_days, silent, train_epoch
from atft_core.train.ranks import Alone, Group
from atft_core.train.setup import build_learner, feed_of, make_setup

CPU = torch.device("cpu")
EVERY_TERM = {f"loss__{name}": 0.1 for name in TERMS}
DAYS = 9
"""Of a block: no two ranks can have the same share, and the Sharpe term needs 8."""


class Doubled:
    """A feed whose blocks are float64."""

    def __init__(self, feed):
        self.feed = feed

    def blocks(self, ranges):
        for block in self.feed.blocks(ranges):
            yield replace(block, x_TNF=block.x_TNF.double(), market_TM=block.market_TM.double())


def learn(ranks):
    """Weights and validation scores after two epochs."""
    torch.set_num_threads(1)
    still = {"model__dropout": 0.0, "model__graph_dropout": 0.0, "model__market_noise": 0.0}
    config = make_config(
        train__block_days=DAYS, model__quantiles=True, **EVERY_TERM, **still,
    )  # fmt: skip
    setup = make_setup(config, make_panel())
    learner = build_learner(setup, 0)
    learner.model.double(), learner.ema.double()
    learner.ranks = ranks
    assert list(active_terms(learner.loss)) == list(TERMS)
    feed, days = Doubled(feed_of(setup)), setup.split
    for epoch in (1, 2):
        report = train_epoch(learner, feed, days.train, seed=3, epoch=epoch, tick=silent)
        scores = predict_days(learner, feed, days.val, tick=silent, phase="validate")
    return learner, report, scores


def work(meet, rank, count, out):
    """One of several processes."""
    ranks = Group(meet, rank, count, CPU)
    learner, report, scores = learn(ranks)
    ranks.close()
    weights = {name: tensor.numpy() for name, tensor in learner.ema.state_dict().items()}
    np.savez(out / f"{rank}.npz", **weights, scores=scores,
             values=np.array(list(report.values.values())))  # fmt: skip


def together(tmp_path, count):
    spawn = multiprocessing.get_context("spawn")
    processes = [
        spawn.Process(target=work, args=(tmp_path / "meet", rank, count, tmp_path))
        for rank in range(count)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * count
    return [dict(np.load(tmp_path / f"{rank}.npz")) for rank in range(count)]


@pytest.mark.parametrize("count", [2, 3])
def test_several_ranks_learn_what_one_device_learns(tmp_path, count):
    learner, report, scores = learn(Alone())
    found = together(tmp_path, count)
    wanted = {name: tensor.numpy() for name, tensor in learner.ema.state_dict().items()}
    for rank in found:
        np.testing.assert_allclose(rank.pop("scores"), scores, atol=1e-5)
        np.testing.assert_allclose(rank.pop("values"), list(report.values.values()), atol=1e-5)
        assert rank.keys() == wanted.keys()
        for name, weight in wanted.items():
            np.testing.assert_allclose(rank[name], weight, atol=1e-5, err_msg=name)
    for name in wanted:
        np.testing.assert_array_equal(found[0][name], found[1][name], err_msg=name)


@pytest.mark.parametrize(("days", "count", "sizes"), [(9, 2, [5, 4]), (16, 4, [4] * 4),
                                                      (7, 3, [3, 2, 2])])  # fmt: skip
def test_every_day_is_one_ranks(days, count, sizes):
    whole, shares = range(40, 40 + days), []
    for rank in range(count):
        group = Group.__new__(Group)  # without the others
        group.index, group.count = rank, count
        shares.append(group.share(whole))
    assert [day for share in shares for day in share] == list(whole)
    assert [len(share) for share in shares] == sizes
