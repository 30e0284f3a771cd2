"""The network: shared windows, causality, switches, and that it learns."""

import pytest
import torch

from atft_core.config.loss import LossConfig
from atft_core.config.schema import QUANTILE_LEVELS, ModelConfig
from atft_core.errors import DataError, UsageError
from atft_core.model.atft import ATFT, Stocks, count_parameters
from atft_core.objective.losses import composite
from atft_core.run import plugins

torch.set_num_threads(1)
LOOKBACK, DAYS, N, F, H, K = 6, 5, 14, 9, 2, 3
SWITCHES = ("selection", "kernel", "temporal", "graph", "fan", "san", "market", "linear")
GROUPS = [f"g{i % 3}" for i in range(F)]
EVERYTHING = {"fan": True, "san": True, "layers": 1, "messages": ("edges", "neighbours", "sector")}


def alone(n):
    """Stocks of three sectors that depend on nobody."""
    return Stocks(torch.arange(n) % 3, torch.empty(n, 0), torch.empty(n, 0), 0)


def build(dtype=torch.float32, seed=0, **changes):
    torch.manual_seed(seed)
    config = ModelConfig(
        **EVERYTHING | {"hidden": 16, "channels": 4, "lookback": LOOKBACK, "heads": 2, **changes}
    )
    stocks = Stocks(
        sector_N=torch.arange(N) % 4 - 1,
        edges_NE=torch.randint(-1, N, (N, 2), generator=torch.Generator().manual_seed(5)),
        weights_NE=torch.full((N, 2), 2**-0.5),
        neighbours=K,
    )
    model = ATFT(config, groups=GROUPS, market_error_M=torch.ones(2), n_horizons=H, stocks=stocks)
    with torch.no_grad():  # so that every path is visible in the output
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return model.to(dtype).eval()


def inputs(dtype=torch.float32, seed=1):
    gen = torch.Generator().manual_seed(seed)
    t = LOOKBACK + DAYS - 1
    x = torch.randn(t, N, F, generator=gen, dtype=torch.float64).to(dtype)
    market = torch.randn(t, 2, generator=gen, dtype=torch.float64).to(dtype)
    valid = torch.rand(t, N, generator=gen) > 0.15
    neighbours = torch.randint(-1, N, (t, N, K), generator=gen)
    return x, market, valid, neighbours


def one_by_one(model, x, market, valid, neighbours):
    windows = [slice(b, b + LOOKBACK) for b in range(DAYS)]
    return torch.cat([model(x[w], market[w], valid[w], neighbours[w]) for w in windows])


