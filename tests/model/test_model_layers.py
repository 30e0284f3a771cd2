"""The parts of the network against their plain definitions."""

import numpy as np
import pytest
import torch

from atft_core.model.graph import MARKET, GraphAttention, Group, StockGraph
from atft_core.model.history import EdgeMessages, NeighbourMessages, SectorMessages
from atft_core.model.layers import (
    HEAD_BOUND,
    BoundedGLUHead,
    GroupedSelection,
)
from atft_core.model.temporal import BandedAttention, CausalKernel
from atft_core.model.window_statistics import (
    WindowStatistics,
    fan_statistics,
    fourier_basis,
    san_statistics,
)

torch.set_num_threads(1)


def test_selection_is_the_gated_sum_of_one_linear_map_per_group():
    torch.manual_seed(0)
    groups = ["b", "a", "b", "c", "a"]
    select = GroupedSelection(groups, 8, 2, selection=True).double()
    for p in select.parameters():
        torch.nn.init.normal_(p)
    x, market = torch.randn(3, 4, 5).double(), torch.randn(3, 2).double()
    weight = (select.gate(x) + select.market_gate(market)[:, None]).softmax(-1) * 3
    expected = select.market(market)[:, None]
    for g, name in enumerate(("a", "b", "c")):
        member = [i for i, group in enumerate(groups) if group == name]
        part = x[..., member] @ select.linear.weight[:, member].T + select.bias_GD[g]
        expected = expected + weight[..., g : g + 1] * part
    torch.testing.assert_close(select(x, market), expected)


@pytest.mark.parametrize("channels", [8, 12])
def test_attention_equals_a_plain_loop_over_windows(channels):
    torch.manual_seed(0)
    hidden, width, heads, lookback, n, days = 6, 8, 2, 4, 3, 37
    block = BandedAttention(channels, hidden, width, heads, lookback, 0.0).double()
    t = lookback + days - 1
    query, token = torch.randn(days, n, hidden).double(), torch.randn(t, n, channels).double()
    valid = torch.rand(t, n) > 0.4
    got = block(query, token, valid)
    q = block.query(query).view(days, n, heads, -1)
    value = token if channels == width else block.value(token)
    k, v = (x.view(t, n, heads, -1) for x in (block.key(token), value))
    for b in range(days):
        for i in range(n):
            last, found = b + lookback - 1, []
            seen = [d for d in range(b, last + 1) if valid[d, i] or d == last]
            for a in range(heads):
                logit = torch.stack([
                    q[b, i, a] @ k[d, i, a] / 2.0 + block.age_AL[a, last - d] for d in seen
                ])  # fmt: skip
                found.append(logit.softmax(0) @ v[seen, i, a])
            torch.testing.assert_close(got[b, i], block.out(torch.cat(found)))


def test_the_kernel_weighs_each_channel_by_age():
    torch.manual_seed(0)
    channels, hidden, lookback, n, days = 3, 5, 4, 2, 37
    block = CausalKernel(channels, hidden, lookback, 0.0).double()
    history = torch.randn(lookback + days - 1, n, channels).double()
    got = block(history)
    for b in range(days):
        last = b + lookback - 1
        found = sum(block.kernel_CL[:, age] * history[last - age] for age in range(lookback))
        torch.testing.assert_close(got[b], block.out(found))


def messages(kind, *more):
    torch.manual_seed(0)
    return kind(4, 3, *more).double()


