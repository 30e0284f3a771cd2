"""Dropout: right chances, right mean, right gradient, the same for the same seed."""

import pytest
import torch

from atft_core.model.dropout import Dropout

SHAPE = (7, 1001, 33)  # not a multiple of eight


@pytest.mark.parametrize("p", [0.05, 0.4, 0.9])
def test_each_value_is_lost_with_the_chance_and_the_mean_holds(p):
    torch.manual_seed(0)
    out = Dropout(p)(torch.ones(SHAPE))
    lost = (out == 0).float()
    error = (p * (1 - p) / out.numel()) ** 0.5
    assert lost.mean() == pytest.approx(p, abs=4 * error + 1 / 512)
    assert out.mean() == pytest.approx(1.0, abs=4 * error / (1 - p) + 1e-6)
    assert len(out.unique()) == 2
    by_place = lost.flatten()[: out.numel() // 8 * 8].view(-1, 8).mean(dim=0)
    assert (by_place - lost.mean()).abs().max() < 5 * error * 8**0.5, "every coin is fair alike"
    pairs = lost.flatten()[:-1] * lost.flatten()[1:]
    assert pairs.mean() == pytest.approx(float(lost.mean()) ** 2, abs=0.01), "and by itself"


def test_the_gradient_is_that_of_what_was_kept():
    x = torch.randn(SHAPE, requires_grad=True)
    out = Dropout(0.4)(x)
    out.sum().backward()
    torch.testing.assert_close(x.grad, (out / x).detach(), equal_nan=True)


def test_a_seed_gives_the_same_coins_and_the_next_call_others():
    layer, x = Dropout(0.5), torch.ones(SHAPE)
    torch.manual_seed(3)
    first, second = layer(x), layer(x)
    torch.manual_seed(3)
    assert torch.equal(layer(x), first)
    assert not torch.equal(first, second)


def test_without_training_or_chance_nothing_happens():
    x = torch.randn(5)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0)(x) is x
    assert (Dropout(0.9999)(torch.ones(10_000)) == 0).float().mean() > 0.99


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_types_are_kept(dtype):
    assert Dropout(0.3)(torch.ones(SHAPE, dtype=dtype)).dtype is dtype
    assert Dropout(0.3)(torch.ones(SHAPE, device="meta")).shape == SHAPE