@pytest.mark.parametrize("attend", ["columns", "encoded"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_a_block_equals_its_windows_one_by_one(dtype, tolerance, attend):
    model, given = build(dtype, attend=attend), inputs(dtype)
    assert (model(*given) - one_by_one(model, *given)).abs().max() < tolerance


@pytest.mark.parametrize("attend", ["columns", "encoded"])
def test_gradients_of_a_block_equal_those_of_its_windows(attend):
    model, given = build(attend=attend), inputs()
    grads = []
    for run in (model, lambda *a: one_by_one(model, *a)):
        model.zero_grad()
        run(*given).square().mean().backward()
        grads.append([p.grad.clone() for p in model.parameters()])
    assert all((a - b).abs().max() < 1e-4 for a, b in zip(*grads, strict=True))
    assert all(g.norm() > 0 for g in grads[0])


@pytest.mark.parametrize("attend", ["columns", "encoded"])
@pytest.mark.parametrize("day", range(DAYS))
def test_what_comes_later_never_changes_a_prediction(day, attend):
    model, (x, market, valid, neighbours) = build(attend=attend), inputs()
    before = model(x, market, valid, neighbours)
    later = LOOKBACK + day
    x, market, valid = x.clone(), market.clone(), valid.clone()
    x[later:], market[later:] = 9.0, -9.0
    valid[later:] = ~valid[later:]
    after = model(x, market, valid, neighbours)
    assert torch.equal(before[: day + 1], after[: day + 1])


def test_what_is_older_than_the_lookback_is_not_seen():
    model, (x, market, valid, neighbours) = build(), inputs()
    before = model(x, market, valid, neighbours)[-1]
    x = x.clone()
    x[: DAYS - 1] = 5.0
    torch.testing.assert_close(model(x, market, valid, neighbours)[-1], before)
    x[DAYS - 1] = 5.0
    assert (model(x, market, valid, neighbours)[-1] - before).abs().max() > 1e-4


@pytest.mark.parametrize("off", ["none", "linear", "fan", "san", "temporal", "graph", "selection"])
def test_the_last_day_of_the_input_matters(off):
    model, (x, market, valid, neighbours) = (
        build(**({} if off == "none" else {off: False})),
        inputs(),
    )
    x = x.requires_grad_()
    (grad,) = torch.autograd.grad(model(x, market, valid | True, neighbours)[-1].sum(), x)
    assert (grad[-1].abs().sum(-1) > 0).all()
    assert torch.isfinite(grad).all()


@pytest.mark.parametrize("graph", [False, True])
def test_other_stocks_matter_through_the_graph_only(graph):
    model, (x, market, valid, neighbours) = build(graph=graph), inputs()
    before = model(x, market, valid, neighbours)
    x = x.clone()
    x[:, 3] += 1.0
    moved = (model(x, market, valid, neighbours) - before).abs().amax(dim=(0, 2)) > 1e-6
    assert moved[3]
    assert moved[torch.arange(N) != 3].any() == graph


@pytest.mark.parametrize("switch", SWITCHES)
def test_a_switch_removes_its_parameters_and_the_rest_still_runs(switch):
    smaller = build(**{switch: False})
    assert count_parameters(smaller) < count_parameters(build())
    scores = smaller(*inputs())
    assert scores.shape == (DAYS, N, H)
    assert torch.isfinite(scores).all()


def test_heads_must_divide_what_attention_over_encoded_days_works_on():
    with pytest.raises(ValueError, match="heads = 4 does not divide hidden / 2 = 6"):
        ModelConfig(hidden=12, heads=4, attend="encoded")


def test_with_everything_off_a_score_is_a_function_of_its_own_day():
    model = build(**dict.fromkeys(SWITCHES, False))
    x, market, valid, neighbours = inputs()
    before = model(x, market, valid, neighbours)
    x[: LOOKBACK - 1] = 7.0
    assert torch.equal(before, model(x, market, valid, neighbours))


def test_quantiles_surround_their_score_and_cannot_cross():
    model = build(quantiles=True)
    scores, spread = model.scores(*inputs())
    assert spread.shape == (*scores.shape, len(QUANTILE_LEVELS))
    assert (spread.diff(dim=-1) > 0).all()
    assert (spread[..., len(QUANTILE_LEVELS) // 2] == 0).all()
    assert torch.equal(model(*inputs()), scores)
    assert build().scores(*inputs())[1] is None


def test_the_order_of_the_stocks_does_not_matter():
    model, (x, market, valid, neighbours) = build(torch.float64), inputs(torch.float64)
    before = model(x, market, valid, neighbours)
    order = torch.randperm(N, generator=torch.Generator().manual_seed(2))
    place = torch.empty_like(order).scatter_(0, order, torch.arange(N))
    renamed = torch.where(neighbours >= 0, place[neighbours.clamp_min(0)], -1)[:, order]
    model.sector_N = model.sector_N[order]
    model.edges_NE = torch.where(
        model.edges_NE >= 0, place[model.edges_NE.clamp_min(0)], -1)[order]  # fmt: skip
    after = model(x[:, order], market, valid[:, order], renamed)
    torch.testing.assert_close(after, before[:, order], atol=1e-10, rtol=0)


def test_invalid_stocks_are_finite_and_their_features_are_not_read():
    model, (x, market, valid, neighbours) = build(), inputs()
    valid[:, 2] = False
    valid[-1] = False  # a day without any stock
    before = model(x, market, valid, neighbours)
    x[~valid] = torch.nan
    after = model(x, market, valid, neighbours)
    assert torch.isfinite(after).all()
    assert torch.equal(before, after)
    after.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_a_stock_invalid_today_reaches_no_other_stock_today():
    model, (x, market, valid, neighbours) = build(), inputs()
    valid[:, 3] = True
    valid[-1, 3] = False
    before = model(x, market, valid, neighbours)
    others = torch.arange(N) != 3
    moved = {}
    for day in (-1, -2):
        changed = x.clone()
        changed[day, 3] += 1.0
        gap = (model(changed, market, valid, neighbours) - before).abs().amax(dim=2)
        moved[day] = gap[-1, others].max() > 1e-6
    assert not moved[-1]
    assert moved[-2]  # what it said yesterday, when it was there, is still heard


def test_bfloat16_input_and_autocast_give_float32_scores():
    model, (x, market, valid, neighbours) = build(), inputs()
    plain = model(x, market, valid, neighbours)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = model(x.bfloat16(), market.bfloat16(), valid, neighbours)
    assert mixed.dtype == torch.float32
    assert (plain - mixed).abs().max() < 0.2


def test_no_neighbours_at_all_is_fine_and_impossible_blocks_are_refused():
    model, (x, market, valid, neighbours) = build(), inputs()
    assert torch.isfinite(model(x, market, valid, neighbours[..., :0])).all()
    with pytest.raises(DataError, match="lookback"):
        model(x[:3], market[:3], valid[:3], neighbours[:3])
    with pytest.raises(DataError, match="stocks"):
        model(x[:, :5], market, valid[:, :5], neighbours[:, :5])


def test_dropout_acts_in_training_only():
    model, given = build(), inputs()
    assert torch.equal(model(*given), model(*given))
    model.train()
    assert not torch.equal(model(*given), model(*given))


def test_the_market_is_blurred_in_training_only():
    given = inputs()
    model = build(dropout=0.0, graph_dropout=0.0)
    assert torch.equal(model(*given), model(*given))
    model.train()
    assert not torch.equal(model(*given), model(*given))
    sharp = build(dropout=0.0, graph_dropout=0.0, market_noise=0.0).train()
    assert torch.equal(sharp(*given), sharp(*given))


def test_scores_start_small_but_not_equal():
    torch.manual_seed(0)
    config = ModelConfig(hidden=32, lookback=LOOKBACK)
    model = ATFT(
        config, groups=GROUPS, market_error_M=torch.ones(2), n_horizons=H, stocks=alone(N)
    ).eval()
    scores = model(*inputs())
    assert 0.01 < scores.std() < 1.0


def test_a_planted_signal_is_learnt_in_sixty_steps():
    torch.manual_seed(0)
    n, days = 60, 16
    config = ModelConfig(hidden=16, lookback=4, heads=2, dropout=0.1)
    model = ATFT(config, groups=GROUPS, market_error_M=torch.ones(2), n_horizons=1, stocks=alone(n))
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)

    def block():
        x = torch.randn(days + 3, n, F)
        signal = x[3:, :, 0] - x[3:, :, 1]
        noisy = signal + 2.0 * torch.randn_like(signal)
        rank = noisy.argsort(1).argsort(1).float()
        rank = ((rank - rank.mean()) / rank.std())[..., None]
        return (
            (x, torch.randn(days + 3, 2), x[..., 0] < 9, torch.full((days + 3, n, K), -1)),
            rank,
            signal,
        )

    for _ in range(60):
        given, rank, _ = block()
        loss, _ = composite(
            model(*given), rank, rank, 0.02 * rank, rank < 9, LossConfig(), (1,)
        )  # fmt: skip
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    given, _, signal = block()
    scores = model.eval()(*given)[..., 0]
    pairs = [torch.corrcoef(torch.stack(p))[0, 1] for p in zip(scores, signal, strict=True)]
    assert torch.stack(pairs).mean() > 0.5


def test_a_part_of_a_plug_in_adds_to_what_the_others_say(monkeypatch):
    class Today(torch.nn.Module):
        def __init__(self, sizes):
            super().__init__()
            self.linear = torch.nn.Linear(sizes.features, sizes.hidden)
            self.past = sizes.lookback - 1

        def forward(self, z_BND, x_TNF, valid_TN):
            return self.linear(x_TNF[self.past :])

    monkeypatch.setattr(plugins, "_LOADED", {"": {"BLOCKS": {"today": Today}}})
    model, given = build(own=("today",)), inputs()
    assert (model(*given) - one_by_one(model, *given)).abs().max() < 1e-5
    assert (model(*given) - build()(*given)).abs().max() > 1e-3, "it is heard"
    model(*given).sum().backward()
    assert model.own[0].linear.weight.grad.abs().sum() > 0
    assert model.own[0].linear.weight in set(model.blocks()["encoder"])
    with pytest.raises(UsageError, match=r"model\.own names 'other', which nobody has"):
        build(own=("other",))
