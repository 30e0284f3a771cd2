"""Each loss term: what it wants, what it ignores, and that it survives bad input."""

import numpy as np
import pytest
import torch

from atft_core.config.loss import LossConfig
from atft_core.config.schema import QUANTILE_LEVELS
from atft_core.cross_section import ranked_targets
from atft_core.errors import UsageError
from atft_core.objective.losses import (
    PARTNERS,
    TERMS,
    DayTargets,
    composite,
    horizon_weights,
    quantile,
    resolve,
    sharpe,
    term_gradients,
)
from atft_core.objective.ranks import soft_ranks, standardise
from atft_core.run import plugins

torch.set_num_threads(1)
HORIZONS = (1, 5, 10, 20)
CORRELATIONS = ("rank_ic", "cs_ic", "spearman")
ALL = {"rank_ic": 0.5, "cs_ic": 0.3, "sharpe": 0.1, "huber": 0.05, "quantile": 0.1,
       "direction": 0.1, "pairwise": 0.1, "spearman": 0.2}  # fmt: skip


def block(days=10, names=50, horizons=1, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.standard_t(3, (days, names, horizons)) * 0.02
    mask = rng.random((days, names)) > 0.2
    rank, gauss = ranked_targets(y, mask)
    mask_BNH = torch.from_numpy(mask)[..., None].expand(-1, -1, horizons)
    return *(torch.from_numpy(a).float() for a in (rank, gauss, y)), mask_BNH


def day_targets(**kwargs):
    rank, gauss, y, mask = (x[..., 0] for x in block(**kwargs))
    return DayTargets(y, rank, gauss), mask


def term(name):
    """The term as a function of scores, which are all of their quantiles."""
    if name != "quantile":
        return TERMS[name]
    shape = (1, 1, len(QUANTILE_LEVELS))
    return lambda pred, targets, mask: quantile(pred[..., None].repeat(shape), targets, mask)


def gradient(of, pred, targets, mask):
    pred = pred.clone().requires_grad_()
    value = of(pred, targets, mask)
    return value.detach(), torch.autograd.grad(value, pred)[0]


@pytest.mark.parametrize("name", TERMS)
def test_perfect_is_best_and_reversed_is_worst(name):
    targets, mask = day_targets()
    noise = torch.randn(mask.shape, generator=torch.Generator().manual_seed(0))
    best, random, worst = (
        float(term(name)(p, targets, mask)) for p in (targets.rank_BN, noise, -targets.rank_BN)
    )
    assert best < random < worst
    if name in CORRELATIONS:
        assert best == pytest.approx(-1.0, abs=0.05)
        assert worst == pytest.approx(1.0, abs=0.05)
    if name == "huber":
        assert best == 0.0


@pytest.mark.parametrize("name", TERMS)
def test_the_gradient_pulls_towards_the_target(name):
    targets, mask = day_targets()
    pred = torch.randn(mask.shape, generator=torch.Generator().manual_seed(1))
    value, grad = gradient(term(name), pred, targets, mask)
    assert grad.norm() > 0
    assert (grad * targets.rank_BN)[mask].sum() < 0
    assert term(name)(pred - 1e-2 * grad / grad.norm(), targets, mask) < value


@pytest.mark.parametrize("name", TERMS)
def test_masked_values_change_nothing(name):
    targets, mask = day_targets()
    pred = torch.randn(mask.shape)
    value, grad = gradient(term(name), pred, targets, mask)
    dirty = [torch.where(mask, x, torch.nan) for x in (targets.y_BN, targets.rank_BN)]
    spoilt = DayTargets(*dirty, torch.where(mask, targets.gauss_BN, 1e9))
    again, dirty_grad = gradient(term(name), torch.where(mask, pred, torch.inf), spoilt, mask)
    assert value == again
    assert torch.equal(grad, dirty_grad)
    assert (grad[~mask] == 0).all()


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("why", ["masked", "nine names", "constant target"])
def test_a_day_that_cannot_be_ranked_is_left_out(name, why):
    targets, mask = day_targets()
    pred, mask = torch.randn(mask.shape), mask.clone()
    if why == "constant target":
        for x in (targets.y_BN, targets.rank_BN, targets.gauss_BN):
            x[4] = 0.0
    else:
        mask[4] = False
        mask[4, :9] = why == "nine names"
    keep = torch.arange(10) != 4
    rest = DayTargets(targets.y_BN[keep], targets.rank_BN[keep], targets.gauss_BN[keep])
    value, grad = gradient(term(name), pred, targets, mask)
    assert value == pytest.approx(float(term(name)(pred[keep], rest, mask[keep])), abs=1e-6)
    assert (grad[4] == 0).all()


@pytest.mark.parametrize("name", TERMS)
def test_no_day_at_all_is_an_exact_zero_with_a_graph(name):
    targets, mask = day_targets()
    value, grad = gradient(term(name), torch.randn(mask.shape), targets, mask & False)
    assert value == 0.0
    assert (grad == 0).all()


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("scale", [1e30, 1e-30, 0.0])
def test_extreme_predictions_stay_finite(name, scale):
    targets, mask = day_targets()
    value, grad = gradient(term(name), scale * torch.randn(mask.shape), targets, mask)
    assert torch.isfinite(value)
    assert torch.isfinite(grad).all()


def test_correlations_do_not_depend_on_scale_or_offset():
    targets, mask = day_targets()
    pred = torch.randn(mask.shape)
    for name in CORRELATIONS:
        expected = float(term(name)(pred, targets, mask))
        for other in (1e20 * pred, 1e-3 * pred + 0.5):
            assert float(term(name)(other, targets, mask)) == pytest.approx(expected, abs=1e-3)


def test_a_nan_under_the_mask_is_not_hidden():
    targets, mask = day_targets()
    pred = torch.randn(mask.shape)
    pred[mask.nonzero()[0].tolist()] = torch.nan
    assert all(torch.isnan(term(name)(pred, targets, mask)) for name in CORRELATIONS)


def test_the_pinball_loss_is_least_at_the_quantiles():
    targets, mask = day_targets(names=400)
    level_Q = torch.tensor(QUANTILE_LEVELS)
    known = targets.rank_BN[0][mask[0]]

    def loss(shift):
        right_Q = known.quantile(level_Q) + shift
        return float(quantile(right_Q.repeat(1, 400, 1), first, mask[:1]))

    first = DayTargets(targets.y_BN[:1], targets.rank_BN[:1], targets.gauss_BN[:1])
    best = loss(0.0)
    assert best < min(loss(0.2), loss(-0.2))
    error = known[:, None] - known.quantile(level_Q)
    plain = np.where(error > 0, level_Q * error, (level_Q - 1) * error).mean()
    assert best == pytest.approx(plain, rel=1e-4)


def test_direction_is_the_entropy_of_being_above_the_median():
    targets, mask = day_targets()
    pred = torch.randn(mask.shape)
    above = (1 + targets.rank_BN.sign()) / 2  # the median itself is neither
    entropy = -(above * pred.sigmoid().log() + (1 - above) * (-pred).sigmoid().log())
    days = [float(entropy[b][mask[b]].mean()) for b in range(len(mask))]
    assert float(TERMS["direction"](pred, targets, mask)) == pytest.approx(np.mean(days), rel=1e-5)
    market = DayTargets(targets.y_BN + 0.1, targets.rank_BN, targets.gauss_BN)
    assert TERMS["direction"](pred, market, mask) == TERMS["direction"](pred, targets, mask)


def test_pairwise_is_the_logistic_loss_of_the_pairs_that_it_takes():
    targets, mask = day_targets(days=3, names=20)
    pred = torch.randn(mask.shape)
    days = []
    for p, rank, known in zip(pred.numpy(), targets.rank_BN.numpy(), mask.numpy(), strict=True):
        z = p / p[known].std()
        pairs = [(i, (i - places) % 20) for places in PARTNERS for i in range(20)]
        pairs = [(i, j) for i, j in pairs if known[i] and known[j] and rank[i] != rank[j]]
        gaps = [(z[i] - z[j]) * np.sign(rank[i] - rank[j]) for i, j in pairs]
        days.append(np.log1p(np.exp(-np.array(gaps))).mean())
    assert float(TERMS["pairwise"](pred, targets, mask)) == pytest.approx(np.mean(days), rel=1e-4)


def test_sharpe_is_mean_over_std_and_sleeps_below_eight_days():
    targets, mask = day_targets(days=8)
    pred = torch.randn(mask.shape)
    daily = []
    for p, y, m in zip(pred, targets.y_BN, mask, strict=True):
        z = p[m] - p[m].mean()
        daily.append(((z / z.abs().sum()) * (y[m] - y[m].mean()).clamp(-0.2, 0.2)).sum())
    days = torch.stack(daily)
    expected = -days.mean() / days.std(correction=0)
    assert float(sharpe(pred, targets, mask)) == pytest.approx(float(expected), rel=1e-2)
    mask = mask.clone()
    mask[0] = False
    value, grad = gradient(sharpe, pred, targets, mask)
    assert (float(value), float(grad.norm())) == (0.0, 0.0)


def test_one_bad_print_does_not_own_the_sharpe_term():
    targets, mask = day_targets()
    where = mask.nonzero()[0].tolist()

    def value_with_print(size):
        y = targets.y_BN.clone()
        y[tuple(where)] = size
        return float(sharpe(targets.rank_BN, DayTargets(y, *target_forms), mask))

    target_forms = (targets.rank_BN, targets.gauss_BN)
    assert value_with_print(50.0) == value_with_print(0.5)
    assert value_with_print(50.0) == pytest.approx(value_with_print(0.2), abs=0.1)


def test_soft_ranks_follow_the_order_and_standardise_has_unit_length():
    seeded = torch.Generator().manual_seed(0)  # two that float32 cannot tell apart have no order
    pred, mask = torch.randn(4, 200, generator=seeded), torch.ones(4, 200, dtype=torch.bool)
    ranks = soft_ranks(pred, mask)
    assert torch.equal(ranks.argsort(-1), pred.argsort(-1))
    hard = pred.argsort(-1).argsort(-1) / 200
    assert (ranks - hard).abs().max() < 0.15
    torch.testing.assert_close(standardise(pred, mask).norm(dim=-1), torch.ones(4))


def test_composite_is_the_weighted_sum_over_terms_and_horizons():
    rank, gauss, y, mask = block(horizons=4)
    pred, loss = torch.randn(rank.shape), LossConfig(**ALL)
    total, values = composite(pred, rank, gauss, y, mask, loss, HORIZONS)
    weights = [1.0, 0.5, 0.3, 0.2]
    expected = 0.0
    for name, weight in ALL.items():
        each = [
            float(term(name)(pred[..., h], DayTargets(y[..., h], rank[..., h], gauss[..., h]),
                              mask[..., h])) for h in range(4)
        ]  # fmt: skip
        expected += weight * sum(w * v for w, v in zip(weights, each, strict=True)) / 2.0
        assert float(values[name]) == pytest.approx(sum(each) / 4, abs=1e-5)
        assert not values[name].requires_grad
    assert float(total) == pytest.approx(expected, abs=1e-5)


def test_weights_of_horizons_sum_to_one_and_unknown_ones_weigh_a_fifth():
    got = horizon_weights(LossConfig(horizon_weights={1: 0.6}), (1, 3))
    assert got == pytest.approx((0.75, 0.25))


@pytest.mark.parametrize("name", ALL)
def test_every_weight_of_the_config_changes_the_gradient(name):
    rank, gauss, y, mask = block(horizons=4)
    pred = torch.randn(rank.shape)

    def slope(**weights):
        leaf = pred.clone().requires_grad_()
        total, _ = composite(leaf, rank, gauss, y, mask, LossConfig(**weights), HORIZONS)
        return torch.autograd.grad(total, leaf)[0]

    changed = slope(**ALL) - slope(**{**ALL, name: ALL[name] / 2})
    assert changed.norm() > 1e-6
    first = slope(**ALL, horizon_weights={1: 1.0, 5: 0.0, 10: 0.0, 20: 0.0})
    assert (first[..., 0] != 0).any()
    assert (first[..., 1:] == 0).all()


def test_switched_off_terms_are_neither_computed_nor_reported():
    rank, gauss, y, mask = block(horizons=4)
    _, values = composite(rank, rank, gauss, y, mask, LossConfig(sharpe=0, huber=0), HORIZONS)
    assert list(values) == ["rank_ic", "cs_ic"]


def test_term_gradients_name_who_pulls_and_work_without_grad_mode():
    rank, gauss, y, mask = block(horizons=4)
    pred, loss = torch.randn(rank.shape), LossConfig(**ALL)
    with torch.no_grad():
        norms = term_gradients(pred, rank, gauss, y, mask, loss, HORIZONS)
        doubled = LossConfig(**{**ALL, "cs_ic": 0.6})
        twice = term_gradients(pred, rank, gauss, y, mask, doubled, HORIZONS)
    assert set(norms) == set(ALL)
    assert all(norm > 0 for norm in norms.values())
    assert twice["cs_ic"] == pytest.approx(2 * norms["cs_ic"], rel=1e-4)
    assert twice["huber"] == pytest.approx(norms["huber"])


def test_losses_are_float32_under_autocast():
    rank, gauss, y, mask = block(horizons=4)
    pred = torch.randn(rank.shape)
    plain, _ = composite(pred, rank, gauss, y, mask, LossConfig(), HORIZONS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed, _ = composite(pred, rank, gauss, y, mask, LossConfig(), HORIZONS)
    assert mixed.dtype == torch.float32
    assert torch.equal(plain, mixed)


def test_a_term_of_a_plug_in_is_one_of_them(monkeypatch):
    def half(pred_BN, targets, mask_BN):
        return 0.5 * TERMS["rank_ic"](pred_BN, targets, mask_BN)

    monkeypatch.setattr(plugins, "_LOADED", {"": {"TERMS": {"half": half}}})
    rank, gauss, y, mask = block(horizons=4)
    pred = torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
    ours = LossConfig(rank_ic=0.5, cs_ic=0, sharpe=0, huber=0)
    both = LossConfig(rank_ic=0.25, cs_ic=0, sharpe=0, huber=0, own={"half": 0.5})
    resolve(both)
    total, values = composite(pred, rank, gauss, y, mask, both, HORIZONS)
    assert torch.isclose(total, composite(pred, rank, gauss, y, mask, ours, HORIZONS)[0])
    assert set(values) == {"rank_ic", "own.half"}
    norms = term_gradients(pred, rank, gauss, y, mask, both, HORIZONS)
    assert norms["own.half"] == pytest.approx(norms["rank_ic"])
    unknown = LossConfig(own={"other": 1.0})
    with pytest.raises(
        UsageError, match=r"loss\.own names 'other', which nobody has; there are: half"
    ):
        resolve(unknown)
