"""One step: schedule, decay, clipping, averaged weights, precision."""

import numpy as np
import pytest
import torch
from train_panels import make_config, make_panel

from atft_core.train.setup import build_learner, feed_of, make_setup
from atft_core.train.step import (
    AGE_RATE,
    BY_AGE,
    UNDECAYED,
    gradient_norms,
    learning_rate,
    parameter_groups,
    predict_block,
    shrink_columns,
    train_step,
)

torch.set_num_threads(1)


def scene(**changes):
    setup = make_setup(make_config(**changes), make_panel())
    feed = feed_of(setup)
    start = setup.split.train.start
    return build_learner(setup, 0), feed.block(range(start, start + 8))


def test_the_rate_rises_shortly_then_falls_by_a_cosine_to_five_percent():
    rates = [learning_rate(1e-3, (i + 1) / 1000) for i in range(1000)]
    top = int(np.argmax(rates))
    assert 40 <= top <= 60
    assert max(rates) == pytest.approx(1e-3)
    assert rates[0] < 1e-4
    assert rates[-1] == pytest.approx(5e-5)
    assert np.all(np.diff(rates[top:]) <= 0)


def test_matrices_decay_and_norms_and_biases_do_not():
    learner, _ = scene(train__weight_decay=0.5)
    decayed, kept, by_age = parameter_groups(learner.model, 0.5)
    names = {id(p): name for name, p in learner.model.named_parameters()}
    assert sum(len(group["params"]) for group in (decayed, kept, by_age)) == len(names)
    assert all(p.ndim > 1 for p in decayed["params"])
    last = [{names[id(p)].rpartition(".")[2] for p in group["params"]} for group in (kept, by_age)]
    assert last == [{"bias", "weight", *UNDECAYED}, set(BY_AGE)]  # "weight": of the graph's norm
    assert [group["weight_decay"] for group in (decayed, kept, by_age)] == [0.5, 0.0, 0.0]
    assert [group["scale"] for group in (decayed, kept, by_age)] == [1.0, 1.0, AGE_RATE]


def test_columns_that_do_not_earn_their_keep_are_gone():
    learner, block = scene(train__sparsity=1.0, train__learning_rate=0.01, model__dropout=0.0)
    weights = learner.model.input_columns()
    before = [weight.norm(dim=0).clone() for weight in weights]
    for weight in weights:
        weight.grad = torch.zeros_like(weight)  # without one it is a block that is off or frozen
    shrink_columns(learner.model, 0.1)
    for length, weight in zip(before, weights, strict=True):
        torch.testing.assert_close(weight.norm(dim=0), (length - 0.1).clamp_min(0.0))
    lengths = {}
    for sparsity in (0.0, 3.0):
        learner, block = scene(train__sparsity=sparsity, train__learning_rate=0.01)
        for _ in range(60):
            train_step(learner, block, 0.5)
        columns = [weight.norm(dim=0) for weight in learner.model.input_columns()]
        lengths[sparsity] = torch.cat(columns).detach()
        assert columns[0][0] > 0  # the column that the labels are made of
    assert (lengths[0.0] > 0).all()
    assert (lengths[3.0] == 0).any()
    assert lengths[3.0].sum() < lengths[0.0].sum() / 2


def test_a_step_learns_from_its_block():
    learner, block = scene(train__learning_rate=0.01, model__dropout=0.0)
    losses = [float(train_step(learner, block, 0.1)[0][0]) for _ in range(30)]
    assert losses[-1] < losses[0] - 0.3
    assert learner.steps == 30


def test_gradients_are_clipped_to_the_configured_norm():
    learner, block = scene(train__clip_norm=1e-3)
    train_step(learner, block, 0.1)
    norm = torch.stack([p.grad.norm() for p in learner.model.parameters() if p.grad is not None])
    assert float(norm.norm()) == pytest.approx(1e-3, rel=1e-3)


def test_averaged_weights_lag_behind_and_without_averaging_are_the_weights():
    for decay, same in ((0.9, False), (0.0, True)):
        learner, block = scene(train__ema=decay)
        for _ in range(5):
            train_step(learner, block, 0.1)
        pairs = zip(learner.ema.parameters(), learner.model.parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs) is same
        assert not any(p.requires_grad for p in learner.ema.parameters())


def test_predictions_and_losses_are_float32_under_autocast():
    learner, block = scene(train__amp="bfloat16")
    assert learner.amp
    values_V, pred_BNH = train_step(learner, block, 0.1)
    assert values_V.dtype == pred_BNH.dtype == torch.float32
    learner.amp = False
    full = predict_block(learner, learner.ema, block)
    learner.amp = True
    half = predict_block(learner, learner.ema, block)
    assert 0 < float((full - half).abs().max()) < 0.1


def test_every_active_term_has_a_value_and_a_pull():
    learner, block = scene(loss__spearman=0.2, loss__huber=0.0)
    values_V, pred_BNH = train_step(learner, block, 0.1)
    pulls = gradient_norms(learner, block, pred_BNH)
    assert list(pulls) == ["rank_ic", "cs_ic", "sharpe", "spearman"]
    assert len(values_V) == 1 + len(pulls)
    assert all(pull > 0 for pull in pulls.values())
