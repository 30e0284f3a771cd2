"""An epoch takes every block, validation every day, and a diverged loss has a name."""

import numpy as np
import pytest
import torch
from train_panels import make_config, make_panel

from atft_core.errors import NonFiniteLossError
from atft_core.train import kept, loop
from atft_core.train.loop import days_at_once, mixed_seed, predict_days, silent, train_epoch
from atft_core.train.setup import build_learner, equip, feed_of, make_setup

torch.set_num_threads(1)


def scene(**changes):
    setup = make_setup(make_config(**changes), make_panel())
    feed = feed_of(setup)
    return setup, feed, equip(setup, build_learner(setup, 0))


def run(setup, feed, learner, epoch=1, tick=silent):
    return train_epoch(learner, feed, setup.split.train, seed=7, epoch=epoch, tick=tick)


def test_an_epoch_takes_every_block_there_is():
    setup, feed, learner = scene()
    ticks = []
    report = run(setup, feed, learner, tick=lambda *a: bool(ticks.append(a)))
    assert report.batches == report.available == len(setup.split.train) // 8 == len(ticks)
    assert ticks[0] == ("train", 0, report.batches)
    assert learner.steps == report.batches


def test_max_batches_takes_fewer_and_says_so():
    report = run(*scene(train__max_batches=2))
    assert report.batches == 2 < report.available


def test_the_report_has_every_term_its_pull_and_where_the_time_went():
    report = run(*scene())
    terms = ["rank_ic", "cs_ic", "sharpe", "huber"]
    assert list(report.values) == ["loss", *terms, *(f"grad_{term}" for term in terms)]
    assert all(np.isfinite(v) for v in report.values.values())
    weighted = {"rank_ic": 0.5, "cs_ic": 0.3, "sharpe": 0.1, "huber": 0.05}
    assert report.wait >= 0 < report.compute
    assert report.wait + report.compute == pytest.approx(report.end - report.start, abs=0.05)
    # Horizons weigh differently in the loss, terms are plain means: close, not equal.
    total = sum(weight * report.values[name] for name, weight in weighted.items())
    assert report.values["loss"] == pytest.approx(total, abs=0.1)


def test_the_same_seed_and_epoch_repeat_and_another_epoch_does_not():
    losses = [run(*scene(), epoch=epoch).values["loss"] for epoch in (1, 1, 2)]
    assert losses[0] == losses[1] != losses[2]


def test_every_day_is_predicted_once_without_dropout_whatever_the_blocks():
    setup, feed, learner = scene(model__dropout=0.5, model__graph_dropout=0.5)
    run(setup, feed, learner)
    days = setup.split.val
    given = {"tick": silent, "phase": "validate"}
    whole = predict_days(learner, feed, days, **given)
    single = [predict_days(learner, feed, range(d, d + 1), **given) for d in days]
    assert whole.shape == (len(days), len(setup.panel.codes), 2)
    assert whole.dtype == np.float32
    np.testing.assert_allclose(whole, np.concatenate(single), atol=1e-5)


@pytest.mark.parametrize("told", [True, False])
def test_a_loss_that_is_not_finite_ends_the_epoch_by_name(told):
    setup, feed, learner = scene()
    with torch.no_grad():
        learner.model.head.out_HW[0, 0] = torch.nan
    ticks = []
    with pytest.raises(NonFiniteLossError, match="nan at epoch 1"):
        run(setup, feed, learner, tick=lambda *a: ticks.append(a) or told)
    assert len(ticks) == (1 if told else len(setup.split.train) // 8)


def test_seeds_of_several_numbers_differ():
    seeds = {mixed_seed(a, b, c) for a in range(3) for b in range(3) for c in range(3)}
    assert len(seeds) == 27


def test_kept_statistics_are_those_that_are_computed():
    setup, feed, learner = scene(model__lookback=6)
    assert learner.kept is not None
    for epoch in (1, 2):  # the second one finds them all
        block = feed.block(range(60, 68))
        kept = learner.kept.of(learner.model, block)
        found = learner.model.window_statistics(block.x_TNF, block.valid_TN)
        assert torch.equal(kept, found), epoch
        assert kept.shape[2] == learner.model.statistics.n_out
    assert learner.kept.of(learner.model, feed.block(range(setup.split.holdout.start, 148))) is None
    given = {"tick": silent, "phase": "validate"}
    with_them = predict_days(learner, feed, setup.split.val, **given)
    learner.kept = None
    np.testing.assert_array_equal(with_them, predict_days(learner, feed, setup.split.val, **given))


def test_statistics_are_not_kept_without_the_memory(monkeypatch):
    monkeypatch.setattr(kept, "free_memory", lambda device: 10_000)
    assert scene()[2].kept is None
    monkeypatch.undo()
    assert scene(model__fan=False, model__san=False)[2].kept is None


def test_blocks_of_validation_are_as_large_as_memory_allows(monkeypatch):
    setup, _, learner = scene()
    days = range(1000)
    assert days_at_once(learner, days) == loop.EVAL_DAYS
    assert days_at_once(learner, range(5)) == 5
    assert learner.eval_days == min(loop.EVAL_DAYS, len(setup.split.val))
    model, stocks = learner.ema, len(learner.ema.sector_N)
    history = 4 * stocks * model.lookback * model.numbers_per_token
    per_day = 4 * stocks * (model.numbers_per_token + model.numbers_per_prediction)
    enough = (history + 40.5 * per_day) / loop.EVAL_SHARE
    monkeypatch.setattr(loop, "free_memory", lambda device: enough)
    assert days_at_once(learner, days) == 40
    monkeypatch.setattr(loop, "free_memory", lambda device: 0)
    assert days_at_once(learner, days) == learner.train.block_days