def test_messages_are_weighted_sums_over_those_who_are_there():
    generator = torch.Generator().manual_seed(1)
    t, n = 3, 6
    x = torch.randn(t, n, 4, generator=generator).double()
    valid = torch.rand(t, n, generator=generator) > 0.3
    edges = torch.tensor([[1, 2], [0, -1], [-1, -1], [5, 4], [3, 0], [1, 3]])
    weights = torch.rand(n, 2, generator=generator).double()
    neighbours = torch.randint(-1, n, (t, n, 2), generator=generator)
    sector = torch.tensor([0, 0, 0, 1, 1, -1])
    by_edges, by_neighbours = messages(EdgeMessages), messages(NeighbourMessages)
    by_sector = messages(SectorMessages, 2)
    got = (by_edges(x, valid, edges, weights), by_neighbours(x, valid, neighbours),
           by_sector(x, valid, sector))  # fmt: skip
    for d in range(t):
        for i in range(n):
            there = [(j, w) for j, w in zip(edges[i], weights[i], strict=True)
                     if j >= 0 and valid[d, j]]  # fmt: skip
            near = [j for j in neighbours[d, i] if j >= 0 and valid[d, j]]
            peers = [j for j in range(n) if j != i and valid[d, j] and sector[j] == sector[i] >= 0]
            sums = (
                sum((w * by_edges.linear(x[d, j]) for j, w in there), torch.zeros(3).double()),
                sum((by_neighbours.linear(x[d, j]) for j in near), torch.zeros(3).double())
                / max(len(near), 1) ** 0.5,
                sum((by_sector.linear(x[d, j]) for j in peers), torch.zeros(3).double())
                / max(len(peers), 1) ** 0.5,
            )
            for found, expected in zip(got, sums, strict=True):
                torch.testing.assert_close(found[d, i], expected)


def test_the_head_is_bounded_around_its_linear_path():
    head = BoundedGLUHead(16, 4, 3, 0.0, linear=True)
    torch.nn.init.normal_(head.linear.weight)
    torch.nn.init.normal_(head.out_HW, std=1e3)
    z, x = 1e6 * torch.randn(5, 6, 16), torch.randn(5, 6, 4)
    moved = (head(z, x) - head.linear(x)).abs()
    assert moved.max() <= HEAD_BOUND + 1e-4
    assert moved.max() > 0.9 * HEAD_BOUND


@pytest.mark.parametrize("length", [2, 5, 6, 20])
def test_fan_equals_the_fft_definition(length):
    rng = np.random.default_rng(length)
    window = rng.normal(size=(5, 6, length))
    k = min(3, length // 2 + 1)
    basis, last = fourier_basis(length)
    by_day = torch.from_numpy(window).transpose(1, 2)
    got = fan_statistics(by_day, basis, last, k).transpose(1, 2).numpy()
    spectrum = np.fft.rfft(window, axis=-1)
    order = np.argsort(-np.abs(spectrum), axis=-1)
    amplitude = np.take_along_axis(np.abs(spectrum), order[..., :k], -1) / length
    rest = spectrum.copy()
    np.put_along_axis(rest, order[..., :k], 0, -1)
    residual = np.fft.irfft(rest, n=length, axis=-1)[..., -1]
    np.testing.assert_allclose(got[..., :k], amplitude, atol=1e-6)
    np.testing.assert_allclose(got[..., k], residual, atol=1e-9)


def test_san_is_the_mean_and_deviation_of_each_slice():
    window = torch.randn(5, 22, 6, dtype=torch.float64)
    got = san_statistics(window, 4)
    slices = window[:, 2:].reshape(5, 4, 5, 6)
    expected = torch.cat([slices.mean(2), slices.std(2, correction=0)], 1)
    torch.testing.assert_close(got, expected, atol=1e-6, rtol=0)


def test_statistics_are_causal_and_know_one_stock_only():
    block = WindowStatistics(20, 6, fan=True, san=True)
    x = torch.randn(10, 7, 20)
    before = block(x)
    assert before.shape == (5, 7, block.n_out)
    other, later, unused = x.clone(), x.clone(), x.clone()
    other[:, 3], later[8:], unused[..., 16:] = 9.0, 9.0, 9.0
    keep = torch.arange(7) != 3
    assert torch.equal(block(other)[:, keep], before[:, keep])
    assert torch.equal(block(later)[:3], before[:3])
    assert not torch.equal(block(later)[3], before[3])
    assert torch.equal(block(unused), before)
    torch.testing.assert_close(block(x[2:8]), before[2:3])


def test_statistics_stay_float32_for_half_precision_input():
    block = WindowStatistics(4, 6, fan=True, san=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert block(torch.randn(8, 3, 4).bfloat16()).dtype == torch.float32


def test_a_group_leaves_out_oneself_the_invalid_and_the_unknown():
    x = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])[None, :, None]
    valid = torch.tensor([[True, True, False, True, True, True]])
    group = Group(torch.tensor([0, 0, 0, 1, -1, 0]), 2, valid)
    mean = (group.sums(x) - group.own_BN1 * x) / group.others_BN1
    assert group.exists_BN.tolist() == [[True, True, True, False, False, True]]
    torch.testing.assert_close(mean[0, [0, 1, 2, 5], 0], torch.tensor([17.0, 16.5, 35 / 3, 1.5]))


