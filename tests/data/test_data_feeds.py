"""Blocks: views of the panel with the right days, labels masked and never filled."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from data_panels import built, synthetic

from atft_core.config.schema import ModelConfig, SplitConfig
from atft_core.cross_section import ranked_targets
from atft_core.data.feeds import (
    MARKET_BOUND,
    ResidentFeed,
    eval_blocks,
    market_inputs,
    train_blocks,
)
from atft_core.data.splits import make_split
from atft_core.errors import DataError
from atft_core.model.atft import ATFT

LOOKBACK = 10
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def panel(tmp_path_factory):
    directory = tmp_path_factory.mktemp("feeds")
    return built(synthetic(directory, days=240), cache_dir=str(directory / "cache"))


def feed_of(panel):
    split = make_split(panel.dates_T, SplitConfig(warmup=40), 20, LOOKBACK)
    return ResidentFeed(panel, split, LOOKBACK, CPU), split


def test_a_block_has_the_days_it_says(panel):
    feed, _ = feed_of(panel)
    block = feed.block(range(100, 108))
    seen = slice(100 - LOOKBACK + 1, 108)
    assert block.x_TNF.dtype == torch.bfloat16
    np.testing.assert_array_equal(block.x_TNF.view(torch.uint16).numpy(), panel.x_TNF[seen])
    np.testing.assert_array_equal(block.valid_TN.numpy(), panel.valid_TN[seen])
    assert block.market_TM.shape == (LOOKBACK + 7, 6)
    assert block.y_BNH.shape == block.mask_BNH.shape == (8, 40, 4)


def test_inputs_and_labels_are_views_of_what_is_resident(panel):
    feed, _ = feed_of(panel)
    block = feed.block(range(100, 108))
    for name in ("x_TNF", "market_TM", "valid_TN", "y_TNH", "rank_TNH", "gauss_TNH", "mask_TNH"):
        resident = getattr(feed, name)
        view = getattr(block, name if hasattr(block, name) else name.replace("_TNH", "_BNH"))
        assert view.untyped_storage().data_ptr() == resident.untyped_storage().data_ptr()
        assert view.is_contiguous()


def test_labels_are_masked_and_never_filled(panel):
    feed, _ = feed_of(panel)
    block = feed.block(range(215, 240))
    y = panel.y_TNH[215:240]
    mask = panel.valid_TN[215:240, :, None] & np.isfinite(y)
    assert not mask[:, :, 3].all(axis=1).any()
    np.testing.assert_array_equal(block.mask_BNH.numpy(), mask)
    np.testing.assert_array_equal(block.y_BNH.numpy()[mask], y[mask])
    for labels in (block.y_BNH, block.rank_BNH, block.gauss_BNH):
        assert not labels.numpy()[~mask].any()
        assert torch.isfinite(labels).all()


def test_ranks_are_those_of_the_cross_section(panel):
    feed, _ = feed_of(panel)
    rank, gauss = ranked_targets(panel.y_TNH[90:95], panel.valid_TN[90:95])
    block = feed.block(range(90, 95))
    np.testing.assert_array_equal(block.rank_BNH.numpy(), rank)
    np.testing.assert_array_equal(block.gauss_BNH.numpy(), gauss)


def test_the_graph_of_a_block_is_the_last_one_known_on_its_first_day(panel):
    feed, _ = feed_of(panel)
    days = panel.neighbour_days_R
    assert list(days[:2]) == [60, 80]
    assert (feed.block(range(59, 62)).neighbours_NK == -1).all()
    for start, graph in ((60, 0), (79, 0), (80, 1), (81, 1)):
        found = feed.block(range(start, start + 4)).neighbours_NK
        assert found.dtype == torch.int64
        np.testing.assert_array_equal(found.numpy(), panel.neighbours_RNK[graph])


def test_float32_panels_and_panels_without_graph_or_market_are_fed(panel):
    bare = replace(
        panel,
        x_batches=tuple(np.ones(b.shape, np.float32) for b in panel.x_batches),
        market_TM=np.empty((240, 0), np.float32),
        market_names=(),
        neighbour_days_R=np.empty(0, np.int64),
        neighbours_RNK=np.empty((0, 40, 0), np.int32),
    )
    feed, _ = feed_of(bare)
    block = feed.block(range(100, 104))
    assert block.x_TNF.dtype == torch.float32
    assert block.market_TM.shape == (LOOKBACK + 3, 0)
    assert block.neighbours_NK.shape == (40, 0)
    model = ATFT(ModelConfig(hidden=16, lookback=LOOKBACK), groups=panel.groups, n_market=0,
                 n_horizons=4, sector_N=torch.from_numpy(panel.sector_N.copy()))  # fmt: skip
    scores = model(block.x_TNF, block.market_TM, block.valid_TN, block.neighbours_NK)
    assert torch.isfinite(scores).all()


def test_a_block_without_enough_history_is_refused(panel):
    feed, _ = feed_of(panel)
    for days in (range(LOOKBACK - 2, 20), range(235, 241), range(50, 50)):
        with pytest.raises(DataError, match="panel of 240 days"):
            feed.block(days)


def test_the_market_is_scaled_by_the_training_days_only(panel):
    train = range(40, 100)
    scaled = market_inputs(panel.market_TM, train)
    np.testing.assert_allclose(scaled[train.start : train.stop, 0].mean(), 0, atol=1e-6)
    np.testing.assert_allclose(scaled[train.start : train.stop, 0].std(), 1, atol=1e-5)
    changed = panel.market_TM.copy()
    changed[100:] *= 50
    np.testing.assert_array_equal(market_inputs(changed, train)[:100], scaled[:100])
    assert np.abs(market_inputs(changed, train)).max() <= MARKET_BOUND
    assert not scaled[0].any()  # nothing known yet
    constant = np.ones((100, 1), np.float32)
    assert not market_inputs(constant, train).any()


def test_the_reason_says_where_and_how_much(panel):
    feed, _ = feed_of(panel)
    assert feed.name == "resident"
    assert "MiB" in feed.reason
    assert "cpu" in feed.reason
    assert feed.bytes > panel.x_TNF.nbytes


@pytest.mark.parametrize(("length", "size"), [(220, 8), (224, 8), (300, 16), (30, 8), (16, 16)])
def test_train_blocks_are_full_disjoint_and_the_same_number_each_epoch(length, size):
    days = range(60, 60 + length)
    counts, covered, orders = set(), set(), set()
    for seed in range(60):
        blocks = train_blocks(days, size, seed=seed)
        counts.add(len(blocks))
        flat = [day for block in blocks for day in block]
        assert all(len(block) == size and block.step == 1 for block in blocks)
        assert len(set(flat)) == len(flat)
        assert set(flat) <= set(days)
        covered |= set(flat)
        orders.add(tuple(block.start for block in blocks))
    assert len(counts) == 1
    assert counts.pop() >= length // size - 1
    assert covered == set(days)
    assert len(orders) > 5 or length == size


def test_train_blocks_depend_on_the_seed_only():
    days = range(60, 280)
    assert train_blocks(days, 8, seed=3) == train_blocks(days, 8, seed=3)
    assert train_blocks(days, 8, seed=3) != train_blocks(days, 8, seed=4)
    assert train_blocks(range(5, 9), 8, seed=0) == [range(5, 9)]
    assert train_blocks(range(5, 5), 8, seed=0) == []


def test_eval_blocks_hold_every_day_once_in_order_and_stop_at_a_new_graph():
    refresh = np.array([80, 100, 121, 140])
    blocks = eval_blocks(range(95, 150), 16, refresh)
    assert [day for block in blocks for day in block] == list(range(95, 150))
    assert all(1 <= len(block) <= 16 for block in blocks)
    for block in blocks:
        assert not set(refresh) & set(block[1:])
    assert eval_blocks(range(10, 12), 16, np.empty(0, np.int64)) == [range(10, 12)]
    assert eval_blocks(range(10, 10), 16, refresh) == []
