"""Blocks: views of the panel with the right days, labels masked and never filled."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from data_panels import built, synthetic

from atft_core.config.schema import DataConfig, ModelConfig
from atft_core.config.split import SplitConfig
from atft_core.cross_section import ranked_targets
from atft_core.data import choose, memory
from atft_core.data.blocks import eval_blocks, train_blocks
from atft_core.data.choose import make_feed
from atft_core.data.feeds import MappedFeed, ResidentFeed
from atft_core.data.market import MARKET_BOUND, market_inputs
from atft_core.data.splits import make_split
from atft_core.errors import DataError
from atft_core.model.atft import ATFT
from atft_core.run.wording import size
from atft_core.train.setup import stocks_of

LOOKBACK = 10
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def panel(tmp_path_factory):
    directory = tmp_path_factory.mktemp("feeds")
    return built(synthetic(directory, days=240), cache_dir=str(directory / "cache"))


def feed_of(panel, kind=MappedFeed):
    split = make_split(panel.dates_T, SplitConfig(warmup=40), 20, LOOKBACK)
    return kind(panel, market_inputs(panel.market_TM, split.train), LOOKBACK, CPU), split


def test_a_block_has_the_days_it_says(panel):
    feed, _ = feed_of(panel)
    block = feed.block(range(100, 108))
    seen = slice(100 - LOOKBACK + 1, 108)
    assert block.x_TNF.dtype == torch.bfloat16
    np.testing.assert_array_equal(block.x_TNF.view(torch.uint16).numpy(), panel.x_TNF[seen])
    np.testing.assert_array_equal(block.valid_TN.numpy(), panel.valid_TN[seen])
    assert block.market_TM.shape == (LOOKBACK + 7, 6)
    assert block.y_BNH.shape == block.mask_BNH.shape == (8, 40, 4)


FIELDS = ("x_TNF", "market_TM", "valid_TN", "y_BNH", "rank_BNH", "gauss_BNH",
          "mask_BNH", "neighbours_TNK")  # fmt: skip
FLOAT_BITS = {torch.float32: torch.int32, torch.bfloat16: torch.int16}


def bits(tensor):
    """Equal where every bit is, NaN included."""
    return tensor.view(FLOAT_BITS.get(tensor.dtype, tensor.dtype)).clone()


@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "uint8rank"])
def test_all_feeds_give_the_same_blocks_bit_for_bit(tmp_path, dtype):
    given = built(synthetic(tmp_path, days=160), dtype=dtype)
    split = make_split(given.dates_T, SplitConfig(warmup=40), 20, LOOKBACK)
    spans = [*train_blocks(split.train, 8, seed=1), *eval_blocks(split.val, 32), range(159, 160)]
    found = {}
    for name in ("resident", "mmap", "ring"):
        market_TM = market_inputs(given.market_TM, split.train)
        feed = make_feed(given, market_TM, LOOKBACK, CPU, DataConfig(feed=name))
        assert (feed.name, feed.reason) == (name, "data.feed asks for it")
        found[name] = [[bits(getattr(b, f)) for f in FIELDS] for b in feed.blocks(spans)]
        feed.close()
    assert len(found["resident"]) == len(spans)
    for name in ("mmap", "ring"):
        for ours, theirs in zip(found[name], found["resident"], strict=True):
            for field, a, b in zip(FIELDS, ours, theirs, strict=True):
                assert torch.equal(a, b), (name, field)


def test_the_numbers_of_a_block_are_those_of_the_panel(tmp_path):
    days = range(100, 108)
    for dtype in ("float32", "uint8rank"):
        given = built(synthetic(tmp_path / dtype, days=150), dtype=dtype)
        block = feed_of(given)[0].block(days)
        expected = given.float_features(range(days.start - LOOKBACK + 1, days.stop))
        np.testing.assert_array_equal(block.x_TNF.numpy(), expected)


def test_a_mapped_block_is_a_view_of_the_file(panel):
    feed, _ = feed_of(panel)
    block = feed.block(range(100, 108))
    assert block.x_TNF.data_ptr() == panel.x_TNF[91:].ctypes.data
    assert block.y_BNH.data_ptr() == panel.y_TNH[100:].ctypes.data
    assert block.nbytes > panel.x_TNF[91:108].nbytes
    assert feed_of(panel, ResidentFeed)[0].block(range(100, 108)).x_TNF.data_ptr() != (
        panel.x_TNF[91:].ctypes.data
    )


def test_labels_are_masked_and_never_filled(panel):
    feed, _ = feed_of(panel)
    block = feed.block(range(215, 240))
    y = panel.y_TNH[215:240]
    mask = panel.valid_TN[215:240, :, None] & np.isfinite(y)
    assert not mask[:, :, 3].all(axis=1).any()
    np.testing.assert_array_equal(block.mask_BNH.numpy(), mask)
    np.testing.assert_array_equal(block.y_BNH.numpy()[mask], y[mask])
    assert np.isnan(block.y_BNH.numpy()[~mask]).all()
    for labels in (block.rank_BNH, block.gauss_BNH):
        assert not labels.numpy()[~mask].any()
        assert torch.isfinite(labels).all()


def test_ranks_are_those_of_the_cross_section(panel):
    feed, _ = feed_of(panel)
    rank, gauss = ranked_targets(panel.y_TNH[90:95], panel.valid_TN[90:95])
    block = feed.block(range(90, 95))
    np.testing.assert_array_equal(block.rank_BNH.numpy(), rank)
    np.testing.assert_array_equal(block.gauss_BNH.numpy(), gauss)


def test_each_day_has_the_last_graph_known_on_it_whatever_its_block(panel):
    feed, _ = feed_of(panel)
    days = panel.neighbour_days_R
    assert list(days[:2]) == [60, 80]
    seen = feed.block(range(58, 83)).neighbours_TNK
    assert seen.shape[:2] == (LOOKBACK - 1 + 25, 40)
    assert (seen[:LOOKBACK] == -1).all()
    found = seen[LOOKBACK - 1 :]
    assert found.dtype == torch.int64
    assert (found[:2] == -1).all()
    for day, graph in ((60, 0), (79, 0), (80, 1), (82, 1)):
        np.testing.assert_array_equal(found[day - 58].numpy(), panel.neighbours_RNK[graph])
        assert torch.equal(feed.block(range(day, day + 1)).neighbours_TNK[-1], found[day - 58])


def test_float32_panels_and_panels_without_graph_or_market_are_fed(panel):
    bare = replace(
        panel,
        x_TNF=np.ones(panel.x_TNF.shape, np.float32),
        x_offset=-1,
        market_TM=np.empty((240, 0), np.float32),
        market_names=(),
        neighbour_days_R=np.empty(0, np.int64),
        neighbours_RNK=np.empty((0, 40, 0), np.int32),
    )
    feed, _ = feed_of(bare)
    block = feed.block(range(100, 104))
    assert block.x_TNF.dtype == torch.float32
    assert block.market_TM.shape == (LOOKBACK + 3, 0)
    assert block.neighbours_TNK.shape == (LOOKBACK + 3, 40, 0)
    model = ATFT(ModelConfig(hidden=16, lookback=LOOKBACK), groups=panel.groups,
                 market_error_M=torch.empty(0), n_horizons=4, stocks=stocks_of(bare))  # fmt: skip
    scores = model(block.x_TNF, block.market_TM, block.valid_TN, block.neighbours_TNK)
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


def test_the_fastest_feed_is_chosen_for_which_there_is_memory(panel, monkeypatch):
    feed = make_feed(panel, panel.market_TM, LOOKBACK, CPU, DataConfig())
    assert feed.name == "mmap"
    assert feed.reason.startswith(f"the device is the CPU; {size(panel.x_TNF.nbytes)} fit into ")
    monkeypatch.setattr(choose, "host_memory", lambda: panel.x_TNF.nbytes)
    feed = make_feed(panel, panel.market_TM, LOOKBACK, CPU, DataConfig())
    assert feed.name == "ring"
    assert f"do not fit into {size(panel.x_TNF.nbytes)} of free memory of the host" in feed.reason


def test_a_container_with_less_memory_than_the_machine_counts(monkeypatch, tmp_path):
    machine = memory.host_memory()
    assert 0 < machine < 2**50
    job = tmp_path / "system.slice" / "job_7" / "step_0"
    job.mkdir(parents=True)
    (job / "memory.max").write_text("max\n")
    (job.parent / "memory.max").write_text(f"{300 * 2**20}\n")
    (job.parent / "memory.current").write_text(f"{150 * 2**20}\n")
    (job.parent / "memory.stat").write_text(f"anon 1\nfile {50 * 2**20}\nfile_dirty 7\n")
    own = tmp_path / "cgroup"
    own.write_text("0::/system.slice/job_7/step_0\n")
    monkeypatch.setattr(memory, "CGROUPS", tmp_path)
    monkeypatch.setattr(memory, "OWN_CGROUPS", own)
    assert memory.host_memory() == 200 * 2**20
    (job.parent / "memory.max").write_text("max\n")
    assert memory.host_memory() > 200 * 2**20


def test_a_batch_system_with_control_groups_of_version_1_counts(monkeypatch, tmp_path):
    job = tmp_path / "memory" / "slurm" / "job_7"
    job.mkdir(parents=True)
    (job / "memory.limit_in_bytes").write_text(f"{400 * 2**20}\n")
    (job / "memory.usage_in_bytes").write_text(f"{150 * 2**20}\n")
    (job / "memory.stat").write_text(f"cache 1\ntotal_cache {50 * 2**20}\n")
    own = tmp_path / "cgroup"
    own.write_text("9:cpu,cpuacct:/elsewhere\n4:memory:/slurm/job_7\n")
    monkeypatch.setattr(memory, "CGROUPS", tmp_path)
    monkeypatch.setattr(memory, "OWN_CGROUPS", own)
    assert memory.host_memory() == 300 * 2**20


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


def test_eval_blocks_hold_every_day_in_order_in_blocks_of_one_size():
    blocks = eval_blocks(range(95, 150), 16)
    assert sorted({day for block in blocks for day in block}) == list(range(95, 150))
    assert [len(block) for block in blocks] == [16, 16, 16, 16]
    assert blocks[-1] == range(134, 150)
    assert eval_blocks(range(10, 12), 16) == [range(10, 12)]
    assert eval_blocks(range(10, 10), 16) == []