def test_graph_attention_equals_a_plain_loop_over_its_sources():
    torch.manual_seed(0)
    days, n, hidden, heads = 2, 7, 8, 2
    layer = GraphAttention(hidden, heads, 0.0, 3).double()
    torch.nn.init.normal_(layer.kind_A4)
    z, valid = torch.randn(days, n, hidden).double(), torch.rand(days, n) > 0.2
    sector = torch.tensor([0, 1, 0, 1, -1, 2, 0])
    neighbours = torch.randint(-1, n, (days, n, 3))
    got = layer(z, valid, neighbours, sector)
    q, k, v = (f(layer.norm(z)).view(days, n, heads, -1) for f in (layer.query, layer.key,
                                                                   layer.value))  # fmt: skip
    for b in range(days):
        for i in range(n):
            others = [j for j in range(n) if j != i and valid[b, j]]
            alike = [j for j in others if sector[j] == sector[i] >= 0]
            near = [[j] for j in neighbours[b, i].tolist() if j >= 0 and valid[b, j]]
            sources = [(0, j) for j in near] + [(1, alike), (2, others), (3, [i])]
            sources = [(kind, members) for kind, members in sources if members]
            found = []
            for a in range(heads):
                logit = torch.stack([
                    q[b, i, a] @ k[b, members, a].mean(0) / 2.0 + layer.kind_A4[a, kind]
                    for kind, members in sources
                ])  # fmt: skip
                value = torch.stack([v[b, members, a].mean(0) for _, members in sources])
                found.append(logit.softmax(0) @ value)
            torch.testing.assert_close(got[b, i], layer.out(torch.cat(found)))


def test_a_neighbour_is_read_but_not_a_missing_an_invalid_or_another_stock():
    torch.manual_seed(0)
    graph = StockGraph(8, 2, 1, 0.0, 1)
    torch.nn.init.normal_(graph.layers[0].out.weight)
    with torch.no_grad():
        graph.layers[0].kind_A4[:, MARKET] = -1e4  # the market's mean would carry any change
    unknown, valid = torch.full((5,), -1), torch.ones(1, 5, dtype=torch.bool)
    neighbours = torch.tensor([[[1, 2, -1]] * 5])
    z = torch.randn(1, 5, 8)

    def reaches_stock_3(changed, mask):
        other = z.clone()
        other[0, changed] = torch.randn(8)
        before, after = (graph(x, mask, neighbours, unknown)[0, 3] for x in (z, other))
        return not torch.equal(before, after)

    assert reaches_stock_3(1, valid)
    assert not reaches_stock_3(4, valid)
    assert not reaches_stock_3(0, valid)  # where a missing neighbour's index points
    assert not reaches_stock_3(1, valid & (torch.arange(5) != 1))


def test_a_market_of_one_stock_listens_to_itself():
    graph = StockGraph(8, 2, 2, 0.0, 1)
    z, alone = torch.randn(2, 1, 8), torch.ones(2, 1, dtype=torch.bool)
    nobody = torch.full((2, 1, 3), -1)
    assert torch.isfinite(graph(z, alone, nobody, torch.zeros(1, dtype=torch.long))).all()
    assert torch.isfinite(graph(z, ~alone, nobody, torch.zeros(1, dtype=torch.long))).all()
